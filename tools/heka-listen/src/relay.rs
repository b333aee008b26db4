// SPDX-License-Identifier: MIT OR Apache-2.0
//! How much of each stream later stages have delivered (`--ack=commit --resume`).
//!
//! Every record of a numbered stream is relayed with a position: its number, and information that
//! distinguishes it from the same number of another stream, of another receiver, and of the same
//! stream if that had to start over somewhere. The last stage commits positions to a file, which is
//! checked here: a number is acknowledged when its position, or a later one, is in the file.

use std::cell::{Cell, RefCell};
use std::fs::Metadata;
use std::io::Write as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use data_encoding::HEXLOWER;
use heka_core::delivery::checkpoint::{self, Positions};
use heka_core::os::clock;
use heka_core::report::{self, Stop};

/// Interval of checks of the file while somebody waits for it.
const PERIOD: Duration = Duration::from_millis(20);
/// Maximum number of streams kept in the file: every run of a sender without a queue is one.
const MOST: usize = 4096;
/// Prefix of the names of streams.
const PREFIX: &str = "stream ";

/// The file of positions, as last read.
#[derive(Debug)]
pub(crate) struct Relay {
    path: PathBuf,
    positions: Positions,
    /// Distinguishes states of the file.
    state: Option<[i64; 5]>,
    looked: Instant,
    /// Identifies this receiver across all its processes.
    run: [u8; 16],
}

/// A position of a stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Standing<'a> {
    number: u64,
    epoch: u32,
    /// Time of the claim to the stream with which the record arrived.
    claimed: u64,
    /// The receiver, in hexadecimal.
    run: &'a str,
}

/// The state of a stream in the file when the stream becomes known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Earlier {
    pub(crate) number: u64,
    pub(crate) claimed: u64,
    epoch: u32,
}

impl Relay {
    /// Reads the file, if it exists.
    ///
    /// # Errors
    /// As [`Positions::read`].
    pub(crate) fn open(path: &Path) -> Result<Self, Stop> {
        let state = std::fs::metadata(path).ok().as_ref().map(state);
        let positions = Positions::read(path)?;
        let known = positions.iter().filter(|(key, _)| key.starts_with(PREFIX));
        let known = known.filter_map(|(_, position)| Standing::parse(position));
        let run = known.max_by_key(|standing| standing.claimed).map(|standing| standing.run);
        let run = run.and_then(|digits| HEXLOWER.decode(digits.as_bytes()).ok()?.try_into().ok());
        let run = run.unwrap_or_else(clock::random_uuid);
        Ok(Self { path: path.to_owned(), positions, state, looked: Instant::now(), run })
    }

    /// Returns the identifier of this receiver.
    pub(crate) fn run(&self) -> [u8; 16] {
        self.run
    }

    /// Returns when to check the file, if somebody waits for it.
    pub(crate) fn due(&self) -> Instant {
        self.looked + PERIOD
    }

    /// Checks the file if it is time to; returns whether it has changed.
    pub(crate) fn look(&mut self) -> bool {
        if Instant::now() < self.due() {
            return false;
        }
        self.looked = Instant::now();
        let state = std::fs::metadata(&self.path).ok().as_ref().map(state);
        if state == self.state {
            return false;
        }
        match Positions::peek(&self.path) {
            Ok(positions) => {
                // Changes in the meantime are noticed the next time.
                (self.positions, self.state) = (positions, state);
                true
            }
            Err(stop) => {
                if let Stop::Error { text, .. } = stop {
                    report::repeated("positions", format_args!("{text}; nothing is acknowledged"));
                }
                false
            }
        }
    }

    /// Returns the state of a stream that an earlier process knew.
    pub(crate) fn earlier(&self, key: &str) -> Option<Earlier> {
        let standing = Standing::parse(self.positions.get(key)?)?;
        let Standing { number, epoch, claimed, run } = standing;
        (run == HEXLOWER.encode(&self.run)).then_some(Earlier { number, claimed, epoch })
    }

