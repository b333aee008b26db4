// SPDX-License-Identifier: MIT OR Apache-2.0

mod damage;

use std::os::unix::fs::FileExt as _;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use proptest::prelude::*;

use super::cursor::Cursor;
use super::*;
use heka_core::delivery::queue_end::End;
use heka_core::wire::{Header, put_frame};

const LIMITS: Limits = Limits { size: 10_000, file_size: 1000, message_size: 65_536 };

/// Opens a queue. If a test beside this one is starting a program, the new process shares the lock of
/// a queue that is closed here, until it executes the program.
fn open(dir: &Path, limits: Limits) -> Queue {
    let end = Instant::now() + Duration::from_secs(10);
    loop {
        match Queue::open(dir, limits) {
            Err(Stop::Error { text, .. })
                if text.ends_with("in use by another process") && Instant::now() < end =>
            {
                std::thread::yield_now();
            }
            opened => return opened.unwrap(),
        }
    }
}

fn path_of(dir: &Path, file: u64) -> PathBuf {
    dir.join(name_of(file))
}

fn list(dir: &Path) -> Vec<u64> {
    let names = std::fs::read_dir(dir).unwrap().map(|entry| entry.unwrap().file_name());
    let number = |name: std::ffi::OsString| name.to_str()?.strip_suffix(".log")?.parse().ok();
    let mut files: Vec<u64> = names.filter_map(number).collect();
    files.sort_unstable();
    files
}

fn frame(text: &str) -> Vec<u8> {
    let mut message = vec![0x32, u8::try_from(text.len()).unwrap()];
    message.extend_from_slice(text.as_bytes());
    let mut out = Vec::new();
    put_frame(&mut out, Header::default(), &message).unwrap();
    out
}

fn read(queue: &mut Queue) -> Vec<(u64, String)> {
    let mut records = Vec::new();
    while queue.has_unread() {
        queue
            .read(&mut |number, frame| {
                let text = String::from_utf8(frame.view.payload.unwrap().to_vec()).unwrap();
                records.push((number, text));
                Ok(())
            })
            .unwrap();
    }
    records
}

fn fill(queue: &mut Queue, numbers: std::ops::Range<u32>) {
    for number in numbers {
        append(queue, &[frame(&format!("message {number}"))]);
    }
}

fn append(queue: &mut Queue, frames: &[Vec<u8>]) {
    let mut end = 0;
    let ends: Vec<usize> = frames
        .iter()
        .map(|frame| {
            end += frame.len();
            end
        })
        .collect();
    assert_eq!(queue.append(&frames.concat(), &ends).unwrap(), frames.len());
}

#[test]
fn what_is_not_acknowledged_is_there_after_a_restart_under_the_same_number() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    let stream_id = queue.stream_id();
    fill(&mut queue, 0..1);
    read(&mut queue);
    fill(&mut queue, 1..3);
    read(&mut queue);
    queue.acknowledge(1).unwrap();
    queue.sync().unwrap();
    drop(queue);
    let mut queue = open(dir.path(), LIMITS);
    assert_eq!((queue.stream_id(), queue.acknowledged()), (stream_id, 1));
    let expected = [(2, "message 1".to_owned()), (3, "message 2".to_owned())];
    assert_eq!(read(&mut queue), expected);
    queue.acknowledge(3).unwrap();
    assert!(queue.is_empty());
}

#[test]
fn files_are_removed_once_they_are_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..200);
    assert!(list(dir.path()).len() > 3);
    let records = read(&mut queue);
    assert_eq!(records.len(), 200);
    assert_eq!(records.last().unwrap(), &(200, "message 199".to_owned()));
    queue.acknowledge(200).unwrap();
    queue.sync().unwrap();
    assert_eq!(list(dir.path()).len(), 1);
    assert!(queue.is_empty() && queue.has_room());
}

