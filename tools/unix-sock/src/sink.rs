// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where records from all peers meet: standard output, one record after the other, and the words
//! about those that are lost.

use std::borrow::Cow;
use std::fmt::Display;
use std::os::fd::AsFd as _;
use std::time::Instant;

use data_encoding::BASE64;
use heka_core::cli::settle_form;
use heka_core::codec::Form;
use heka_core::os::{Backlog, Output, unpack_record};
use heka_core::record::gelf::{self, Chunks, Incomplete};
use heka_core::record::{Framing, Turn};
use heka_core::report::words::Count;
use heka_core::report::{self, Status, Stop, stats};

use crate::compression::Compression;
use crate::envelope::Envelope;
use crate::facts::Facts;
use crate::framing::SideBySide as _;
use crate::link::Link;
use crate::plan::Plan;

/// Peers are not read while standard output is behind by this much.
const MAX_PENDING: usize = 1024 * 1024;

/// Standard output and what is counted on the way there.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    pub(crate) plan: &'a Plan,
    /// Standard output, if it is written to.
    pub(crate) out: Option<Backlog>,
    /// Peers have turns.
    pub(crate) turn: Turn,
    /// Records of which a part has come.
    chunks: Chunks<u64>,
    /// The peer whose record came last.
    pub(crate) origin: Option<u64>,
    records: u64,
    pub(crate) has_lost: bool,
}

impl<'a> Sink<'a> {
    /// Opens standard output.
    pub(crate) fn open(plan: &'a Plan) -> Result<Self, Stop> {
        let out = if plan.writes_stdout {
            // Payloads that are frames are frames.
            let form =
                if plan.formats.stdio == Framing::Heka { Form::Heka } else { plan.formats.form };
            let out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
            Some(Backlog::new(settle_form(form, out)?))
        } else {
            None
        };
        Ok(Self::new(plan, out))
    }

    /// With `out` in the place of standard output.
    pub(crate) fn new(plan: &'a Plan, out: Option<Backlog>) -> Self {
        let (turn, chunks) = (Turn::default(), Chunks::new(plan.max_record));
        Self { plan, out, turn, chunks, origin: None, records: 0, has_lost: false }
    }

