// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a queue is confirmed: one line of text, replaced as a whole.
//!
//! ```text
//! 1 STREAM BOOT FILE OFFSET NUMBER [FILE OFFSET]
//! ```
//!
//! The version of this format, the stream's name and the seed of its key (one word) and the kernel's
//! boot id (all in hex), the place behind the last confirmed message, and that message's number. If more places follow, what stands
//! behind that one in its file does not count after a restart of the machine: it may be half of
//! this message and half of that.

use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::FileExt as _;

use data_encoding::HEXLOWER;

use super::Place;
use super::files::{Files, MAX_LINE};
use heka_core::delivery::claim::random_seed;
use heka_core::delivery::is_full;
use heka_core::os::{PrivateDir, clock};
use heka_core::report::{self, Explain as _, Refused, Stop};

const NAME: &str = "cursor";
/// In place of a boot id that cannot be read.
pub(super) const NO_BOOT: &str = "0";

/// Read at the start, written now and then.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) stream_id: [u8; 16],
    /// What the key is made of by which receivers know the stream again.
    pub(super) seed: [u8; 32],
    pub(super) place: Place,
    pub(super) number: u64,
    pub(super) boot: String,
    /// Up to there the last file was synced, if more than that stood in it.
    pub(super) promised: Option<Place>,
    /// Whether none could be read.
    pub(super) is_fresh: bool,
    /// Whether the machine has been restarted since it was saved.
    pub(super) is_other_boot: bool,
}

impl Cursor {
    /// Reads it; a new one if there is none.
    pub(super) fn load(dir: &PrivateDir, files: &Files) -> Result<Self, Stop> {
        let path = dir.path_of(NAME);
        let boot = boot_id();
        let fresh = Self {
            stream_id: clock::random_uuid(),
            seed: random_seed(),
            place: Place::default(),
            number: 0,
            boot: boot.clone(),
            promised: None,
            is_fresh: true,
            is_other_boot: false,
        };
        let file = match dir.open_file(NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(fresh),
            other => other.at(path.display())?,
        };
        let mut text = Vec::new();
        file.take(MAX_LINE).read_to_end(&mut text).at(path.display())?;
        let text = String::from_utf8_lossy(&text);
        if text.split(' ').next().and_then(|version| version.parse::<u64>().ok()) > Some(1) {
            return Err(io::Error::from(Refused::Later)).at(path.display());
        }
        let Some(mut cursor) = Self::parse(&text) else {
            if files.first().is_none() && !text.is_empty() {
                return Err(io::Error::from(Refused::NotQueue)).at(path.display());
            }
            report::warning(format_args!(
                "{}: not readable, everything in the queue is sent again",
                path.display()
            ));
            return Ok(fresh);
        };
        if cursor.boot != boot {
            cursor.boot = boot;
            cursor.is_other_boot = true;
            cursor.rename_stream();
        }
        Ok(cursor)
    }

    fn parse(text: &str) -> Option<Self> {
        let mut words = text.split_whitespace();
        (words.next()? == "1").then_some(())?;
        let stream = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
        let (stream_id, seed) = stream.split_first_chunk()?;
        // Once a stream had none.
        let seed = if seed.is_empty() { random_seed() } else { seed.try_into().ok()? };
        let boot = words.next()?.to_owned();
        let mut number = || words.next()?.parse::<u64>().ok();
        let place = Place { file: number()?, offset: number()? };
        let last = number()?;
        let promised = number().zip(number()).map(|(file, offset)| Place { file, offset });
        Some(Self {
            stream_id: *stream_id,
            seed,
            boot,
            place,
            number: last,
            promised,
            is_fresh: false,
            is_other_boot: false,
        })
    }

    /// Numbers may from now on mean other messages than before.
    pub(super) fn rename_stream(&mut self) {
        (self.stream_id, self.seed) = (clock::random_uuid(), random_seed());
    }

    /// Replaces the file: temporary file, fsync, rename, fsync of the directory. On a full disk,
    /// where files can only be removed once this is saved, it is overwritten where it lies.
    pub(super) fn save(&self, dir: &PrivateDir) -> io::Result<()> {
        let Place { file, offset } = self.place;
        let stream = HEXLOWER.encode(&[self.stream_id.as_slice(), &self.seed].concat());
        let boot = &self.boot;
        let promised = self.promised.map(|place| format!(" {} {}", place.file, place.offset));
        let promised = promised.unwrap_or_default();
        let line = format!("1 {stream} {boot} {file} {offset} {}{promised}\n", self.number);
        match dir.replace_file(NAME, line.as_bytes()) {
            Err(error) if is_full(&error) => overwrite(dir, line.as_bytes()),
            other => other,
        }
    }
}

fn overwrite(dir: &PrivateDir, line: &[u8]) -> io::Result<()> {
    let file = dir.open_file(NAME)?;
    file.write_all_at(line, 0)?;
    file.set_len(line.len() as u64)?;
    file.sync_data()
}

fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if id.is_empty() { NO_BOOT.to_owned() } else { id }
}
