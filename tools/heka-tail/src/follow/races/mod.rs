// SPDX-License-Identifier: MIT OR Apache-2.0
//! Events that happen to files while they are read.

use std::fs::{self, File};
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use flate2::Compression;
use flate2::write::GzEncoder;

mod losses;
mod restarts;

use super::held::Block;
use super::{Chunk, Look, Options, Start, Stream};
use restarts::stream;
use tempfile::TempDir;

/// A log, and what was read of it.
struct Log {
    _dir: Option<TempDir>,
    path: PathBuf,
    stream: Stream,
    read: String,
    /// Whether a loss was reported.
    lost: bool,
    rotate_wait: Duration,
}

impl Log {
    fn new(text: &str) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("app.log");
        fs::write(&path, text).unwrap();
        Self { _dir: Some(dir), ..Self::at(&path) }
    }

    /// Creates the log at `path`.
    fn at(path: &Path) -> Self {
        let (path, read) = (path.to_owned(), String::new());
        let stream = stream(&path);
        let rotate_wait = Duration::from_secs(60);
        Self { _dir: None, path, stream, read, lost: false, rotate_wait }
    }

    fn rotated(&self, mark: &str) -> PathBuf {
        self.path.with_file_name(format!("app.log{mark}"))
    }

    fn look(&mut self) {
        self.look_while(|_| {});
    }

    /// Processes names and contents; `meanwhile` is called with the data of each read.
    fn look_while(&mut self, meanwhile: impl FnMut(&str)) {
        self.look_by(meanwhile, |stream, look| {
            stream.look(look).unwrap();
        });
    }

    /// Advances as if everything was written after the last read, and before the names are checked.
    fn advance(&mut self) {
        self.look_by(|_| {}, |stream, look| assert!(stream.chain.advance(look).is_ok()));
    }

    fn look_by(
        &mut self,
        mut meanwhile: impl FnMut(&str),
        act: impl FnOnce(&mut Stream, &mut Look<'_>),
    ) {
        let options = options(self.rotate_wait);
        let read = &mut self.read;
        let consume = &mut |chunk: &mut Chunk<'_>| {
            let text = std::str::from_utf8(chunk.data()).unwrap();
            read.push_str(text);
            meanwhile(text);
            Ok(text.len())
        };
        let mut look = Look {
            options: &options,
            block: &mut Block::default(),
            names: true,
            grew: false,
            lost: false,
            now: Instant::now(),
            consume,
        };
        act(&mut self.stream, &mut look);
        self.lost |= look.lost;
    }
}

pub(super) fn options(rotate_wait: Duration) -> Options {
    Options {
        start: Start::default(),
        delimiter: b'\n',
        follow: true,
        wait_for_files: true,
        by_name: true,
        rotate_wait,
        goes_on: true,
        timeout: None,
        unpacks: true,
        sleep_interval: Duration::ZERO,
        rotated_directories: Vec::new(),
    }
}

fn append(path: &Path, text: &str, after: u64) {
    let mut file = File::options().append(true).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written + Duration::from_secs(after)).unwrap();
}

/// Makes a file look as if it had not been written to for a long time.
fn age(path: &Path) {
    let file = File::options().append(true).open(path).unwrap();
    let written = file.metadata().unwrap().modified().unwrap();
    file.set_modified(written - Duration::from_secs(3600)).unwrap();
}

/// Compresses a file.
fn pack(from: &Path, to: &Path) {
    let modified = fs::metadata(from).unwrap().modified().unwrap();
    let mut encoder = GzEncoder::new(File::create(to).unwrap(), Compression::fast());
    encoder.write_all(&fs::read(from).unwrap()).unwrap();
    encoder.finish().unwrap();
    File::options().append(true).open(to).unwrap().set_modified(modified).unwrap();
    fs::remove_file(from).unwrap();
}

/// Creates an empty file whose birth time is later than that of `than`.
fn make_younger(path: &Path, than: &Path) {
    let born = |path: &Path| fs::metadata(path).unwrap().created().ok();
    loop {
        fs::write(path, "").unwrap();
        if born(path).is_none() || born(path) > born(than) {
            return;
        }
        fs::remove_file(path).unwrap();
    }
}

