// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contents of a checkpoint file.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions};
use std::io::{self, BufRead as _, BufReader, Read as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::Arc;

use data_encoding::BASE64;
use nix::fcntl::OFlag;
use serde_json::{Map, Value, json};

use crate::os::check_owner_of;
use crate::report::{self, Explain as _, Refused, Stop};

/// Maximum size of a file: some hundred thousand sources.
pub(super) const MAX_FILE: u64 = 64 << 20;
/// Upper bound on the length of a line with one position: 8191 bytes, all of them escaped.
const MAX_LINE: u64 = 64 * 1024;
/// Size of the parts in which lines are written.
const PART: usize = 32 * 1024;
/// Maximum number of malformed lines that are reported individually.
const MAX_TOLD: usize = 10;

const VERSION: u64 = 1;
const LATER: &str = "written by a later version";

/// Positions by source key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(pub(super) BTreeMap<Arc<str>, Box<[u8]>>);

impl Positions {
    /// Reads a checkpoint file without locking it. A file that does not exist has no positions.
    ///
    /// # Errors
    /// `PATH: CAUSE`; status 2 if it is not a checkpoint file, or belongs to another user, who
    /// decides what it says.
    pub fn read(path: &Path) -> Result<Self, Stop> {
        match open_trusted(path) {
            Ok(file) => Parsed::read(&file).map(|parsed| parsed.warn(path)).at(path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).at(path.display()),
        }
    }

    /// Like [`Positions::read`], while the writer may be appending: an incomplete line is not
    /// reported.
    ///
    /// # Errors
    /// As [`Positions::read`].
    pub fn peek(path: &Path) -> Result<Self, Stop> {
        match open_trusted(path) {
            Ok(file) => Parsed::read(&file).map(|parsed| parsed.positions).at(path.display()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).at(path.display()),
        }
    }

    /// Whether the file at `path` begins with a position.
    pub fn is_file(path: &Path) -> bool {
        let Ok(file) = open(path) else { return false };
        if !file.metadata().is_ok_and(|metadata| metadata.is_file()) {
            return false;
        }
        let mut start = Vec::new();
        let is_read = file.take(MAX_LINE).read_to_end(&mut start).is_ok();
        let line = start.split(|&byte| byte == b'\n').next();
        is_read && line.is_some_and(|line| parse_line(line).is_ok())
    }

    /// Returns the position of a source.
    pub fn get(&self, source: &str) -> Option<&[u8]> {
        self.0.get(source).map(|position| &**position)
    }

    /// Returns the position of a source, and the shared name of the source.
    pub fn get_source(&self, source: &str) -> Option<(&Arc<str>, &[u8])> {
        self.0.get_key_value(source).map(|(source, position)| (source, &**position))
    }

    /// Forgets a source.
    pub fn remove(&mut self, source: &str) {
        self.0.remove(source);
    }

    /// Returns all sources and their positions, sorted by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(source, position)| (&**source, &**position))
    }

    /// Formats the lines of all sources: see [`Positions::put_lines`].
    ///
    /// # Errors
    /// Those of `put`.
    pub(super) fn put(&self, put: impl FnMut(&[u8]) -> io::Result<()>) -> io::Result<()> {
        self.put_lines(self.0.keys(), put)
    }

    /// Formats the lines of some sources, and passes on some at a time: there may be many.
    ///
    /// # Errors
    /// Those of `put`.
    pub(super) fn put_lines<'a>(
        &self,
        sources: impl Iterator<Item = &'a Arc<str>>,
        mut put: impl FnMut(&[u8]) -> io::Result<()>,
    ) -> io::Result<()> {
        let mut text = Vec::new();
        for (source, position) in sources.filter_map(|source| self.0.get_key_value(source)) {
            text.extend_from_slice(to_line(source, position).as_bytes());
            text.push(b'\n');
            if text.len() >= PART {
                put(&text)?;
                text.clear();
            }
        }
        if text.is_empty() { Ok(()) } else { put(&text) }
    }
}