#[test]
fn a_torn_record_is_cut_off() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..2);
    drop(queue);
    let path = path_of(dir.path(), 0);
    let torn = frame("torn");
    let mut bytes = std::fs::read(&path).unwrap();
    let whole = bytes.len() as u64;
    bytes.extend_from_slice(&torn[..torn.len() - 1]);
    std::fs::write(&path, bytes).unwrap();
    let mut queue = open(dir.path(), LIMITS);
    assert_eq!(queue.len(), whole);
    fill(&mut queue, 2..3);
    assert_eq!(read(&mut queue).len(), 3);
}

#[test]
fn a_full_queue_has_no_room_until_something_is_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    let mut count = 0;
    while queue.has_room() {
        fill(&mut queue, count..count + 1);
        count += 1;
    }
    read(&mut queue);
    assert!(!queue.has_room());
    queue.acknowledge(u64::from(count)).unwrap();
    assert!(queue.has_room());
}

#[test]
fn the_oldest_file_can_be_dropped_and_its_messages_are_counted() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    let stream_id = queue.stream_id();
    fill(&mut queue, 0..100);
    let before = queue.len();
    let dropped = queue.drop_oldest().unwrap().unwrap();
    assert!(dropped > 10 && queue.len() < before);
    assert_ne!(queue.stream_id(), stream_id, "the numbers mean other messages now");
    let records = read(&mut queue);
    assert_eq!(records.len() as u64 + dropped, 100);
    drop(queue);
    assert!(!open(dir.path(), LIMITS).has_lost(), "that was told");
    assert_eq!(records[0], (1, format!("message {dropped}")));
}

#[test]
fn what_was_handed_out_is_not_dropped_and_can_be_acknowledged() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..100);
    assert_eq!(read(&mut queue).len(), 100);
    assert_eq!(queue.drop_oldest().unwrap(), Some(0));
    queue.acknowledge(100).unwrap();
    assert!(queue.is_empty());
    while queue.drop_oldest().unwrap().is_some() {}
    drop(queue);
    assert!(!open(dir.path(), LIMITS).has_lost());
}

#[test]
fn two_processes_cannot_have_the_same_queue() {
    let dir = tempfile::tempdir().unwrap();
    let _queue = open(dir.path(), LIMITS);
    assert!(matches!(Queue::open(dir.path(), LIMITS), Err(Stop::Error { .. })));
}

#[test]
fn what_the_caller_hands_out_is_numbered_and_acknowledged_like_the_rest() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..2);
    queue.pass(2);
    assert!(!queue.has_unread());
    fill(&mut queue, 2..3);
    assert_eq!(read(&mut queue), [(3, "message 2".to_owned())]);
    queue.acknowledge(2).unwrap();
    queue.sync().unwrap();
    drop(queue);
    let mut queue = open(dir.path(), LIMITS);
    assert_eq!(read(&mut queue), [(3, "message 2".to_owned())]);
}

#[test]
fn what_a_crash_took_of_the_acknowledged_part_is_not_counted_again() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..3);
    read(&mut queue);
    queue.acknowledge(3).unwrap();
    queue.sync().unwrap();
    drop(queue);
    std::fs::write(path_of(dir.path(), 0), b"").unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 3..4);
    assert_eq!(read(&mut queue), [(4, "message 3".to_owned())]);
}

#[test]
fn a_queue_that_is_kept_up_with_stays_small_and_keeps_its_numbers() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    for number in 0..200 {
        fill(&mut queue, number..number + 1);
        assert_eq!(read(&mut queue), [(u64::from(number) + 1, format!("message {number}"))]);
        queue.acknowledge(u64::from(number) + 1).unwrap();
        queue.safety.keeper.finish().unwrap();
    }
    assert_eq!(list(dir.path()), [0]);
    fill(&mut queue, 200..201);
    drop(queue);
    let mut queue = open(dir.path(), LIMITS);
    // The cursor was saved at the start; how much of the restarted file was acknowledged is
    // unknown, but everything before it was.
    let records = read(&mut queue);
    assert!(records.len() < 60, "{records:?}");
    assert_eq!(records.last().unwrap(), &(201, "message 200".to_owned()));
    fill(&mut queue, 201..202);
    queue.acknowledge(201).unwrap();
    queue.close().unwrap();
    let len = std::fs::metadata(path_of(dir.path(), 0)).unwrap().len();
    assert_eq!(len, queue.log.end().offset, "nothing is left over");
    read(&mut queue);
    queue.acknowledge(202).unwrap();
    queue.close().unwrap();
    assert_eq!(std::fs::metadata(path_of(dir.path(), 0)).unwrap().len(), 0);
    drop(queue);
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 202..203);
    assert_eq!(read(&mut queue), [(203, "message 202".to_owned())]);
}