#[test]
fn a_truncation_just_before_a_rename_loses_nothing() {
    let mut log = Log::new("old 1\n");
    let (live, first, second) = (log.path.clone(), log.rotated(".1"), log.rotated(".2"));
    log.look_while(|text| {
        if text == "old 1\n" {
            append(&live, "old 2\n", 0);
            fs::copy(&live, &second).unwrap();
            fs::write(&live, "something longer that is new\n").unwrap();
            fs::rename(&live, &first).unwrap();
            fs::write(&live, "newest\n").unwrap();
        }
    });
    log.look();
    assert_eq!(log.read, "old 1\nold 2\nsomething longer that is new\nnewest\n");
}

#[test]
fn a_truncated_file_whose_copy_was_read_is_read_though_renamed() {
    let mut log = Log::new("old 1\n");
    let (live, first, second) = (log.path.clone(), log.rotated(".1"), log.rotated(".2"));
    log.look();
    fs::copy(&live, &first).unwrap();
    fs::write(&live, "").unwrap();
    append(&live, "something longer\n", 0);
    log.look();
    fs::rename(&first, &second).unwrap();
    fs::rename(&live, &first).unwrap();
    fs::write(&live, "newest\n").unwrap();
    log.look();
    log.look();
    assert_eq!(log.read, "old 1\nsomething longer\nnewest\n");
}

#[test]
fn a_copy_in_the_making_is_not_read_as_well() {
    let mut log = Log::new("");
    let copy = log.rotated(".1");
    log.look();
    append(&log.path, "a line\n", 1);
    log.look_while(|_| fs::write(&copy, "").unwrap());
    fs::write(&copy, "a line\n").unwrap();
    log.look();
    fs::write(&log.path, "").unwrap();
    log.look();
    append(&log.path, "another\n", 0);
    log.look();
    assert_eq!(log.read, "a line\nanother\n");
}

#[test]
fn a_small_copy_made_as_the_file_is_read_is_not_read_as_well() {
    let mut log = Log::new("");
    let copy = log.rotated(".1");
    log.look();
    append(&log.path, "a line\n", 1);
    log.look_while(|text| {
        fs::write(&copy, "").unwrap();
        append(&copy, text, 2);
    });
    log.look();
    assert_eq!(log.read, "a line\n");
}

#[test]
fn what_gets_late_lines_as_it_is_compressed_is_read_once() {
    let mut log = Log::new("first\n");
    let (live, old, packed) = (log.path.clone(), log.rotated(".1"), log.rotated(".1.gz"));
    log.look();
    fs::rename(&live, &old).unwrap();
    fs::write(&live, "").unwrap();
    log.look();
    append(&live, "newer\n", 1);
    log.look_while(|text| {
        if text == "newer\n" {
            append(&old, "late\n", 2);
            pack(&old, &packed);
        }
    });
    log.look();
    assert_eq!(log.read, "first\nnewer\nlate\n");
}

#[test]
fn a_name_that_was_missing_for_a_moment_costs_nothing() {
    let mut log = Log::new("old\n");
    let (live, first, second) = (log.path.clone(), log.rotated(".1"), log.rotated(".2.gz"));
    log.rotate_wait = Duration::ZERO;
    log.look();
    fs::rename(&live, &first).unwrap();
    log.look();
    pack(&first, &second);
    fs::write(&first, "between\n").unwrap();
    fs::write(&live, "newest\n").unwrap();
    log.look();
    log.look();
    assert_eq!(log.read, "old\nbetween\nnewest\n");
}

#[test]
fn an_empty_copy_that_comes_before_its_original_is_not_read_as_well() {
    let mut log = Log::new("old\n");
    let (live, first, second) = (log.path.clone(), log.rotated(".1"), log.rotated(".2"));
    log.look_while(|text| {
        if text == "old\n" {
            // The log is followed, copied and not truncated yet.
            fs::rename(&live, &second).unwrap();
            fs::write(&live, "a line\n").unwrap();
            make_younger(&first, &live);
        }
    });
    append(&first, "a line\n", 0);
    log.look();
    assert_eq!(log.read, "old\na line\n");
    fs::write(&live, "").unwrap();
    append(&live, "another\n", 0);
    log.look();
    log.look();
    assert_eq!(log.read, "old\na line\nanother\n");
}

#[test]
fn what_is_written_and_compressed_before_it_was_read_is_read_once() {
    let mut log = Log::new("");
    let packed = log.rotated(".1.gz");
    log.look();
    append(&log.path, "a line\n", 0);
    pack(&log.path, &packed);
    fs::write(&log.path, "newest\n").unwrap();
    log.advance();
    log.look();
    log.look();
    assert_eq!(log.read, "a line\nnewest\n");
}

