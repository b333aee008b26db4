// SPDX-License-Identifier: MIT OR Apache-2.0
//! Chunked GELF: a message too long for a datagram is split into several, each with the message's
//! identity, its own number, and the number of chunks.

use std::borrow::Cow;
use std::collections::{BTreeMap, HashMap};
use std::fmt;
use std::hash::Hash;
use std::time::{Duration, Instant};

use bytes::Bytes;

/// Magic bytes of a chunk.
const MAGIC: [u8; 2] = [0x1e, 0x0f];
/// Length of a header: magic, identity, number and count.
const HEADER: usize = 12;
/// Maximum number of chunks per message.
const MOST: usize = 128;
/// Longest datagram that is sent.
const LONGEST: usize = 8192;
/// Time in which all chunks of a message must arrive.
const PATIENCE: Duration = Duration::from_secs(5);

/// Memory used by a message beyond its chunks, in bytes.
const OVERHEAD: usize = 256;

/// Longest possible message.
pub const LONGEST_MESSAGE: usize = MOST * (LONGEST - HEADER);

/// A sender and the identity of its message.
type Key<P> = (P, [u8; 8]);

/// The incomplete messages of senders `P`.
#[derive(Debug)]
pub struct Chunks<P> {
    messages: HashMap<Key<P>, Parts>,
    /// Messages by age, oldest first.
    order: BTreeMap<u64, (Instant, Key<P>)>,
    /// Number of messages so far.
    total: u64,
    /// Memory used and its limit, in bytes.
    cost: usize,
    limit: usize,
}

/// The chunks of a message that have arrived.
#[derive(Debug)]
struct Parts {
    /// Key of the message in `order`.
    place: u64,
    parts: Vec<Option<Bytes>>,
    cost: usize,
}

/// An incomplete message that was dropped.
#[derive(Debug, PartialEq, Eq)]
pub struct Incomplete<P> {
    /// Its sender.
    pub peer: P,
    came: usize,
    count: usize,
}

impl<P> fmt::Display for Incomplete<P> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "only {} of {} GELF chunks came, message dropped", self.came, self.count)
    }
}

impl Parts {
    fn came(&self) -> impl Iterator<Item = &Bytes> {
        self.parts.iter().flatten()
    }
}

impl<P: Copy + Eq + Hash> Chunks<P> {
    /// Keeps chunks of up to `limit` bytes in total.
    pub fn new(limit: usize) -> Self {
        Self { messages: HashMap::new(), order: BTreeMap::new(), total: 0, cost: 0, limit }
    }

    /// Accepts a datagram from a peer: a message or a chunk. Returns the message if it is complete.
    ///
    /// # Errors
    /// The defect of a chunk.
    pub fn take<'d>(
        &mut self,
        peer: P,
        datagram: &'d [u8],
        now: Instant,
    ) -> Result<Option<Cow<'d, [u8]>>, &'static str> {
        let Some(chunk) = datagram.strip_prefix(&MAGIC) else {
            return Ok(Some(datagram.into()));
        };
        let Chunk { id, number, count, data } = read(chunk)?;
        let key = (peer, id);
        let message = self.messages.entry(key).or_insert_with(|| {
            self.total += 1;
            self.order.insert(self.total, (now, key));
            let cost = count * size_of::<Option<Bytes>>() + OVERHEAD;
            self.cost += cost;
            Parts { place: self.total, parts: vec![None; count], cost }
        });
        match message.parts.get_mut(number) {
            Some(part) if part.is_none() => {
                *part = Some(Bytes::copy_from_slice(data));
                message.cost += data.len();
                self.cost += data.len();
            }
            // A duplicate.
            Some(_) => {}
            None => return Err("GELF chunk with a wrong count"),
        }
        if message.parts.iter().any(Option::is_none) {
            return Ok(None);
        }
        let whole: Vec<u8> = message.came().flat_map(|part| part.iter().copied()).collect();
        self.forget(key);
        Ok(Some(whole.into()))
    }

    /// Drops messages that are overdue or exceed the memory limit.
    pub fn expire(&mut self, now: Instant) -> Vec<Incomplete<P>> {
        let mut given_up = Vec::new();
        while let Some((since, key)) = self.order.first_key_value().map(|(_, oldest)| *oldest)
            && (since + PATIENCE <= now || self.cost > self.limit)
        {
            given_up.extend(self.give_up(key));
        }
        given_up
    }

    /// Returns when the oldest message becomes overdue.
    pub fn due(&self) -> Option<Instant> {
        self.order.first_key_value().map(|(_, (since, _))| *since + PATIENCE)
    }

    /// Drops all incomplete messages.
    pub fn end(&mut self) -> Vec<Incomplete<P>> {
        let order: Vec<Key<P>> = self.order.values().map(|(_, key)| *key).collect();
        order.into_iter().filter_map(|key| self.give_up(key)).collect()
    }

    fn give_up(&mut self, key: Key<P>) -> Option<Incomplete<P>> {
        let message = self.forget(key)?;
        let (peer, came) = (key.0, message.came().count());
        Some(Incomplete { peer, came, count: message.parts.len() })
    }

    fn forget(&mut self, key: Key<P>) -> Option<Parts> {
        let message = self.messages.remove(&key)?;
        self.order.remove(&message.place);
        self.cost -= message.cost;
        Some(message)
    }
}