#[test]
fn a_queue_that_is_kept_up_with_does_not_wait_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    queue.safety.keeper.finish().unwrap();
    for number in 0..500 {
        fill(&mut queue, number..number + 1);
        read(&mut queue);
        queue.acknowledge(u64::from(number) + 1).unwrap();
        if number % 7 == 0 {
            queue.tick().unwrap();
        }
        assert!(queue.log.end().offset < 600, "{:?}", queue.log.end());
    }
    assert_eq!(queue.safety.synced.offset, 0, "nothing had to be synced");
    // Remaining messages are synced after two ticks.
    fill(&mut queue, 500..501);
    queue.tick().unwrap();
    queue.safety.keeper.finish().unwrap();
    queue.tick().unwrap();
    assert_eq!(queue.safety.synced, queue.log.end());
}

#[test]
fn a_queue_that_is_done_is_closed_without_waiting_for_the_disk() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    for number in 0..100 {
        fill(&mut queue, number..number + 1);
        read(&mut queue);
        queue.safety.keeper.finish().unwrap();
        if number < 99 {
            queue.acknowledge(u64::from(number) + 1).unwrap();
        }
    }
    let (cursor, logs) = (std::fs::read(dir.path().join("cursor")).unwrap(), logs(dir.path()));
    // What is stored goes to this name first: now that fails.
    std::fs::create_dir(dir.path().join("cursor.new")).unwrap();
    queue.acknowledge(100).unwrap();
    queue.close().unwrap();
    assert_eq!(std::fs::read(dir.path().join("cursor")).unwrap(), cursor, "it is as it was");
    std::fs::remove_dir(dir.path().join("cursor.new")).unwrap();
    let stream_id = queue.stream_id();
    drop(queue);
    // The next process knows how far it was.
    let mut queue = open(dir.path(), LIMITS);
    assert_eq!((queue.stream_id(), queue.acknowledged()), (stream_id, 100));
    fill(&mut queue, 100..101);
    assert_eq!(read(&mut queue), [(101, "message 100".to_owned())]);
    drop(queue);
    // If the machine crashed instead, and nothing of the end had reached the disk, nothing comes again.
    std::fs::write(dir.path().join("cursor"), cursor).unwrap();
    for (path, bytes) in logs {
        std::fs::write(path, bytes).unwrap();
    }
    restart_machine(dir.path());
    let mut queue = open(dir.path(), LIMITS);
    assert!(!queue.has_lost());
    assert!(read(&mut queue).is_empty());
    // A message that is not acknowledged is waited for.
    fill(&mut queue, 200..201);
    std::fs::create_dir(dir.path().join("cursor.new")).unwrap();
    assert!(queue.close().is_err());
}

#[test]
fn a_file_with_old_messages_in_it_counts_as_far_as_it_was_synced() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    let frames: Vec<_> = (0..50).map(|number| frame(&format!("message {number}"))).collect();
    append(&mut queue, &frames);
    let count = read(&mut queue).len() as u64;
    queue.acknowledge(count).unwrap();
    queue.begin_anew().unwrap();
    fill(&mut queue, 50..52);
    queue.sync().unwrap();
    fill(&mut queue, 52..53);
    drop(queue);
    restart_machine(dir.path());
    let mut queue = open(dir.path(), LIMITS);
    let texts: Vec<String> = read(&mut queue).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts, ["message 50", "message 51"]);
}

/// The line in a file, without its checksum.
fn line_of(dir: &Path, name: &str) -> String {
    let text = std::fs::read_to_string(dir.join(name)).unwrap();
    text.split(" #").next().unwrap().to_owned()
}

