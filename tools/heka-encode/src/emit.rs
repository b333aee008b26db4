// SPDX-License-Identifier: MIT OR Apache-2.0
//! Writes messages: identifies them, applies the limit, signs and frames them.

use bytes::Bytes;
use heka_core::codec::json::Identity;
use heka_core::codec::{Encoder, Form};
use heka_core::os::{Output, clock};
use heka_core::record::{Damage, Oversize, TooLong, cut};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::header::MAX_HEADER_SIZE;
use heka_core::wire::{
    Draft, Header, MAX_CHECKPOINT_SIZE, Message, MessageView, Signer, Template, TextHeader,
    put_message,
};

use crate::cli::{Time, Uuid};
use crate::numbers;
use crate::plan::Plan;

/// A message is continued in further ones only if their payloads have at least this fraction of the
/// limit: otherwise a long payload would grow to many times its size.
const LEAST_PART: usize = 4;

/// Maximum number of bytes of a header beside the checkpoint and the signer's name.
const OTHER_MEMBERS: usize = 86;

/// Writes messages.
pub(crate) struct Emitter<'a> {
    plan: &'a Plan,
    encoder: Encoder,
    template: Template,
    scratch: Vec<u8>,
    /// Whether positions without messages are written.
    has_marks: bool,
    /// Whether anything was lost because it was too long.
    has_lost: bool,
    written: u64,
    /// The name of the input.
    pub(crate) name: String,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(plan: &'a Plan, encoder: Encoder, out: &Output) -> Self {
        let signer = plan.framing.then(|| plan.signer.clone()).flatten();
        let template = Template::new(&plan.base, signer);
        let has_marks = plan.framing && encoder.has_positions() && out.is_stream();
        Self {
            plan,
            encoder,
            template,
            scratch: Vec::new(),
            has_marks,
            has_lost: false,
            written: 0,
            name: String::new(),
        }
    }

    /// Whether anything was skipped.
    pub(crate) fn has_lost(&self) -> bool {
        self.has_lost
    }

    /// Returns the Uuid and time of the next message; `now` is the current time.
    pub(crate) fn identity(&self, now: i64) -> Identity {
        let uuid = match self.plan.uuid {
            Uuid::Random => clock::random_uuid(),
            Uuid::Fixed(uuid) => uuid,
        };
        let timestamp = match self.plan.time {
            Time::Now => now,
            Time::Fixed(time) => time,
        };
        Identity { uuid, timestamp }
    }

    /// Returns the maximum length of a payload if everything else is as in every message.
    pub(crate) fn room(&self) -> usize {
        let limit = self.plan.max_record;
        // The plan has verified that there is room.
        limit.saturating_sub(self.template.overhead(limit)).max(1)
    }

    /// Writes a payload that fits into one message.
    #[inline]
    pub(crate) fn put_payload(
        &mut self,
        payload: &[u8],
        now: i64,
        out: &mut Output,
    ) -> Result<(), Stop> {
        if !self.encoder.put_payload(out.buffer(), payload) {
            let Identity { uuid, timestamp } = self.identity(now);
            if self.encoder.form().is_binary() && self.plan.framing {
                let header = Header::default();
                self.template
                    .put_frame(out.buffer(), header, uuid, timestamp, payload)
                    .map_err(Stop::failed)?;
            } else {
                let mut bytes = std::mem::take(&mut self.scratch);
                bytes.clear();
                self.template.put_message(&mut bytes, uuid, timestamp, payload);
                let written = self.put_bytes(&bytes, out);
                self.scratch = bytes;
                return written;
            }
        }
        self.written += 1;
        stats::MESSAGES.add(1);
        out.end_record()
    }

    /// Writes a message from JSON, or applies the rule for long ones; `checkpoint` is the position
    /// of its source.
    pub(crate) fn put_message(
        &mut self,
        message: Message,
        checkpoint: Option<&[u8]>,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        put_message(&mut bytes, &message);
        let header = Header { checkpoint, ..Header::default() };
        let written = if bytes.len() <= self.plan.max_record {
            self.put_framed(header, &bytes, out)
        } else {
            self.put_long(message, bytes.len(), checkpoint, out)
        };
        self.scratch = bytes;
        written
    }

    /// Writes a message: the parts read from a record, on top of `base`, whose fields come first,
    /// then those of `added`. Returns `false`, with nothing written, if its headers and fields
    /// leave no room for a payload.
    pub(crate) fn put_draft(
        &mut self,
        draft: &Draft,
        (base, added): (&MessageView<'_>, &MessageView<'_>),
        header: Header<'_>,
        out: &mut Output,
    ) -> Result<bool, Stop> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        draft.finish(&mut bytes, base, added);
        let payload = draft.text(TextHeader::Payload).or(base.payload).unwrap_or_default();
        let len = bytes.len();
        let limit = self.plan.max_record;
        let written = if len <= limit {
            self.put_framed(header, &bytes, out).map(|()| true)
        } else if len - payload.len() >= limit {
            Ok(false)
        } else {
            let message = Message::parse(&bytes).unwrap_or_default();
            self.put_long(message, len, header.checkpoint, out).map(|()| true)
        };
        self.scratch = bytes;
        written
    }

    /// Writes a message over the limit.
    fn put_long(
        &mut self,
        mut message: Message,
        len: usize,
        checkpoint: Option<&[u8]>,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let mut payload = message.payload.take().unwrap_or_default();
        let room = payload.len().saturating_sub(len.saturating_sub(self.plan.max_record));
        // Only the first message has the fields, except those that all messages have.
        let further = Message { fields: self.plan.base.fields.clone(), ..message.clone() };
        let further_room = self.room_beside(&further);
        let is_split = self.plan.oversize == Oversize::Split;
        let goes_on = further_room > self.plan.max_record / LEAST_PART;
        if room == 0 || self.plan.oversize == Oversize::Drop || is_split && !goes_on {
            self.tell_too_long("", Oversize::Drop);
            return checkpoint.map_or(Ok(()), |checkpoint| self.put_mark(checkpoint, out));
        }
        self.tell_too_long("", self.plan.oversize);
        message.payload = Some(payload.split_to(cut(&payload, room)));
        if !is_split {
            payload.clear();
        }
        // The position is sent with the last piece.
        let of_last = |rest: &Bytes| checkpoint.filter(|_| rest.is_empty());
        self.put_new(&message, of_last(&payload), out)?;
        message = further;
        while !payload.is_empty() {
            // A further piece is a separate message.
            message.uuid = Some(Bytes::copy_from_slice(&self.identity(0).uuid));
            message.payload = Some(payload.split_to(cut(&payload, further_room)));
            self.put_new(&message, of_last(&payload), out)?;
        }
        Ok(())
    }

    /// Returns the maximum length of a payload beside the rest of `message`.
    fn room_beside(&self, message: &Message) -> usize {
        let limit = self.plan.max_record;
        limit.saturating_sub(Template::new(message, None).overhead(limit))
    }

    fn put_new(
        &mut self,
        message: &Message,
        checkpoint: Option<&[u8]>,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        put_message(&mut bytes, message);
        self.put_framed(Header { checkpoint, ..Header::default() }, &bytes, out)
    }

    /// Reports a message over the limit; `place` is its position, if known.
    pub(crate) fn tell_too_long(&mut self, place: &str, oversize: Oversize) {
        self.count(oversize);
        let limit = self.plan.max_record;
        let what = oversize.done();
        let name = &self.name;
        let text = format_args!("{name}: {place}message longer than {limit} bytes, {what}");
        report::repeated("long messages", text);
    }

    /// Reports damage in the text called `name`.
    pub(crate) fn tell(&mut self, name: &str, damage: &Damage<'_>) {
        if let Damage::TooLong(TooLong { oversize: Oversize::Truncate, .. }) = damage {
            numbers::TRUNCATED.add(1);
        }
        self.has_lost |= report::damage(name, damage);
    }

    fn count(&mut self, oversize: Oversize) {
        match oversize {
            Oversize::Split => return,
            Oversize::Truncate => numbers::TRUNCATED.add(1),
            Oversize::Drop => {}
        }
        stats::skip(stats::Skip::TooLong, 1);
        self.has_lost = true;
    }

    /// Returns the number of messages written.
    pub(crate) fn written(&self) -> u64 {
        self.written
    }

    /// Writes an encoded message with a header of its own.
    fn put_bytes(&mut self, message: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.put_framed(Header::default(), message, out)
    }

    /// Writes an encoded message; `header` may carry extensions. A checkpoint that does not fit
    /// into it follows in a mark.
    pub(crate) fn put_framed(
        &mut self,
        mut header: Header<'_>,
        message: &[u8],
        out: &mut Output,
    ) -> Result<(), Stop> {
        let follows = header.checkpoint.filter(|_| !self.has_room_for(&header));
        if follows.is_some() {
            header.checkpoint = None;
        }
        let buffer = out.buffer();
        match &self.plan.signer {
            _ if self.encoder.form().is_binary() && !self.plan.framing => {
                buffer.extend_from_slice(message);
            }
            Some(signer) => put_signed(&mut self.encoder, signer, header, message, buffer)?,
            None => self.encoder.put_message(buffer, header, message)?,
        }
        self.written += 1;
        stats::MESSAGES.add(1);
        out.end_record()?;
        follows.map_or(Ok(()), |checkpoint| self.put_mark(checkpoint, out))
    }

    /// Whether a frame's header has room for its checkpoint.
    fn has_room_for(&self, header: &Header<'_>) -> bool {
        if self.encoder.form() != Form::Heka {
            return true;
        }
        let checkpoint = header.checkpoint.map_or(0, <[u8]>::len);
        let size = checkpoint + self.plan.signer.as_ref().map_or(0, |signer| signer.name().len());
        checkpoint <= MAX_CHECKPOINT_SIZE && size + OTHER_MEMBERS <= MAX_HEADER_SIZE
    }

    /// Writes a checkpoint without a message, where positions are used.
    pub(crate) fn put_mark(&mut self, checkpoint: &[u8], out: &mut Output) -> Result<(), Stop> {
        if !self.has_marks {
            return Ok(());
        }
        self.encoder.put_mark(out.buffer(), checkpoint);
        out.end_record()
    }
}

fn put_signed(
    encoder: &mut Encoder,
    signer: &Signer,
    header: Header<'_>,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let digest = signer.sign(message);
    encoder.put_message(out, signer.stamp(header, &digest), message).map_err(Stop::from)
}
