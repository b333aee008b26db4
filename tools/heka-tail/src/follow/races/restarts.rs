// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events that happen to files between two runs.

use std::fs;
use std::path::Path;

use super::super::file::OpenFile;
use super::super::position;
use super::super::{FilePosition, Name, Stream};
use super::{Log, append, make_younger, pack};

/// Returns positions as the next run reads them.
fn stored(files: &[FilePosition]) -> Vec<FilePosition> {
    let mut bytes = Vec::new();
    position::encode(&mut bytes, files, false);
    position::decode(&bytes).unwrap()
}

/// Creates the stream of a log named by the user.
pub(super) fn stream(path: &Path) -> Stream {
    Stream::named(Name::new("app.log"), path.into(), false)
}

impl Log {
    /// Starts another run at these positions.
    fn restart_at(&mut self, position: &[FilePosition]) {
        self.stream = stream(&self.path);
        self.stream.resume(stored(position));
        self.read.clear();
    }
}

#[test]
fn a_copy_that_was_empty_is_not_read_again_after_a_restart() {
    let mut log = Log::new("a line\n");
    let copy = log.rotated(".1");
    fs::write(&copy, "").unwrap();
    let empty = OpenFile::open(&copy, 0, true).unwrap().position();
    let read = OpenFile::open(&log.path, 7, true).unwrap().position();
    append(&copy, "a line\n", 0);
    fs::write(&log.path, "").unwrap();
    append(&log.path, "another\n", 0);
    log.restart_at(&[empty, read]);
    log.look();
    log.look();
    assert_eq!(log.read, "another\n");
}

#[test]
fn what_was_written_before_the_file_read_last_was_compressed_is_read() {
    let mut log = Log::new("newest\n");
    let (first, second, packed) = (log.rotated(".1"), log.rotated(".2"), log.rotated(".2.gz"));
    fs::write(&second, "old\nmore\n").unwrap();
    fs::write(&first, "between\n").unwrap();
    make_younger(&packed, &first);
    pack(&second, &packed);
    log.restart_at(&[OpenFile::open(&packed, 4, true).unwrap().position()]);
    log.look();
    log.look();
    assert_eq!(log.read, "more\nbetween\nnewest\n");
}

#[test]
fn what_was_compressed_before_any_of_it_was_read_is_not_called_lost() {
    for is_left in [false, true] {
        let mut log = Log::new("old\n");
        let (live, packed) = (log.path.clone(), log.rotated(".2.gz"));
        log.look();
        fs::rename(&live, log.rotated(".3")).unwrap();
        fs::write(&live, "").unwrap();
        log.look();
        let rotated = log.rotated(".2");
        let rotate = || {
            fs::rename(&live, &rotated).unwrap();
            fs::write(&live, "").unwrap();
        };
        if is_left {
            rotate();
            log.look();
        }
        log.restart_at(&log.stream.position());
        if !is_left {
            rotate();
        }
        append(&rotated, "a line\n", 1);
        make_younger(&packed, &rotated);
        pack(&rotated, &packed);
        append(&live, "newest\n", 1);
        log.look();
        log.look();
        assert_eq!((log.read.as_str(), log.lost), ("a line\nnewest\n", false), "{is_left}");
    }
}

#[test]
fn what_was_copied_and_compressed_before_any_of_it_was_read_is_not_called_lost() {
    let mut log = Log::new("old\n");
    let (live, first, second) = (log.path.clone(), log.rotated(".1"), log.rotated(".2"));
    log.look();
    fs::rename(&live, log.rotated(".3")).unwrap();
    fs::write(&live, "").unwrap();
    log.look();
    log.restart_at(&log.stream.position());
    make_younger(&second, &live);
    append(&second, "a line\n", 0);
    append(&live, "another\n", 1);
    fs::rename(&live, &first).unwrap();
    let packed = log.rotated(".1.gz");
    make_younger(&packed, &second);
    pack(&first, &packed);
    fs::write(&live, "newest\n").unwrap();
    log.look();
    log.look();
    assert_eq!((log.read.as_str(), log.lost), ("a line\nanother\nnewest\n", false));
}