/// Opens a file without blocking on a pipe, which is then rejected.
fn open_trusted(path: &Path) -> io::Result<File> {
    let file = open(path)?;
    check_owner_of(&file)?;
    Ok(file)
}

fn open(path: &Path) -> io::Result<File> {
    OpenOptions::new().read(true).custom_flags(OFlag::O_NONBLOCK.bits()).open(path)
}

/// The parsed contents of a file.
#[derive(Debug)]
pub(super) struct Parsed {
    positions: Positions,
    /// Numbers of malformed lines, with the cause.
    unread: Vec<(usize, &'static str)>,
    /// Whether the file was emptied by someone else.
    pub(super) is_emptied: bool,
}

impl Parsed {
    /// Reads a whole file.
    pub(super) fn read(file: &File) -> io::Result<Self> {
        let metadata = file.metadata()?;
        if !metadata.is_file() {
            // A device may be endless.
            return Err(io::Error::other("not a regular file"));
        }
        if metadata.len() > MAX_FILE {
            return Err(Refused::TooLarge.into());
        }
        // The file may be large, so it is read a line at a time.
        let mut reader = BufReader::new(file.take(MAX_FILE));
        let mut positions = BTreeMap::new();
        let (mut unread, mut is_empty, mut line) = (Vec::new(), true, Vec::new());
        for number in 1.. {
            line.clear();
            if reader.read_until(b'\n', &mut line)? == 0 {
                break;
            }
            is_empty = false;
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse_line(&line) {
                Ok((source, position)) => drop(positions.insert(source.into(), position.into())),
                Err(cause) => unread.push((number, cause)),
            }
        }
        // A file that was created and never written was last modified when it was created.
        let is_touched = metadata.created().is_ok_and(|born| metadata.modified().ok() > Some(born));
        let is_emptied = is_empty && is_touched;
        let found = Self { positions: Positions(positions), unread, is_emptied };
        let is_foreign = found.positions.0.is_empty() && !found.unread.is_empty();
        if is_foreign && !found.has_later() {
            Err(Refused::NotCheckpoint.into())
        } else {
            Ok(found)
        }
    }

    /// Whether there is a line of a later version.
    pub(super) fn has_later(&self) -> bool {
        self.unread.iter().any(|(_, cause)| *cause == LATER)
    }

    /// Reports skipped lines, and returns the positions.
    pub(super) fn warn(self, path: &Path) -> Positions {
        let path = path.display();
        if self.is_emptied {
            report::warning(format_args!("{path}: contains no position"));
        }
        for (number, cause) in self.unread.iter().take(MAX_TOLD) {
            report::warning(format_args!("{path}: line {number}: {cause}, skipped"));
        }
        let more = self.unread.len().saturating_sub(MAX_TOLD);
        if more > 0 {
            report::warning(format_args!("{path}: {more} more lines skipped"));
        }
        self.positions
    }
}

fn to_line(source: &str, position: &[u8]) -> String {
    let printable = |text: &&str| !text.contains(|c: char| c.is_control());
    match std::str::from_utf8(position).ok().filter(printable) {
        Some(text) => json!({"version": VERSION, "source": source, "position": text}),
        None => {
            let text = BASE64.encode(position);
            json!({"version": VERSION, "source": source, "position_base64": text})
        }
    }
    .to_string()
}

fn parse_line(line: &[u8]) -> Result<(String, Vec<u8>), &'static str> {
    let object: Map<String, Value> = serde_json::from_slice(line).map_err(|_| "no JSON object")?;
    if object.get("version").and_then(Value::as_u64).is_some_and(|version| version > VERSION) {
        return Err(LATER);
    }
    let text = |name| object.get(name).and_then(Value::as_str);
    let source = text("source").ok_or("no source")?;
    let position = match (text("position"), text("position_base64")) {
        (Some(position), _) => position.as_bytes().to_vec(),
        (None, Some(position)) => {
            BASE64.decode(position.as_bytes()).map_err(|_| "position is not base64")?
        }
        (None, None) => return Err("no position"),
    };
    Ok((source.to_owned(), position))
}