#[test]
fn a_late_line_of_a_file_that_was_compressed_is_read_whatever_its_size() {
    for len in [10, 100, 256, 300, 499, 500, 501, 700, 3000] {
        let line = format!("{}\n", "x".repeat(len - 1));
        let mut log = Log::new(&line);
        let (first, packed) = (log.rotated(".1"), log.rotated(".1.gz"));
        log.look();
        let read = log.stream.position();
        fs::rename(&log.path, &first).unwrap();
        fs::write(&log.path, "newest\n").unwrap();
        append(&first, "late\n", 0);
        pack(&first, &packed);
        log.look();
        log.look();
        assert_eq!(log.read, format!("{line}late\nnewest\n"), "{len}");
        log.stream = stream(&log.path);
        log.stream.resume(read);
        log.read.clear();
        log.look();
        log.look();
        assert_eq!(log.read, "late\nnewest\n", "{len} after a restart");
    }
}

#[test]
fn all_files_are_read_that_came_while_the_name_was_gone() {
    let mut log = Log::new("old\n");
    log.rotate_wait = Duration::ZERO;
    log.look();
    fs::remove_file(&log.path).unwrap();
    log.look();
    log.look();
    for (mark, text) in [(".3", "a\n"), (".2", "b\n"), (".1", "c\n"), ("", "d\n")] {
        fs::write(log.rotated(mark), text).unwrap();
    }
    log.look();
    log.look();
    assert_eq!(log.read, "old\na\nb\nc\nd\n");
}

#[test]
fn what_was_rotated_before_a_log_is_waited_for_is_not_read() {
    let mut log = Log::new("old\n");
    let (first, second) = (log.rotated(".1"), log.rotated(".2"));
    fs::rename(&log.path, &first).unwrap();
    log.look();
    fs::rename(&first, &second).unwrap();
    fs::write(&first, "between\n").unwrap();
    fs::write(&log.path, "newest\n").unwrap();
    log.look();
    log.look();
    assert_eq!(log.read, "between\nnewest\n");
}

#[test]
fn what_was_rotated_before_the_name_was_gone_is_read_and_watched_for_late_lines() {
    for is_deleted in [false, true] {
        let mut log = Log::new("old\n");
        let (first, second) = (log.rotated(".1"), log.rotated(".2"));
        log.look();
        fs::rename(&log.path, &second).unwrap();
        fs::write(&first, "between\n").unwrap();
        if is_deleted {
            fs::remove_file(&second).unwrap();
        }
        log.look();
        log.look();
        assert_eq!(log.read, "old\nbetween\n");
        append(&first, "late\n", 0);
        assert!(log.stream.deadline(&options(log.rotate_wait)).is_some());
        log.look();
        fs::write(&log.path, "newest\n").unwrap();
        log.look();
        log.look();
        assert_eq!(log.read, "old\nbetween\nlate\nnewest\n");
    }
}

#[test]
fn a_quiet_file_is_known_again_though_nothing_is_kept_of_it() {
    for text in ["a line\n".to_owned(), "a longer line\n".repeat(100)] {
        let mut log = Log::new(&text);
        let (live, first) = (log.path.clone(), log.rotated(".1"));
        age(&live);
        log.look();
        let before = log.stream.position();
        append(&live, "more\n", 0);
        age(&live);
        log.look();
        assert_ne!(log.stream.position()[0].hash, before[0].hash);
        fs::write(&live, format!("{text}rewritten\n")).unwrap();
        age(&live);
        log.look();
        let mut read = format!("{text}more\n{text}rewritten\n");
        assert_eq!(log.read, read);
        append(&live, "copied\n", 0);
        fs::copy(&live, &first).unwrap();
        fs::write(&live, "new\n").unwrap();
        log.look();
        log.look();
        read += "copied\nnew\n";
        assert_eq!((&log.read, log.lost), (&read, false));
    }
}

#[test]
fn a_copy_that_replaces_a_quiet_file_goes_on_where_that_was_read_to() {
    let text = "a longer line\n".repeat(100);
    let mut log = Log::new(&text);
    let copy = log.rotated("-copy");
    age(&log.path);
    log.look();
    fs::copy(&log.path, &copy).unwrap();
    append(&copy, "more\n", 0);
    fs::rename(&copy, &log.path).unwrap();
    log.look();
    log.look();
    assert_eq!(log.read, text + "more\n");
}
