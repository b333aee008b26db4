// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a queue: their names, and how much of one is whole records.

use std::fs::{File, OpenOptions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::FileExt as _;
use std::path::{Path, PathBuf};

use super::{BLOCK, Place};
use heka_core::wire::{Behind, Deframer, Step};

/// Where the last whole record of a file ends, looking from `start` on.
pub(super) fn whole_records(path: &Path, start: u64, limit: usize) -> io::Result<u64> {
    let file = File::open(path)?;
    let mut deframer = Deframer::at(limit, start);
    let mut buffer = Vec::new();
    let mut end = start;
    let mut offset = start;
    loop {
        let kept = buffer.len();
        buffer.resize(kept + BLOCK, 0);
        let len = file.read_at(buffer.get_mut(kept..).unwrap_or_default(), offset)?;
        buffer.truncate(kept + len);
        offset += len as u64;
        let behind = if len == 0 { Behind::End } else { Behind::More };
        let mut at = 0;
        loop {
            match deframer.next(buffer.get(at..).unwrap_or_default(), behind) {
                Step::Frame(done, _) => {
                    at += done;
                    end = deframer.offset();
                }
                Step::Damage(done, _) => at += done,
                Step::Need(done, _) => {
                    at += done;
                    break;
                }
            }
        }
        buffer.drain(..at);
        if len == 0 {
            return Ok(end);
        }
    }
}

/// The name of the file of that number.
pub(super) fn path_of(dir: &Path, file: u64) -> PathBuf {
    dir.join(format!("{file}.log"))
}

/// Opens the file of that number to write to it; it is made if it is not there.
pub(super) fn open_file(dir: &Path, file: u64) -> io::Result<File> {
    OpenOptions::new().read(true).write(true).create(true).truncate(false).open(path_of(dir, file))
}

/// Cuts off what stands behind a place in its file.
pub(super) fn cut(dir: &Path, place: Place) -> io::Result<()> {
    let file = match OpenOptions::new().write(true).open(path_of(dir, place.file)) {
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
        other => other?,
    };
    if file.metadata()?.len() > place.offset { file.set_len(place.offset) } else { Ok(()) }
}

/// Numbers of the files, in order.
pub(super) fn list(dir: &Path) -> io::Result<Vec<u64>> {
    let mut files = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let name = entry?.file_name();
        let number: Option<u64> =
            name.to_str().and_then(|name| name.strip_suffix(".log")?.parse().ok());
        files.extend(number);
    }
    files.sort_unstable();
    Ok(files)
}
