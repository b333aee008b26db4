// SPDX-License-Identifier: MIT OR Apache-2.0
//! Packs records into messages of the broker: one each, or several whole frames in one.

use std::fmt::Write as _;

use data_encoding::HEXLOWER;
use heka_core::delivery::transport::{Form, Place, each_frame};
use heka_core::report::Stop;
use heka_core::wire::Frame;
use ring::digest::{SHA256, digest};

use crate::address::Address;
use crate::client::Client;
use crate::protocol::put_message;
use crate::window::{Outgoing, Window};

/// Room for the headers of a message in bytes.
const HEADERS: usize = 512;

/// A message under construction.
#[derive(Debug, Default)]
struct Batch {
    subject: Vec<u8>,
    payload: Vec<u8>,
    /// The UUIDs of all records, one after the other.
    uuids: Vec<u8>,
    /// Whether a record has no UUID.
    is_nameless: bool,
    last: u64,
    count: u64,
}

impl Batch {
    /// Adds a record with this number.
    fn add(&mut self, record: &[u8], uuid: Option<&[u8]>, number: u64) {
        let uuid = uuid.unwrap_or_default();
        self.payload.extend_from_slice(record);
        self.uuids.extend_from_slice(uuid);
        self.is_nameless |= uuid.is_empty();
        self.last = number;
        self.count += 1;
    }

    /// Returns the ID by which the server recognises the same records, and only these, if they are
    /// sent again.
    fn id(&self) -> Option<String> {
        match self.count {
            _ if self.is_nameless => None,
            1 => Some(HEXLOWER.encode(&self.uuids)),
            _ => Some(HEXLOWER.encode(digest(&SHA256, &self.uuids).as_ref())),
        }
    }
}

/// Packs messages.
#[derive(Debug)]
pub(crate) struct Packer {
    subject: Place,
    form: Form,
    /// Maximum size of a message with several records.
    batch_size: usize,
    has_id: bool,
    /// The stream that must accept the messages.
    stream: Option<String>,
    inbox: String,
    max_payload: usize,
    batch: Batch,
    scratch: Vec<u8>,
}

impl Packer {
    pub(crate) fn new(address: &Address) -> Result<Self, Stop> {
        let options = &address.options;
        let wrong = |words| Stop::usage(format_args!("{}: {words}", address.text));
        if address.subject.contains(['*', '>']) {
            let words = "messages are not sent to a subject with * or >";
            return Err(wrong(words.to_owned()));
        }
        let subject = Place::parse(&address.subject, allowed).map_err(wrong)?;
        Ok(Self {
            subject,
            form: options.form(),
            batch_size: options.batch(),
            has_id: !options.no_id,
            stream: options.stream.clone(),
            inbox: address.inbox.clone(),
            max_payload: usize::MAX,
            batch: Batch::default(),
            scratch: Vec::new(),
        })
    }

    /// Returns a pattern that the subjects of all messages match.
    pub(crate) fn pattern(&self) -> String {
        // A star matches only a whole token.
        let joined = self.subject.with("*");
        let tokens = joined.split('.').map(|token| if token.contains('*') { "*" } else { token });
        tokens.collect::<Vec<_>>().join(".")
    }

    /// Sets the connection for the following messages.
    pub(crate) fn begin(&mut self, client: &Client) {
        self.max_payload = client.max_payload.saturating_sub(HEADERS);
    }

    /// Whether no message is under construction.
    pub(crate) fn is_empty(&self) -> bool {
        self.batch.count == 0
    }

    /// Adds a record.
    pub(crate) fn put(&mut self, frame: &Frame<'_>, number: u64, window: &mut Window) {
        let mut record = std::mem::take(&mut self.scratch);
        record.clear();
        self.form.put(&mut record, frame);
        let mut subject = Vec::new();
        self.subject.put(&mut subject, &frame.view);
        let len = self.batch.payload.len() + record.len();
        let limit = self.batch_size.min(self.max_payload);
        if self.batch.count > 0 && (len > limit || subject != self.batch.subject) {
            self.end(window);
        }
        if record.len() > self.max_payload {
            let most = self.max_payload + HEADERS;
            window.push_refused(number, format!("longer than the server's limit of {most} bytes"));
        } else {
            if self.batch.count == 0 {
                self.batch.subject = subject;
            }
            self.batch.add(&record, frame.view.uuid, number);
            if self.batch_size == 0 {
                self.end(window);
            }
        }
        self.scratch = record;
    }

    /// Finishes the message under construction.
    pub(crate) fn end(&mut self, window: &mut Window) {
        if self.batch.count == 0 {
            return;
        }
        let batch = std::mem::take(&mut self.batch);
        window.push(self.pack(window.next_id(), &batch));
    }

    /// Creates a message with one frame that was part of another message.
    pub(crate) fn single(&self, id: u64, bytes: &[u8], number: u64) -> Outgoing {
        let mut batch = Batch::default();
        each_frame(bytes, |frame| {
            batch.add(bytes, frame.view.uuid, number);
            self.subject.put(&mut batch.subject, &frame.view);
        });
        self.pack(id, &batch)
    }

    fn pack(&self, id: u64, batch: &Batch) -> Outgoing {
        let mut headers = String::new();
        // Writing to memory cannot fail.
        if let Some(id) = self.has_id.then(|| batch.id()).flatten() {
            let _written = write!(headers, "Nats-Msg-Id: {id}\r\n");
        }
        if let Some(stream) = &self.stream {
            let _written = write!(headers, "Nats-Expected-Stream: {stream}\r\n");
        }
        let mut bytes = Vec::with_capacity(batch.payload.len() + headers.len() + 128);
        let reply = format!("{}.{id}", self.inbox);
        put_message(&mut bytes, &batch.subject, &reply, &headers, &batch.payload);
        let end = bytes.len().saturating_sub(2);
        let payload = end.saturating_sub(batch.payload.len())..end;
        Outgoing { bytes, payload, last: batch.last, count: batch.count }
    }
}

/// Replaces a byte that a server does not accept in a token.
fn allowed(byte: u8) -> u8 {
    match byte {
        b'.' | b'*' | b'>' | 0..=b' ' | 0x7f => b'_',
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::address;

    #[test]
    fn only_the_same_records_have_the_same_id() {
        let id = |uuids: &[&[u8]]| {
            let mut batch = Batch::default();
            uuids.iter().for_each(|uuid| batch.add(b"record", Some(uuid), 1));
            batch.id()
        };
        let [a, b, c] = [&[0xa; 16][..], &[0xb; 16], &[0xc; 16]];
        assert_eq!(id(&[a]).unwrap(), "0a".repeat(16));
        assert_eq!(id(&[a, b]), id(&[a, b]));
        assert_ne!(id(&[a, b]), id(&[a, c]));
        assert_ne!(id(&[a, b, c]), id(&[a, c, b]));
        assert_eq!((id(&[b""]), id(&[a, b""])), (None, None));
    }

    #[test]
    fn values_become_tokens() {
        let packer = |text| Packer::new(&address::parse(text).unwrap());
        assert_eq!(packer("nats://h/logs.{Logger}.x-{Type}").unwrap().pattern(), "logs.*.*");
        for text in ["nats://h/a.*", "nats://h/a.>", "nats://h/a.{Nothing}"] {
            assert!(packer(text).is_err(), "{text}");
        }
        assert_eq!(b"a.b c*d".map(allowed), *b"a_b_c_d");
    }
}