/// A chunk of a message.
struct Chunk<'d> {
    id: [u8; 8],
    number: usize,
    count: usize,
    data: &'d [u8],
}

/// Parses a chunk after its magic bytes.
fn read(chunk: &[u8]) -> Result<Chunk<'_>, &'static str> {
    let parts = chunk.split_first_chunk::<8>();
    let parts = parts.and_then(|(id, rest)| Some((id, rest.split_first_chunk::<2>()?)));
    let (id, ([number, count], data)) = parts.ok_or("GELF chunk without a header")?;
    let (number, count) = (usize::from(*number), usize::from(*count));
    match number < count && count <= MOST {
        true => Ok(Chunk { id: *id, number, count, data }),
        false => Err("GELF chunk with a wrong number"),
    }
}

/// Splits a message of at most [`LONGEST_MESSAGE`] bytes into datagrams, with the identity `id`.
pub fn split(message: &[u8], id: [u8; 8]) -> Vec<Bytes> {
    if message.len() <= LONGEST {
        return vec![Bytes::copy_from_slice(message)];
    }
    let parts = message.chunks(LONGEST - HEADER);
    let count = u8::try_from(parts.len()).unwrap_or(u8::MAX);
    let chunk = |(number, part)| {
        let head: [&[u8]; 3] = [&MAGIC, &id, &[number, count]];
        Bytes::from([head.concat().as_slice(), part].concat())
    };
    (0..).zip(parts).map(chunk).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn take(chunks: &mut Chunks<u64>, datagram: &[u8]) -> Result<Option<Vec<u8>>, &'static str> {
        let taken = chunks.take(0, datagram, Instant::now());
        taken.map(|whole| whole.map(Cow::into_owned))
    }

    #[test]
    fn chunks_make_a_message_in_any_order() {
        let message: Vec<u8> = (0..=250).cycle().take(20_000).collect();
        let mut parts = split(&message, *b"identity");
        assert_eq!(parts.iter().map(Bytes::len).collect::<Vec<_>>(), [8192, 8192, 3640 + 12]);
        parts.rotate_left(1);
        let mut chunks = Chunks::new(1 << 20);
        assert_eq!(take(&mut chunks, &parts[0]), Ok(None));
        assert_eq!(take(&mut chunks, &parts[0]), Ok(None));
        assert_eq!(take(&mut chunks, b"{}"), Ok(Some(b"{}".to_vec())));
        assert_eq!(take(&mut chunks, &parts[1]), Ok(None));
        assert_eq!(take(&mut chunks, &parts[2]), Ok(Some(message)));
        assert_eq!((chunks.cost, chunks.messages.len(), chunks.order.len()), (0, 0, 0));
    }

    #[test]
    fn what_does_not_become_whole_is_given_up() {
        let parts = split(&[b'x'; 10_000], *b"identity");
        let mut chunks = Chunks::new(20_000);
        for peer in 0..5 {
            assert_eq!(chunks.take(peer, &parts[0], Instant::now()), Ok(None));
        }
        let told = |given_up: Vec<Incomplete<u64>>| -> Vec<u64> {
            given_up.into_iter().map(|message| message.peer).collect()
        };
        // There is room for two messages.
        assert_eq!(told(chunks.expire(Instant::now())), [0, 1, 2]);
        assert_eq!(told(chunks.expire(Instant::now() + PATIENCE)), [3, 4]);
        assert_eq!(chunks.cost, 0);
        assert_eq!(chunks.take(7, &parts[0], Instant::now()), Ok(None));
        assert_eq!(told(chunks.end()), [7]);
    }

    #[test]
    fn malformed_chunks_are_refused() {
        let mut chunks = Chunks::new(1000);
        for text in [&b"\x1e\x0f"[..], b"\x1e\x0f12345678\0", b"\x1e\x0f12345678\x02\x02x"] {
            assert!(take(&mut chunks, text).is_err(), "{text:?}");
        }
        assert!(take(&mut chunks, b"\x1e\x0f12345678\0\x81x").is_err());
        assert_eq!(take(&mut chunks, b"\x1e\x0f12345678\0\x02x"), Ok(None));
        assert!(take(&mut chunks, b"\x1e\x0f12345678\x02\x03x").is_err());
    }
}
