// SPDX-License-Identifier: MIT OR Apache-2.0
//! GELF, as programs send it to Graylog: JSON, on a connection terminated by NUL. Datagrams may be
//! compressed and chunked.

use std::borrow::Cow;
use std::net::SocketAddr;
use std::time::Instant;

use heka_core::decode::{self, Decoder, Flaws, Readers};
use heka_core::os::{Deadline, clock, unpack_record};
use heka_core::record::{cut, gelf};
use heka_core::report;
use heka_core::wire::{Message, MessageView, Template, put_message};

/// Maximum length of a record: 1 MiB, as much as 128 chunks of 8 KiB hold. A record is parsed at once,
/// while other peers wait, and JSON of this length can take several milliseconds.
pub(crate) const MAX_RECORD: usize = 1 << 20;

/// Divisor of the memory for all unfinished records that yields the part for chunks.
const PART: usize = 4;

/// Joins datagrams.
#[derive(Debug)]
pub(crate) struct Joiner {
    chunks: gelf::Chunks<Option<SocketAddr>>,
    /// Maximum length of a decompressed record.
    limit: usize,
}

/// A lost record: its sender and the cause.
pub(crate) type Lost = (String, String);

impl Joiner {
    /// Creates a joiner for records of up to `limit` bytes; `memory` is the limit for all
    /// unfinished records.
    pub(crate) fn new(limit: usize, memory: usize) -> Self {
        Self { chunks: gelf::Chunks::new(memory / PART), limit }
    }

    /// Adds a datagram. Returns the record if it is complete.
    ///
    /// # Errors
    /// The reason why the record is lost.
    pub(crate) fn take<'d>(
        &mut self,
        from: Option<SocketAddr>,
        datagram: &'d [u8],
    ) -> Result<Option<Cow<'d, [u8]>>, String> {
        let Some(whole) = self.chunks.take(from, datagram, Instant::now())? else {
            return Ok(None);
        };
        match &whole {
            Cow::Owned(joined) if joined.len() > self.limit => {
                Err(format!("GELF chunks of more than {} bytes (--max-record)", self.limit))
            }
            _ => unpack_record(whole, true, self.limit).map(Some),
        }
    }

    /// Drops chunks that are overdue or exceed the memory limit; all of them at the end.
    pub(crate) fn give_up(&mut self, is_end: bool) -> Vec<Lost> {
        let lost = match is_end {
            true => self.chunks.end(),
            false => self.chunks.expire(Instant::now()),
        };
        let named = |lost: gelf::Incomplete<Option<SocketAddr>>| {
            let peer = lost.peer.map_or_else(|| "unix".to_owned(), |peer| peer.ip().to_string());
            (peer, lost.to_string())
        };
        lost.into_iter().map(named).collect()
    }

    /// Returns when the next chunks are overdue.
    pub(crate) fn due(&self) -> Deadline {
        self.chunks.due()
    }
}

/// Converts records to messages.
#[derive(Debug)]
pub(crate) struct Reader {
    decoder: Decoder,
    /// Maximum length of a message.
    limit: usize,
    /// The parts of a message that are not in the record.
    base: Vec<u8>,
    message: Vec<u8>,
}

impl Reader {
    /// Creates a reader for messages of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        let ways = decode::preset("gelf").unwrap_or_default();
        // Leaves room for the text beside the fields.
        let decoder = Decoder::new(ways, Readers::default(), limit / 4 * 3);
        Self { decoder, limit, base: Vec::new(), message: Vec::new() }
    }

    /// Converts a record, and passes each message to `put`: several if its text is too long for
    /// one. A record that cannot be parsed becomes text.
    pub(crate) fn read<E>(
        &mut self,
        record: &[u8],
        template: &Template,
        peer: &str,
        mut put: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let now = clock::now_ns();
        let payload = match self.decoder.read(record, now, b"") {
            Ok(_) => &[][..],
            Err(cause) => {
                tell(peer, &cause.to_string());
                // A short text always fits.
                let _fits = self.decoder.begin_unparsed(&cause.to_string());
                record
            }
        };
        tell_flaws(peer, self.decoder.flaws());
        self.base.clear();
        self.message.clear();
        template.put_message(&mut self.base, clock::random_uuid(), now, payload);
        if let Ok(base) = MessageView::parse(&self.base) {
            self.decoder.draft().finish(&mut self.message, &base, &MessageView::default());
        }
        match self.message.len() {
            len if len <= self.limit => put(&self.message),
            len => self.split(len, peer, put),
        }
    }

    /// Splits the text over further messages, which have the same headers; the fields are in the
    /// first.
    fn split<E>(
        &self,
        len: usize,
        peer: &str,
        mut put: impl FnMut(&[u8]) -> Result<(), E>,
    ) -> Result<(), E> {
        let text = format_args!("{peer}: message longer than {} bytes, split", self.limit);
        report::repeated("long messages", text);
        let mut message = Message::parse(&self.message).unwrap_or_default();
        let mut payload = message.payload.take().unwrap_or_default();
        let overhead = len.saturating_sub(payload.len());
        let room = self.limit.saturating_sub(overhead).max(1);
        let mut bytes = Vec::new();
        while !payload.is_empty() {
            message.payload = Some(payload.split_to(cut(&payload, room)));
            bytes.clear();
            put_message(&mut bytes, &message);
            put(&bytes)?;
            message.fields.clear();
            message.uuid = Some(clock::random_uuid().to_vec().into());
        }
        Ok(())
    }
}

fn tell(peer: &str, cause: &str) {
    let text = format_args!("{peer}: not GELF: {cause}, forwarded as text");
    report::repeated("unparsed records", text);
}

fn tell_flaws(peer: &str, flaws: &Flaws) {
    for (flaw, field, value) in flaws.iter() {
        let (field, value) = (String::from_utf8_lossy(field), String::from_utf8_lossy(value));
        let (words, kept) = (flaw.words(), flaw.kept());
        let text = format_args!("{peer}: {field}: {value:?}: {words}, {kept}");
        report::repeated(flaw.kind(), text);
    }
}
