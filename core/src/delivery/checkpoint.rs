// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checkpoints: how far each source has been read, in a file and in the headers of frames.
//!
//! A *source* is a name (a log's path, say); a *position* is bytes that only the program which
//! reads that source understands. A program that stores positions for others needs nothing else:
//! it takes both from a frame's header ([`decode_header`]), [`CheckpointFile::set`]s the one
//! after the last message that is safe, and [`CheckpointFile::save`]s.
//!
//! The file holds one JSON object a line, one line a source:
//!
//! ```text
//! {"version":1,"source":"/var/log/app.log","position_base64":"AQKA/gP…"}
//! {"version":1,"source":"ticks","position":"2026-11-21 1204"}
//! ```
//!
//! `position` is used where the bytes are printable text. Lines that cannot be read are passed
//! over with a warning, and members that are not known are ignored. The file is replaced as a
//! whole: a temporary file beside it, fsync, rename, fsync of the directory. One writer at a time
//! holds a lock on it (flock), which goes along with the replacement.
//!
//! In a header (member 103, at most 128 bytes) stand the length of the source's key (1 byte), the
//! key ([`source_key`]), the position.

use std::collections::BTreeMap;
use std::fs::{File, OpenOptions, TryLockError};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::{BASE64, HEXLOWER};
use serde_json::{Map, Value, json};
use sha1::{Digest as _, Sha1};

use crate::os::sync_name;
use crate::report::{self, Explain as _, Stop};
use crate::wire::MAX_CHECKPOINT_SIZE;

/// Longest key of a source, so that its position fits beside it in a header.
pub const MAX_KEY_SIZE: usize = 44;

const VERSION: u64 = 1;

const O_NONBLOCK: i32 = nix::fcntl::OFlag::O_NONBLOCK.bits();

/// The name under which a source is known in headers and files: `name` itself, or its end with a
/// hash of the whole if it is long.
pub fn source_key(name: &str) -> String {
    if name.len() <= MAX_KEY_SIZE {
        return name.to_owned();
    }
    let hash = short_hash(name.as_bytes());
    let mut start = name.len() + hash.len() + "…#".len() - MAX_KEY_SIZE;
    while !name.is_char_boundary(start) {
        start += 1;
    }
    format!("…{}#{hash}", name.get(start..).unwrap_or(""))
}

/// Tells names apart that are cut or written in another way: twelve digits.
pub fn short_hash(name: &[u8]) -> String {
    HEXLOWER.encode(Sha1::digest(name).get(..6).unwrap_or(&[]))
}

/// Puts what stands in a frame's header for that source (see [`source_key`]) and position into
/// `out`, which is cleared first; `false` if it is too long for a header.
pub fn put_header(out: &mut Vec<u8>, key: &str, position: &[u8]) -> bool {
    out.clear();
    let Ok(key_len) = u8::try_from(key.len()) else { return false };
    if 1 + key.len() + position.len() > MAX_CHECKPOINT_SIZE {
        return false;
    }
    out.push(key_len);
    out.extend_from_slice(key.as_bytes());
    out.extend_from_slice(position);
    true
}

/// Source key and position from a frame's header; `None` if it is none of ours.
pub fn decode_header(bytes: &[u8]) -> Option<(&str, &[u8])> {
    let (&key_len, rest) = bytes.split_first()?;
    let (key, position) = rest.split_at_checked(usize::from(key_len))?;
    Some((std::str::from_utf8(key).ok()?, position))
}

/// The positions of sources, by key.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Positions(BTreeMap<String, Vec<u8>>);

impl Positions {
    /// Reads a checkpoint file, without locking it. A file that is not there has no positions.
    ///
    /// # Errors
    /// `PATH: CAUSE`, status 1.
    pub fn read(path: &Path) -> Result<Self, Stop> {
        // A pipe nobody writes to is opened without waiting, and then refused.
        match OpenOptions::new().read(true).custom_flags(O_NONBLOCK).open(path) {
            Ok(mut file) => Self::read_from(&mut file, path),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(Self::default()),
            Err(error) => Err(error).at(path.display()),
        }
    }

    fn read_from(file: &mut File, path: &Path) -> Result<Self, Stop> {
        // A device may have no end.
        if !file.metadata().at(path.display())?.is_file() {
            return Err(Stop::failed(format_args!("{}: not a regular file", path.display())));
        }
        let mut text = Vec::new();
        file.read_to_end(&mut text).at(path.display())?;
        let mut positions = BTreeMap::new();
        for (number, line) in text.split(|&byte| byte == b'\n').enumerate() {
            if line.trim_ascii().is_empty() {
                continue;
            }
            match parse_line(line) {
                Ok((source, position)) => drop(positions.insert(source, position)),
                Err(cause) => {
                    let number = number + 1;
                    let path = path.display();
                    report::warning(format_args!("{path}: line {number}: {cause}, passed over"));
                }
            }
        }
        Ok(Self(positions))
    }