fn restart_machine(dir: &Path) {
    let cursor = line_of(dir, "cursor");
    let boot = cursor.split(' ').nth(2).unwrap();
    std::fs::write(dir.join("cursor"), cursor.replace(boot, "0123")).unwrap();
    std::fs::write(dir.join("end"), line_of(dir, "end").replace(boot, "0123")).unwrap();
}

#[test]
fn what_could_not_be_stored_stays_so() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..1);
    // What opening it began is done.
    queue.safety.keeper.finish().unwrap();
    // The cursor cannot be replaced by a file.
    std::fs::create_dir(dir.path().join("cursor.new")).unwrap();
    assert!(queue.sync().is_err());
    std::fs::remove_dir(dir.path().join("cursor.new")).unwrap();
    assert!(queue.sync().is_err(), "nobody knows what is on disk");
}

#[derive(Clone, Debug)]
enum Act {
    Append(u32),
    Read,
    /// Acknowledges part of what was read.
    Acknowledge(prop::sample::Index),
    Sync,
    Tick,
    /// Kills and restarts the process.
    Kill,
    /// Kills it while it appends, or starts the file over.
    KillWhileWriting,
}

fn act() -> impl Strategy<Value = Act> {
    prop_oneof![
        4 => (1..30u32).prop_map(Act::Append),
        3 => Just(Act::Read),
        3 => any::<prop::sample::Index>().prop_map(Act::Acknowledge),
        1 => Just(Act::Sync),
        2 => Just(Act::Tick),
        1 => Just(Act::Kill),
        1 => Just(Act::KillWhileWriting),
    ]
}

