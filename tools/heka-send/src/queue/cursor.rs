// SPDX-License-Identifier: MIT OR Apache-2.0
//! How far a queue is acknowledged: one line of text, replaced as a whole.
//!
//! ```text
//! 2 STREAM BOOT FILE OFFSET NUMBER LOST HOME FIRST STORED [FILE OFFSET]
//! ```
//!
//! The version of this format, the stream's name and the seed of its key (one word) and the
//! kernel's boot id (all in hex), the place behind the last acknowledged message, that message's
//! number, how many messages are lost before it that have a number in their block, where the queue
//! was at home when this was written, the first file that consists of blocks, and the number of the
//! last message, in its block, that outlives the machine. If one more place follows, what stands
//! behind that one in its file does not count after a restart of the machine: it may be half of
//! this message and half of that. Version 1 lacked LOST, HOME, FIRST and STORED.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::UNIX_EPOCH;

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
    /// How far the numbers in blocks are ahead of those that the messages have on their way.
    pub(super) lost: u64,
    /// Distinguishes this directory from its copies.
    pub(super) home: String,
    /// The first file that consists of blocks.
    pub(super) first_file: u64,
    /// Number in its block of the last message that was synced.
    pub(super) stored: u64,
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
        let file = match dir.open_file(NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::fresh(boot)),
            other => other.at(path.display())?,
        };
        let mut text = Vec::new();
        file.take(MAX_LINE).read_to_end(&mut text).at(path.display())?;
        let text = String::from_utf8_lossy(&text);
        if text.split(' ').next().and_then(|version| version.parse::<u64>().ok()) > Some(2) {
            return Err(io::Error::from(Refused::Later)).at(path.display());
        }
        let Some(mut cursor) = Self::parse(&text, files) else {
            if files.first().is_none() && !text.is_empty() {
                return Err(io::Error::from(Refused::NotQueue)).at(path.display());
            }
            report::warning(format_args!(
                "{}: not readable, everything in the queue is sent again",
                path.display()
            ));
            return Ok(Self::fresh(boot));
        };
        if cursor.boot != boot {
            cursor.boot = boot;
            cursor.is_other_boot = true;
            cursor.rename_stream();
        }
        Ok(cursor)
    }

    /// Of a queue that is new.
    fn fresh(boot: String) -> Self {
        Self {
            stream_id: clock::random_uuid(),
            seed: random_seed(),
            place: Place::default(),
            number: 0,
            lost: 0,
            home: String::new(),
            first_file: 0,
            stored: 0,
            boot,
            promised: None,
            is_fresh: true,
            is_other_boot: false,
        }
    }

    fn parse(text: &str, files: &Files) -> Option<Self> {
        let mut words = text.split_whitespace();
        let is_old = match words.next()? {
            "1" => true,
            "2" => false,
            _ => return None,
        };
        let stream = HEXLOWER.decode(words.next()?.as_bytes()).ok()?;
        let (stream_id, seed) = stream.split_first_chunk()?;
        // Once a stream had none.
        let seed = if seed.is_empty() { random_seed() } else { seed.try_into().ok()? };
        let boot = words.next()?.to_owned();
        let place = Place { file: number(&mut words)?, offset: number(&mut words)? };
        let last = number(&mut words)?;
        let (lost, home, first_file, stored) = if is_old {
            (0, String::new(), files.behind_last(), 0)
        } else {
            let (lost, home) = (number(&mut words)?, words.next()?.to_owned());
            (lost, home, number(&mut words)?, number(&mut words)?)
        };
        let mut number = || number(&mut words);
        let promised = number().zip(number()).map(|(file, offset)| Place { file, offset });
        Some(Self {
            stream_id: *stream_id,
            seed,
            boot,
            place,
            number: last,
            lost,
            home,
            first_file,
            stored,
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
        let line = self.line();
        match dir.replace_file(NAME, line.as_bytes()) {
            Err(error) if is_full(&error) => overwrite(dir, line.as_bytes())?.sync_data(),
            other => other,
        }
    }

    /// Writes the file where none is that could be read: the next process has it, the disk not yet.
    pub(super) fn put(&self, dir: &PrivateDir) -> io::Result<()> {
        overwrite(dir, self.line().as_bytes()).map(drop)
    }

    fn line(&self) -> String {
        let Place { file, offset } = self.place;
        let stream = HEXLOWER.encode(&[self.stream_id.as_slice(), &self.seed].concat());
        let boot = &self.boot;
        let promised = self.promised.map(|place| format!(" {} {}", place.file, place.offset));
        let promised = promised.unwrap_or_default();
        let Self { number, lost, home, first_file, stored, .. } = self;
        format!(
            "2 {stream} {boot} {file} {offset} {number} {lost} {home} {first_file} {stored}{promised}\n"
        )
    }
}

fn number<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<u64> {
    words.next()?.parse().ok()
}

/// What a directory, with the file `end` in it, has in common with no copy of it on this machine.
pub(super) fn home(dir: &File, end: &File) -> io::Result<String> {
    let mut home = String::new();
    for file in [dir, end] {
        let metadata = file.metadata()?;
        let born = metadata.created().ok().and_then(|at| at.duration_since(UNIX_EPOCH).ok());
        let born = born.map_or(0, |born| born.as_nanos());
        home += &format!("{:x}.{:x}.{born:x}.", metadata.dev(), metadata.ino());
    }
    Ok(home)
}

fn overwrite(dir: &PrivateDir, line: &[u8]) -> io::Result<File> {
    let file = dir.open_or_create_file(NAME)?;
    file.write_all_at(line, 0)?;
    file.set_len(line.len() as u64)?;
    Ok(file)
}

fn boot_id() -> String {
    let text = std::fs::read_to_string("/proc/sys/kernel/random/boot_id").unwrap_or_default();
    let id: String = text.chars().filter(char::is_ascii_hexdigit).collect();
    if id.is_empty() { NO_BOOT.to_owned() } else { id }
}