    /// Returns checkpoints that make the file forget the oldest streams, if there are too many.
    pub(crate) fn surplus(&self) -> Vec<Vec<u8>> {
        let streams = self.positions.iter().filter(|(key, _)| key.starts_with(PREFIX));
        let claimed = |position| Standing::parse(position).map_or(0, |standing| standing.claimed);
        let mut streams: Vec<_> = streams.map(|(key, position)| (claimed(position), key)).collect();
        if streams.len() <= MOST {
            return Vec::new();
        }
        streams.sort_unstable();
        streams.truncate(streams.len() - MOST / 4 * 3);
        let forget = |(_, key)| {
            let mut checkpoint = Vec::new();
            checkpoint::put(&mut checkpoint, key, b"");
            checkpoint
        };
        streams.into_iter().map(forget).collect()
    }
}

fn state(file: &Metadata) -> [i64; 5] {
    [
        file.dev().cast_signed(),
        file.ino().cast_signed(),
        file.len().cast_signed(),
        file.mtime(),
        file.mtime_nsec(),
    ]
}

impl<'a> Standing<'a> {
    fn parse(position: &'a [u8]) -> Option<Self> {
        let mut words = std::str::from_utf8(position).ok()?.split(' ');
        let number = words.next()?.parse().ok()?;
        let epoch = u32::from_str_radix(words.next()?, 16).ok()?;
        let claimed = words.next()?.parse().ok()?;
        let run = words.next().filter(|run| run.len() == 32)?;
        words.next().is_none().then_some(Self { number, epoch, claimed, run })
    }
}

/// A stream whose records are relayed with positions.
#[derive(Debug)]
pub(crate) struct Relayed {
    key: String,
    /// The receiver, in hexadecimal.
    run: String,
    epoch: Cell<u32>,
    claimed: Cell<u64>,
    /// Number up to which everything is delivered.
    delivered: Cell<u64>,
    /// The text after the number in a position.
    ending: RefCell<String>,
}

impl Relayed {
    /// Creates a stream, which begins here or continues after its state in the file.
    pub(crate) fn new(run: &[u8; 16], key: String, earlier: Option<Earlier>) -> Self {
        Self {
            key,
            run: HEXLOWER.encode(run),
            epoch: Cell::new(earlier.map_or_else(random, |earlier| earlier.epoch)),
            claimed: Cell::default(),
            delivered: Cell::new(earlier.map_or(0, |earlier| earlier.number)),
            ending: RefCell::default(),
        }
    }

    /// Returns the name of a stream in the file.
    pub(crate) fn key(id: &[u8; 16], owner: &[u8]) -> String {
        format!("{PREFIX}{}", checkpoint::hash(&[id.as_slice(), owner].concat()))
    }

    /// Notes a claim of its sender.
    pub(crate) fn claim(&self, claimed: u64) {
        self.claimed.set(claimed);
        self.end();
    }

    fn end(&self) {
        let Self { epoch, claimed, run, .. } = self;
        *self.ending.borrow_mut() = format!(" {:08x} {} {run}", epoch.get(), claimed.get());
    }

    /// Puts the checkpoint of a record into `out`.
    pub(crate) fn put(&self, out: &mut Vec<u8>, number: u64) {
        checkpoint::put(out, &self.key, b"");
        // Writing to memory cannot fail.
        let _written = write!(out, "{number}{}", self.ending.borrow());
    }

    /// Returns the number up to which everything is delivered.
    pub(crate) fn delivered(&self, relay: &Relay) -> u64 {
        let standing = relay.earlier(&self.key).filter(|found| found.epoch == self.epoch.get());
        let number = standing.map_or(0, |found| found.number).max(self.delivered.get());
        self.delivered.set(number);
        number
    }

    /// Starts over: records relayed after `number` were not its sender's, so all that are not known
    /// to be delivered are sent again, and positions in transit become invalid. Returns the number
    /// after which it begins.
    pub(crate) fn begin_again(&self, number: u64) -> u64 {
        self.epoch.set(random());
        self.end();
        self.delivered.set(self.delivered.get().min(number));
        self.delivered.get()
    }
}

fn random() -> u32 {
    let uuid = clock::random_uuid();
    u32::from_be_bytes([uuid[0], uuid[1], uuid[2], uuid[3]])
}