    /// Where that source stands.
    pub fn get(&self, source: &str) -> Option<&[u8]> {
        self.0.get(source).map(Vec::as_slice)
    }

    /// All sources and their positions, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.0.iter().map(|(source, position)| (source.as_str(), position.as_slice()))
    }

    fn to_text(&self) -> Vec<u8> {
        let mut text = Vec::new();
        for (source, position) in &self.0 {
            text.extend_from_slice(to_line(source, position).as_bytes());
            text.push(b'\n');
        }
        text
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
        return Err("written by a later version");
    }
    let text = |name| object.get(name).and_then(Value::as_str);
    let source = text("source").ok_or("no source")?;
    let position = match (text("position"), text("position_base64")) {
        (Some(position), _) => position.as_bytes().to_vec(),
        (None, Some(position)) => {
            BASE64.decode(position.as_bytes()).map_err(|_| "position is no base64")?
        }
        (None, None) => return Err("no position"),
    };
    Ok((source.to_owned(), position))
}

/// A checkpoint file that this process keeps up to date.
#[derive(Debug)]
pub struct CheckpointFile {
    path: PathBuf,
    positions: Positions,
    is_changed: bool,
    /// The file as it is under `path`; holds the lock.
    locked: File,
}

impl CheckpointFile {
    /// Locks the file at `path` for writing, makes it if it is not there, and reads it.
    ///
    /// # Errors
    /// `PATH: in use by another process`, or `PATH: CAUSE`; status 1.
    pub fn open(path: &Path) -> Result<Self, Stop> {
        // A symlink stays one: what it leads to is replaced.
        let path = std::fs::canonicalize(path).unwrap_or_else(|_| path.to_owned());
        loop {
            let mut options = OpenOptions::new();
            options.read(true).write(true).create(true).truncate(false);
            let mut file = options.open(&path).at(path.display())?;
            match file.try_lock() {
                Ok(()) => {}
                Err(TryLockError::WouldBlock) => {
                    let path = path.display();
                    return Err(Stop::failed(format_args!("{path}: in use by another process")));
                }
                Err(TryLockError::Error(error)) => return Err(error).at(path.display()),
            }
            if is_same(&file, &path) {
                let positions = Positions::read_from(&mut file, &path)?;
                return Ok(Self { path, positions, is_changed: false, locked: file });
            }
            // Its writer replaced the file between open and lock: take the new one.
        }
    }

    /// What to call it in messages.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// All positions as they are now.
    pub fn positions(&self) -> &Positions {
        &self.positions
    }

    /// Where that source stands.
    pub fn get(&self, source: &str) -> Option<&[u8]> {
        self.positions.get(source)
    }

    /// Notes where a source stands; [`CheckpointFile::save`] stores it.
    pub fn set(&mut self, source: &str, position: &[u8]) {
        if self.get(source) == Some(position) {
            return;
        }
        self.is_changed = true;
        match self.positions.0.get_mut(source) {
            Some(known) => {
                known.clear();
                known.extend_from_slice(position);
            }
            None => drop(self.positions.0.insert(source.to_owned(), position.to_vec())),
        }
    }

    /// Whether there is something to save.
    pub fn is_changed(&self) -> bool {
        self.is_changed
    }

    /// Stores the positions, if any has changed. When this returns they outlive a crash of the
    /// machine.
    ///
    /// # Errors
    /// The system's. The file is as it was then, and a later call tries again.
    pub fn save(&mut self) -> io::Result<()> {
        if !self.is_changed {
            return Ok(());
        }
        let mut temporary = self.path.clone().into_os_string();
        temporary.push(".new");
        let temporary = PathBuf::from(temporary);
        match self.replace(&temporary) {
            Ok(file) => self.locked = file,
            Err(error) => {
                drop(std::fs::remove_file(&temporary));
                return Err(error);
            }
        }
        match sync_name(&self.path) {
            // A directory may be written to and not be read: then all of its file system.
            Err(error) if error.kind() == io::ErrorKind::PermissionDenied => {
                nix::unistd::syncfs(&self.locked)?;
            }
            synced => synced?,
        }
        self.is_changed = false;
        Ok(())
    }

    /// Puts a new file in the place of the old one. The lock goes along, so that file is to be held
    /// from then on, whatever follows.
    fn replace(&self, temporary: &Path) -> io::Result<File> {
        // Nothing that stands there is written to: a symlink may lead anywhere.
        drop(std::fs::remove_file(temporary));
        let mut options = OpenOptions::new();
        let mut file = options.read(true).write(true).create_new(true).open(temporary)?;
        file.lock()?;
        file.set_permissions(self.locked.metadata()?.permissions())?;
        file.write_all(&self.positions.to_text())?;
        file.sync_all()?;
        std::fs::rename(temporary, &self.path)?;
        Ok(file)
    }
}

