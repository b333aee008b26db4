// SPDX-License-Identifier: MIT OR Apache-2.0
//! The acknowledged position of a queue: one line of text, replaced atomically.
//!
//! ```text
//! 2 STREAM BOOT FILE OFFSET NUMBER LOST HOME FIRST STORED [FILE OFFSET] #SUM
//! ```
//!
//! The fields are: the version of this format; the stream's name and the seed of its key (one
//! word), and the kernel's boot ID (all in hex); the position after the last acknowledged message,
//! and that message's number; the number of messages lost before it that have a number in their
//! block; the home directory of the queue when this was written; the first file that consists of
//! blocks; and the number, in its block, of the last message that would survive a crash of the
//! system. If another position follows, the data after it in its file does not count after a
//! restart of the system, because it may be a mixture of old and new messages. The last field is the
//! checksum of all that ([`put_sum`]). Version 1 lacked LOST, HOME, FIRST and STORED.

use std::fs::File;
use std::io::{self, ErrorKind, Read as _};
use std::os::unix::fs::{FileExt as _, MetadataExt as _};
use std::time::UNIX_EPOCH;

use data_encoding::HEXLOWER;

use super::Place;
use super::files::{Files, MAX_LINE};
use heka_core::delivery::claim::{Seed, random_seed};
use heka_core::delivery::is_full;
use heka_core::delivery::queue_end::{boot_id, put_sum, verified};
use heka_core::os::{PrivateDir, SecretBytes, clock};
use heka_core::report::{self, Explain as _, Refused, Stop};

const NAME: &str = "cursor";
/// Allocated for reading, so that nothing is copied: a longer file is not a cursor.
const ROOM: usize = 4096;

/// The cursor, read at the start and written from time to time.
#[derive(Clone, Debug)]
pub(super) struct Cursor {
    pub(super) stream_id: [u8; 16],
    /// The seed of the key by which receivers recognise the stream.
    pub(super) seed: Seed,
    pub(super) place: Place,
    pub(super) number: u64,
    /// Difference between the numbers in blocks and those on the wire.
    pub(super) lost: u64,
    /// Distinguishes this directory from copies.
    pub(super) home: String,
    /// The first file that consists of blocks.
    pub(super) first_file: u64,
    /// Number, in its block, of the last message that was synced.
    pub(super) stored: u64,
    pub(super) boot: String,
    /// Position up to which the last file was synced, if it contained more than that.
    pub(super) promised: Option<Place>,
    /// Whether there was no readable cursor.
    pub(super) is_fresh: bool,
    /// Whether the system has been restarted since it was saved.
    pub(super) is_other_boot: bool,
}

impl Cursor {
    /// Reads the cursor; creates a new one if there is none.
    pub(super) fn load(dir: &PrivateDir, files: &Files) -> Result<Self, Stop> {
        let path = dir.path_of(NAME);
        let boot = boot_id();
        let file = match dir.open_file(NAME) {
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(Self::fresh(boot)),
            other => other.at(path.display())?,
        };
        let mut text = SecretBytes::new(Vec::with_capacity(ROOM));
        file.take(MAX_LINE).read_to_end(&mut text).at(path.display())?;
        let text = String::from_utf8_lossy(&text);
        if text.split(' ').next().and_then(|version| version.parse::<u64>().ok()) > Some(2) {
            return Err(io::Error::from(Refused::Later)).at(path.display());
        }
        let cursor = Self::parse(&text, files).filter(|cursor| cursor.is_possible(files));
        let Some(mut cursor) = cursor else {
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

    /// Creates the cursor of a new queue.
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
        let mut words = verified(text)?.split_whitespace();
        let is_old = match words.next()? {
            "1" => true,
            "2" => false,
            _ => return None,
        };
        let stream = SecretBytes::new(HEXLOWER.decode(words.next()?.as_bytes()).ok()?);
        let (stream_id, seed) = stream.split_first_chunk()?;
        // Older versions had no seed.
        let seed = match seed {
            [] => random_seed(),
            seed => Seed::new(seed.try_into().ok()?),
        };
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

    /// Whether this may be the cursor of these files: those before its own would be removed.
    fn is_possible(&self, files: &Files) -> bool {
        let is_there = self.place.file <= files.behind_last() || files.first().is_none();
        is_there && self.number.checked_add(self.lost).is_some()
    }

    /// Gives the stream a new name, for when numbers may get a different meaning.
    pub(super) fn rename_stream(&mut self) {
        (self.stream_id, self.seed) = (clock::random_uuid(), random_seed());
    }

    /// Replaces the file: temporary file, fsync, rename, fsync of the directory. On a full disk,
    /// where files can only be removed once this is saved, it is overwritten in place.
    pub(super) fn save(&self, dir: &PrivateDir) -> io::Result<()> {
        let line = self.line();
        match dir.replace_file(NAME, &line) {
            Err(error) if is_full(&error) => overwrite(dir, &line)?.sync_data(),
            other => other,
        }
    }

    /// Writes the file if there was no readable one: visible to the next process, but not synced.
    pub(super) fn put(&self, dir: &PrivateDir) -> io::Result<()> {
        overwrite(dir, &self.line()).map(drop)
    }

    fn line(&self) -> SecretBytes {
        let Place { file, offset } = self.place;
        let stream = SecretBytes::new([self.stream_id.as_slice(), self.seed.as_slice()].concat());
        let stream = SecretBytes::new(HEXLOWER.encode(&stream).into_bytes());
        let boot = &self.boot;
        let promised = self.promised.map(|place| format!(" {} {}", place.file, place.offset));
        let promised = promised.unwrap_or_default();
        let Self { number, lost, home, first_file, stored, .. } = self;
        let rest = format!(
            " {boot} {file} {offset} {number} {lost} {home} {first_file} {stored}{promised}"
        );
        let mut line = Vec::with_capacity(ROOM);
        for part in [&b"2 "[..], &stream, rest.as_bytes()] {
            line.extend_from_slice(part);
        }
        put_sum(&mut line);
        line.push(b'\n');
        SecretBytes::new(line)
    }
}

fn number<'a>(words: &mut impl Iterator<Item = &'a str>) -> Option<u64> {
    words.next()?.parse().ok()
}

/// Returns a value that distinguishes a directory containing the file `end` from all its copies on
/// this system.
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
