// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records in their wire form: frames unchanged, signed, or reduced to their payload.

use heka_core::codec::{Form, Payload};
use heka_core::net::Addr;
use heka_core::os::clock;
use heka_core::report::{self, Stop};
use heka_core::wire::framing::{put_header, put_header_of};
use heka_core::wire::{Frame, FrameTooLarge, Header, MAX_HEADER_SIZE, Message, Signer, Template};

use crate::input::{Record, Run};
use crate::peer::Target;
use crate::plan::{Ack, Plan};

/// Maximum length of a message that fits into a UDP datagram whatever its frame's header.
const DATAGRAM_MESSAGE: usize = 65_507 - MAX_HEADER_SIZE - 3;

/// Converts records to the bytes for the peer.
#[derive(Debug)]
pub(crate) struct Packer {
    form: Form,
    /// Whether messages have frames.
    framing: bool,
    payload: Payload,
    signer: Option<Signer>,
    /// The common parts of messages made of lines.
    template: Template,
}

impl Packer {
    pub(crate) fn new(form: Form, payload: Payload, signer: Option<Signer>) -> Self {
        let template = template(signer.clone());
        Self { form, framing: true, payload, signer, template }
    }

    /// Sets whether messages have frames.
    pub(crate) fn framing(self, framing: bool) -> Self {
        Self { framing, ..self }
    }

    /// Whether a frame without delivery state is sent unchanged.
    pub(crate) fn is_verbatim(&self) -> bool {
        self.form == Form::Heka && self.framing && self.signer.is_none()
    }

    /// Adds one record, or a run of them, to the window of every target; returns the number of the
    /// last one. A record that does not fit into a frame gets no number.
    pub(crate) fn put_all(
        &mut self,
        record: &mut Record<'_>,
        targets: &mut [Target],
    ) -> (u64, Result<(), FrameTooLarge>) {
        if let Record::Run(run) = record {
            return (put_run(run, targets), Ok(()));
        }
        let mut number = 0;
        let mut outcome = Ok(());
        for target in targets {
            outcome = self.put(target.window.buffer(), record);
            // A peer counts the records that it receives.
            number = match outcome {
                Ok(()) => target.window.end_record(),
                Err(_) => target.window.last(),
            };
        }
        (number, outcome)
    }

    /// Appends one record, or a run of them.
    ///
    /// # Errors
    /// If it does not fit into a frame; nothing is appended then.
    pub(crate) fn put(
        &mut self,
        out: &mut Vec<u8>,
        record: &Record<'_>,
    ) -> Result<(), FrameTooLarge> {
        match (self.form, record) {
            (_, Record::Mark(_)) => {}
            (_, Record::Run(run)) => out.extend_from_slice(run.bytes()),
            (Form::Heka, Record::Frame(frame)) if !self.framing => {
                out.extend_from_slice(frame.message);
            }
            (Form::Heka, Record::Frame(frame)) => self.put_frame(out, frame)?,
            (Form::Heka, Record::Line(line) | Record::Bytes(line)) => {
                let (uuid, now) = (clock::random_uuid(), clock::now_ns());
                if self.framing {
                    self.template.put_frame(out, Header::default(), uuid, now, line)?;
                } else {
                    self.template.put_message(out, uuid, now, line);
                }
            }
            (Form::Raw, Record::Bytes(bytes)) => out.extend_from_slice(bytes),
            (Form::Raw, Record::Frame(frame)) => out.extend_from_slice(frame.bytes),
            (_, Record::Frame(frame)) => self.payload.put(out, &frame.view),
            (_, Record::Line(line) | Record::Bytes(line)) => self.payload.put_bytes(out, line),
        }
        Ok(())
    }

    /// Appends a frame without its delivery state, which concerns only neighbouring stages.
    fn put_frame(&self, out: &mut Vec<u8>, frame: &Frame<'_>) -> Result<(), FrameTooLarge> {
        if let Some(signer) = &self.signer {
            let digest = signer.sign(frame.message);
            let message_length = frame.header.message_length;
            put_header(out, signer.stamp(Header { message_length, ..Header::default() }, &digest))?;
        } else if frame.header.is_extended() {
            put_header_of(out, frame, &Header::default())?;
        } else {
            out.extend_from_slice(frame.bytes);
            return Ok(());
        }
        out.extend_from_slice(frame.message);
        Ok(())
    }
}

/// Returns the common parts of messages made of lines.
fn template(signer: Option<Signer>) -> Template {
    let message = Message {
        logger: Some("heka-send".into()),
        severity: Some(heka_core::wire::DEFAULT_SEVERITY),
        hostname: Some(clock::hostname().into()),
        ..Message::default()
    };
    Template::new(&message, signer)
}

/// Returns the maximum length of a line in a message, if lines become messages.
///
/// # Errors
/// If no line fits: status 2.
pub(crate) fn line_limit(plan: &Plan) -> Result<usize, Stop> {
    if plan.output != Form::Heka {
        return Ok(plan.max_record);
    }
    let goes_by_datagram = plan.targets.iter().flatten().any(Addr::is_datagram);
    let fits = if goes_by_datagram { DATAGRAM_MESSAGE } else { usize::MAX };
    let room = template(None).room(plan.message_limit.min(fits));
    room.map(|room| room.min(plan.max_record))
        .ok_or_else(|| Stop::usage("--message-limit: headers alone take more"))
}

/// Detects forwarded messages that are longer than receivers accept.
#[derive(Debug)]
pub(crate) struct Oversized {
    /// `None` once that is known or has been reported.
    limit: Option<usize>,
}

impl Oversized {
    pub(crate) fn new(plan: &Plan) -> Self {
        // A peer that acknowledges is heka-listen, which reports refusals itself.
        let mut addrs = plan.targets.iter().flatten();
        let acknowledge = addrs.all(|addr| plan.delivery.ack_of(addr) == Ack::Peer);
        let may_be_refused = plan.output == Form::Heka && !acknowledge;
        Self { limit: may_be_refused.then_some(plan.message_limit) }
    }

    /// Warns of the first such message.
    #[inline]
    pub(crate) fn look(&mut self, record: &Record<'_>) {
        let Some(limit) = self.limit else { return };
        let longest = match record {
            Record::Run(run) if run.len() > limit => run.longest_message(),
            Record::Frame(frame) => frame.message.len(),
            Record::Run(_) | Record::Mark(_) | Record::Line(_) | Record::Bytes(_) => 0,
        };
        if longest > limit {
            self.limit = None;
            report::warning(format_args!(
                "a message of {longest} bytes is longer than the {limit} that Heka accepts"
            ));
            report::hint("heka-listen accepts it; --message-limit sets the limit of the receiver");
        }
    }
}

/// Adds frames unchanged; with a single target, by taking over their buffer.
pub(crate) fn put_run(run: &mut Run<'_>, targets: &mut [Target]) -> u64 {
    let ends = run.ends;
    if let [target] = targets
        && let Some(last) = target.window.push_buffer(ends, |spare| run.take(spare))
    {
        return last;
    }
    targets.iter_mut().fold(0, |_, target| target.window.push_run(run.bytes(), ends))
}