fn is_same(file: &File, path: &Path) -> bool {
    match (file.metadata(), std::fs::metadata(path)) {
        (Ok(open), Ok(named)) => (open.dev(), open.ino()) == (named.dev(), named.ino()),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn scratch() -> (tempfile::TempDir, PathBuf) {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.pos");
        (dir, path)
    }

    #[test]
    fn what_was_saved_is_read() {
        let (_dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("/var/log/app.log", &[0, 1, 0xff]);
        file.set("ticks", "12 €".as_bytes());
        file.save().unwrap();
        let inode = std::fs::metadata(&path).unwrap().ino();
        file.set("ticks", "12 €".as_bytes());
        file.save().unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().ino(), inode, "not written without need");
        let positions = Positions::read(&path).unwrap();
        assert_eq!(&positions, file.positions());
        assert_eq!(positions.get("/var/log/app.log"), Some(&[0, 1, 0xff][..]));
        let text = std::fs::read_to_string(&path).unwrap();
        assert!(text.contains(r#""position":"12 €""#), "{text}");
        assert!(!path.with_extension("pos.new").exists());
    }

    #[test]
    fn there_is_one_writer_also_after_a_replacement() {
        let (_dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        assert!(CheckpointFile::open(&path).is_err());
        file.set("a", b"1");
        file.save().unwrap();
        let Err(Stop::Error { text, .. }) = CheckpointFile::open(&path) else {
            panic!("two writers")
        };
        assert!(text.ends_with("app.pos: in use by another process"), "{text}");
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        drop(file);
        assert!(CheckpointFile::open(&path).is_ok());
    }

    #[test]
    fn damaged_lines_cost_only_themselves() {
        let (_dir, path) = scratch();
        std::fs::write(
            &path,
            "{\"version\":1,\"source\":\"a\",\"position\":\"1\",\"more\":[]}\nrubbish\n\n\
             {\"version\":9,\"source\":\"b\",\"position\":\"1\"}\n{\"source\":\"c\"}\n\
             {\"source\":\"d\",\"position\":\"2\"}",
        )
        .unwrap();
        let positions = Positions::read(&path).unwrap();
        let sources: Vec<_> = positions.iter().map(|(source, _)| source).collect();
        assert_eq!(sources, ["a", "d"]);
    }

    #[test]
    fn a_failed_save_leaves_the_file_and_is_tried_again() {
        let (dir, path) = scratch();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("a", b"1");
        file.save().unwrap();
        // A directory where the temporary file should be: also root cannot write that.
        let blocker = dir.path().join("app.pos.new");
        std::fs::create_dir(&blocker).unwrap();
        file.set("a", b"2");
        assert!(file.save().is_err());
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
        std::fs::remove_dir(&blocker).unwrap();
        file.save().unwrap();
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"2"[..]));
    }

    #[test]
    fn what_stands_in_the_way_is_not_written_to() {
        let (dir, path) = scratch();
        let far = dir.path().join("far");
        std::fs::write(&far, "precious").unwrap();
        std::os::unix::fs::symlink(&far, dir.path().join("app.pos.new")).unwrap();
        let mut file = CheckpointFile::open(&path).unwrap();
        file.set("a", b"1");
        file.save().unwrap();
        assert_eq!(std::fs::read(far).unwrap(), b"precious");
        assert_eq!(Positions::read(&path).unwrap().get("a"), Some(&b"1"[..]));
    }

    #[test]
    fn headers_carry_source_and_position() {
        let mut header = Vec::new();
        assert!(put_header(&mut header, "/var/log/app.log", &[1, 2, 0]));
        assert_eq!(decode_header(&header), Some(("/var/log/app.log", &[1, 2, 0][..])));
        assert!(!put_header(&mut Vec::new(), "a", &[0; MAX_CHECKPOINT_SIZE - 1]));
        assert_eq!(decode_header(b""), None);
        assert_eq!(decode_header(b"\x05ab"), None);
        assert_eq!(decode_header(b"\x01\xff"), None);
    }

    #[test]
    fn long_names_become_keys_of_their_own() {
        let long = format!("/srv/{}/é/app.log", "x".repeat(200));
        let key = source_key(&long);
        assert!(key.len() <= MAX_KEY_SIZE && key.contains("/app.log#"), "{key}");
        assert_ne!(key, source_key(&long.replace("/srv", "/mnt")));
        assert_eq!(source_key("/var/log/app.log"), "/var/log/app.log");
    }
}
