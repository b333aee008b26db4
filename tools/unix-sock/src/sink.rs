// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common destination of records from all peers: standard output, one record after the other,
//! and reports about lost records.

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

/// Peers are not read while this many bytes of output are pending.
const MAX_PENDING: usize = 1024 * 1024;

/// Standard output, and the counts of records.
#[derive(Debug)]
pub(crate) struct Sink<'a> {
    pub(crate) plan: &'a Plan,
    /// Standard output, if it is written to.
    pub(crate) out: Option<Backlog>,
    /// Limits the work per turn.
    pub(crate) turn: Turn,
    /// Records of which only parts have arrived.
    chunks: Chunks<u64>,
    /// The peer that sent the newest record.
    pub(crate) origin: Option<u64>,
    records: u64,
    pub(crate) has_lost: bool,
}

impl<'a> Sink<'a> {
    /// Opens standard output.
    pub(crate) fn open(plan: &'a Plan) -> Result<Self, Stop> {
        let out = if plan.writes_stdout {
            // Payloads that are frames are written as frames.
            let form =
                if plan.formats.stdio == Framing::Heka { Form::Heka } else { plan.formats.form };
            let out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
            Some(Backlog::new(settle_form(form, out)?))
        } else {
            None
        };
        Ok(Self::new(plan, out))
    }

    /// Creates a sink with `out` in place of standard output.
    pub(crate) fn new(plan: &'a Plan, out: Option<Backlog>) -> Self {
        let (turn, chunks) = (Turn::default(), Chunks::new(plan.max_record));
        Self { plan, out, turn, chunks, origin: None, records: 0, has_lost: false }
    }

    /// Accepts a record from a peer. Returns it without base64, unless it is dropped.
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

    /// Decodes base64 and compression.
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

    /// Joins a datagram with others, if it is part of a record.
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

    /// Accepts whole records in their form on the socket.
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

    /// Moves up to `len` bytes of whole records from a peer's socket to standard output; returns
    /// the number moved. They are not counted.
    pub(crate) fn carry(&mut self, from: &Facts, link: &Link, len: usize) -> Result<usize, Stop> {
        let Some(out) = &mut self.out else { return Ok(0) };
        self.records += 1;
        self.origin = Some(from.number);
        out.carry(link.as_fd(), len)
    }

    /// Whether moving is worth trying.
    pub(crate) fn can_carry(&mut self) -> Result<bool, Stop> {
        let Some(out) = &mut self.out else { return Ok(false) };
        Ok(out.has_conduit() && out.try_flush()?)
    }

    /// Writes bytes in their form on the socket, counted or not.
    pub(crate) fn put_all(&mut self, bytes: &[u8]) -> Result<(), Stop> {
        match &mut self.out {
            Some(out) => out.put_records(bytes),
            None => Ok(()),
        }
    }

    /// Appends a record in its form on the socket; reports a failure.
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

    /// Whether peers have to wait for standard output.
    pub(crate) fn is_full(&self) -> bool {
        self.out.as_ref().is_some_and(|out| out.pending() >= MAX_PENDING)
    }

    /// Whether `--max-count` is reached.
    pub(crate) fn has_enough(&self) -> bool {
        self.left() == 0
    }

    /// Returns how many records `--max-count` still allows.
    pub(crate) fn left(&self) -> usize {
        let left = self.plan.max_count.map(|most| most.saturating_sub(self.records));
        left.and_then(|left| usize::try_from(left).ok()).unwrap_or(usize::MAX)
    }

    /// Reports a lost record.
    pub(crate) fn lose(&mut self, subject: impl Display, cause: impl Display) {
        self.has_lost = true;
        stats::skip(stats::Skip::Damaged, 1);
        report::repeated("lost records", format_args!("{subject}: {cause}"));
    }

    /// Reports records that could not be sent to a peer.
    pub(crate) fn lose_unsent(&mut self, records: u64, peer: impl Display, why: impl Display) {
        let lost = Count(records, "record");
        self.lose_all("records not sent", records, format_args!("{peer}: {why}, {lost} not sent"));
    }

    /// Reports records for a peer that is too slow.
    pub(crate) fn lose_slow(&mut self, records: u64, peer: &Facts, what: impl Display) {
        let text = format_args!("{peer}: reads too slowly, {what}");
        self.lose_all("slow peers", records, text);
    }

    fn lose_all(&mut self, kind: &'static str, records: u64, text: impl Display) {
        self.has_lost = true;
        stats::skip(stats::Skip::Unsent, records);
        report::repeated_loss(kind, records, text);
    }

    /// Reports queued records for a peer at the end, unless `--max-count` asks for the end.
    pub(crate) fn give_up(&mut self, peer: &Facts, records: u64) {
        if records > 0 && !self.has_enough() {
            self.lose_unsent(records, peer, "not waited for");
        }
    }

    /// Writes all pending output, and returns the status.
    pub(crate) fn finish(&mut self) -> Result<Status, Stop> {
        self.lose_incomplete(Chunks::end);
        if let Some(out) = &mut self.out {
            out.flush()?;
        }
        Ok(Status::failed_if(self.has_lost).and(self.plan.writing.status(self.records)))
    }
}

/// Decodes standard base64; surrounding white space and missing padding are allowed.
fn decode_base64(text: &[u8]) -> Result<Vec<u8>, String> {
    let text = text.trim_ascii();
    let bare = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    data_encoding::BASE64_NOPAD
        .decode(text.get(..bare).unwrap_or_default())
        .map_err(|error| error.to_string())
}