    /// Takes a record from a peer. It is given back as it was under base64, unless it is dropped.
    pub(crate) fn receive<'r>(
        &mut self,
        from: &Facts,
        envelope: &mut Envelope,
        record: &'r [u8],
    ) -> Result<Option<Cow<'r, [u8]>>, Stop> {
        if self.has_enough() {
            return Ok(None);
        }
        let record = match self.unwrap(record) {
            Ok(record) => record,
            Err(cause) => {
                self.lose(from, cause);
                return Ok(None);
            }
        };
        if record.is_empty() && self.plan.skip_empty {
            return Ok(None);
        }
        self.records += 1;
        stats::MESSAGES.add(1);
        self.origin = Some(from.number);
        if let Some(out) = &mut self.out {
            let put = envelope.put(out.buffer(), self.plan.formats.stdio, &record);
            out.end_record()?;
            if let Err(cause) = put {
                self.lose(from, cause);
            }
        }
        Ok(Some(record))
    }

    /// A record as it was under base64 and compression.
    fn unwrap<'r>(&self, record: &'r [u8]) -> Result<Cow<'r, [u8]>, String> {
        let record = match self.plan.base64 {
            true => Cow::Owned(decode_base64(record).map_err(|cause| format!("base64: {cause}"))?),
            false => Cow::Borrowed(record),
        };
        match self.plan.compress {
            Some(expected) => {
                unpack_record(record, expected == Compression::Zlib, self.plan.max_record)
            }
            None => Ok(record),
        }
    }

    /// Puts a datagram together with others, if it is a part of a record.
    pub(crate) fn join<'d>(&mut self, from: &Facts, datagram: &'d [u8]) -> Option<Cow<'d, [u8]>> {
        let now = Instant::now();
        let taken = self.chunks.take(from.number, datagram, now);
        self.lose_incomplete(|chunks| chunks.expire(now));
        taken.unwrap_or_else(|cause| {
            self.lose(from, cause);
            None
        })
    }

    fn lose_incomplete(&mut self, give_up: impl FnOnce(&mut Chunks<u64>) -> Vec<Incomplete<u64>>) {
        for message in give_up(&mut self.chunks) {
            self.lose(format_args!("peer {}", message.peer), &message);
        }
    }

    /// Takes whole records as they stand on the socket.
    pub(crate) fn receive_all(&mut self, from: &Facts, records: &[u8]) -> Result<(), Stop> {
        if records.is_empty() {
            return Ok(());
        }
        let count = self.plan.formats.wire.count(records);
        self.records += count;
        stats::MESSAGES.add(count);
        self.origin = Some(from.number);
        self.put_all(records)
    }

    /// Lets up to `len` bytes of whole records pass from a peer's socket to standard output; tells
    /// how many did. They are not counted.
    pub(crate) fn carry(&mut self, from: &Facts, link: &Link, len: usize) -> Result<usize, Stop> {
        let Some(out) = &mut self.out else { return Ok(0) };
        self.records += 1;
        self.origin = Some(from.number);
        out.carry(link.as_fd(), len)
    }

    /// Whether that is worth trying.
    pub(crate) fn can_carry(&mut self) -> Result<bool, Stop> {
        let Some(out) = &mut self.out else { return Ok(false) };
        Ok(out.has_conduit() && out.try_flush()?)
    }

    /// Writes bytes as they stand on the socket, counted or not.
    pub(crate) fn put_all(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match &mut self.out {
            Some(out) => out.put_records(bytes),
            None => Ok(()),
        }
    }

    /// Appends a record as it is on the socket; reports one that cannot be.
    pub(crate) fn encode(&mut self, out: &mut Vec<u8>, record: &[u8]) -> bool {
        let mut record = Cow::Borrowed(record);
        if let Some(compression) = self.plan.compress {
            record = compression.pack(&record).into();
        }
        if self.plan.base64 {
            record = BASE64.encode(&record).into_bytes().into();
        }
        if self.plan.formats.wire == Framing::Docker && !record.ends_with(b"\n") {
            record.to_mut().push(b'\n');
        }
        let put = match record.len() {
            len if self.plan.has_gelf && len > gelf::LONGEST_MESSAGE => {
                Err(format!("a record of {len} bytes does not fit 128 GELF chunks"))
            }
            _ => self.plan.formats.wire.put(out, &record).map_err(|unfit| unfit.to_string()),
        };
        if let Err(cause) = &put {
            self.lose("(standard input)", cause);
        }
        put.is_ok()
    }

    /// Whether peers have to wait until standard output has taken something.
    pub(crate) fn is_full(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.pending() >= MAX_PENDING)
    }

    /// Whether `--max-count` is reached.
    pub(crate) fn has_enough(&self) -> bool {
        self.left() == 0
    }

    /// How many records it allows.
    pub(crate) fn left(&self) -> usize {
        let left = self.plan.max_count.map(|most| most.saturating_sub(self.records));
        left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX)
    }

    /// Reports a record that is lost.
    pub(crate) fn lose(&mut self, subject: impl Display, cause: impl Display) {
        self.has_lost = true;
        stats::skip(stats::Skip::Damaged, 1);
        report::repeated("lost records", format_args!("{subject}: {cause}"));
    }

    /// Reports records that a peer does not get.
    pub(crate) fn lose_unsent(&mut self, records: u64, peer: impl Display, why: impl Display) {
        let lost = Count(records, "record");
        self.lose_all("records not sent", records, format_args!("{peer}: {why}, {lost} not sent"));
    }

    /// Reports records for a peer that does not keep up.
    pub(crate) fn lose_slow(&mut self, records: u64, peer: &Facts, what: impl Display) {
        let text = format_args!("{peer}: reads too slowly, {what}");
        self.lose_all("slow peers", records, text);
    }

    fn lose_all(&mut self, kind: &'static str, records: u64, text: impl Display) {
        self.has_lost = true;
        stats::skip(stats::Skip::Unsent, records);
        report::repeated_loss(kind, records, text);
    }

    /// Reports records for a peer that are not waited for at the end, unless that is what
    /// `--max-count` asks for.
    pub(crate) fn give_up(&mut self, peer: &Facts, records: u64) {
        if records > 0 && !self.has_enough() {
            self.lose_unsent(records, peer, "not waited for");
        }
    }

    /// Writes all that is pending, and returns how it went.
    pub(crate) fn finish(&mut self) -> Result<Status, Stop> {
        self.lose_incomplete(Chunks::end);
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        Ok(Status::failed_if(self.has_lost).and(self.plan.writing.status(self.records)))
    }
}

/// Decodes standard base64; white space around it and missing padding are let pass.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = text.trim_ascii();
    let bare = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    data_encoding::BASE64_NOPAD
        .decode(text.get(..bare).unwrap_or_default())
        .map_err(|error| error.to_string())
}