/// Leaves the state on disk of a process that is killed in the middle.
fn write_by_halves(queue: &mut Queue) {
    let frames = frame("lost").repeat(8);
    let (end, begun) = (queue.log.end(), queue.cursor.place);
    if queue.can_begin_anew() && begun.offset > 0 {
        let Cursor { number, lost, .. } = queue.cursor;
        let last = queue.log.appended;
        queue.log.end_file.store(End { place: end, begun, number, lost, last }).unwrap();
        let left = usize::try_from(end.offset - begun.offset).unwrap();
        queue.log.last.file.write_all_at(&frames[..left.min(60)], 0).unwrap();
    } else {
        queue.log.last.file.write_all_at(&frames[..60], end.offset).unwrap();
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn what_is_appended_comes_in_order_and_under_one_number(
        acts in prop::collection::vec(act(), 1..40)
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = open(dir.path(), LIMITS);
        let stream_id = queue.stream_id();
        let (mut appended, mut handed_out, mut acknowledged) = (0u32, 0u64, 0u64);
        for act in acts {
            match act {
                Act::Append(count) => {
                    // Some fill a file by halves, some need a new one.
                    let frames: Vec<Vec<u8>> = (appended..appended + count)
                        .map(|number| frame(&format!("message {number}")))
                        .collect();
                    append(&mut queue, &frames);
                    appended += count;
                }
                Act::Read => {
                    for (number, text) in read(&mut queue) {
                        prop_assert_eq!(text, format!("message {}", number - 1));
                        prop_assert_eq!(number, handed_out + 1);
                        handed_out = number;
                    }
                    prop_assert_eq!(handed_out, u64::from(appended));
                }
                Act::Acknowledge(upto) => {
                    let most = usize::try_from(handed_out - acknowledged).unwrap();
                    acknowledged += upto.index(most + 1) as u64;
                    queue.acknowledge(acknowledged).unwrap();
                }
                Act::Sync => queue.sync().unwrap(),
                Act::Tick => queue.tick().unwrap(),
                Act::Kill | Act::KillWhileWriting => {
                    if matches!(act, Act::KillWhileWriting) {
                        write_by_halves(&mut queue);
                    }
                    drop(queue);
                    queue = open(dir.path(), LIMITS);
                    prop_assert_eq!(queue.stream_id(), stream_id);
                    prop_assert!(!queue.has_lost());
                    prop_assert!(queue.acknowledged() <= acknowledged);
                    (handed_out, acknowledged) = (queue.acknowledged(), queue.acknowledged());
                }
            }
        }
        for (number, text) in read(&mut queue) {
            prop_assert_eq!(text, format!("message {}", number - 1));
            prop_assert_eq!(number, handed_out + 1);
            handed_out = number;
        }
        prop_assert_eq!(handed_out, u64::from(appended));
    }
}

/// Returns the files with messages by name.
fn logs(dir: &Path) -> Vec<(PathBuf, Vec<u8>)> {
    let files = list(dir).into_iter().map(|file| path_of(dir, file));
    files.map(|path| (path.clone(), std::fs::read(path).unwrap())).collect()
}

/// Simulates a crash: of the pages written since `synced`, some are on disk and some are not.
fn crash(dir: &Path, synced: &[(PathBuf, Vec<u8>)], mut is_there: impl FnMut() -> bool) {
    for (path, mut bytes) in logs(dir) {
        let old = synced.iter().find(|(name, _)| *name == path).map_or(&[][..], |(_, old)| old);
        for (page, old) in bytes.chunks_mut(16).zip(old.chunks(16)) {
            if !is_there() {
                let len = old.len().min(page.len());
                page[..len].copy_from_slice(&old[..len]);
            }
        }
        // A file does not get longer before its pages are written.
        if bytes.len() > old.len() && !is_there() {
            bytes.truncate(old.len());
        }
        std::fs::write(path, bytes).unwrap();
    }
    restart_machine(dir);
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 64, ..ProptestConfig::default() })]
    #[test]
    fn a_crash_of_the_machine_takes_nothing_that_was_synced(
        acts in prop::collection::vec(act(), 1..60),
        pages in prop::collection::vec(any::<bool>(), 97),
    ) {
        let dir = tempfile::tempdir().unwrap();
        let mut queue = open(dir.path(), LIMITS);
        let (mut appended, mut handed_out, mut acknowledged) = (0u32, 0u64, 0u64);
        let mut synced = (logs(dir.path()), 0);
        // The messages at the last tick, and at the one before.
        let (mut young, mut old) = (0, 0);
        for act in acts {
            match act {
                Act::Append(count) => {
                    fill(&mut queue, appended..appended + count);
                    appended += count;
                }
                Act::Read => handed_out += read(&mut queue).len() as u64,
                Act::Acknowledge(upto) => {
                    let most = usize::try_from(handed_out - acknowledged).unwrap();
                    acknowledged += upto.index(most + 1) as u64;
                    queue.acknowledge(acknowledged).unwrap();
                }
                Act::Tick => {
                    queue.tick().unwrap();
                    old = std::mem::replace(&mut young, appended);
                }
                Act::Sync | Act::Kill | Act::KillWhileWriting => queue.sync().unwrap(),
            }
            queue.safety.keeper.finish().unwrap();
            if !queue.log.is_unsynced {
                synced = (logs(dir.path()), appended);
            }
        }
        drop(queue);
        let mut pages = pages.into_iter().cycle();
        crash(dir.path(), &synced.0, || pages.next().unwrap_or_default());
        let mut queue = open(dir.path(), LIMITS);
        let known = queue.acknowledged();
        prop_assert!(known <= acknowledged && !queue.has_lost());
        let texts: Vec<String> = read(&mut queue).into_iter().map(|(_, text)| text).collect();
        let promised = usize::try_from(u64::from(synced.1).saturating_sub(known)).unwrap();
        prop_assert!(texts.len() >= promised, "{} of {promised}", texts.len());
        for number in acknowledged..u64::from(old) {
            let text = format!("message {number}");
            prop_assert!(texts.contains(&text), "{text} of {old} is older than two ticks");
        }
        let mut next = known;
        for (index, text) in texts.iter().enumerate() {
            let number: u64 = text.strip_prefix("message ").unwrap().parse().unwrap();
            prop_assert!(number >= next && number < u64::from(appended), "{number}, {texts:?}");
            prop_assert!(index >= promised || number == next, "{number}, {texts:?}");
            next = number + 1;
        }
    }
}
