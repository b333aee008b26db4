// SPDX-License-Identifier: MIT OR Apache-2.0
//! Missing, damaged or copied messages, and older formats.

use super::*;

/// Creates a queue of about twelve files, without acknowledgements.
fn long_queue() -> (tempfile::TempDir, [u8; 16]) {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..300);
    queue.sync().unwrap();
    assert!(list(dir.path()).len() > 10);
    (dir, queue.stream_id())
}

/// Returns the remaining and the missing messages.
fn reopened(dir: &Path) -> (Queue, Vec<u64>, Vec<u64>) {
    let mut queue = open(dir, LIMITS);
    let records = read(&mut queue);
    assert!(records.iter().map(|(number, _)| *number).eq(1..=records.len() as u64));
    let number = |(_, text): &(u64, String)| text.strip_prefix("message ")?.parse::<u64>().ok();
    let there: Vec<u64> = records.iter().map(|record| number(record).unwrap()).collect();
    let missing = (0..300).filter(|number| !there.contains(number)).collect();
    (queue, there, missing)
}

#[test]
fn any_file_that_is_missing_is_noticed_and_costs_only_its_own() {
    for (index, restarted) in [(0, false), (5, false), (5, true), (11, false), (11, true)] {
        let (dir, stream_id) = long_queue();
        let files = list(dir.path());
        std::fs::remove_file(path_of(dir.path(), files[index])).unwrap();
        if restarted {
            restart_machine(dir.path());
        }
        let (mut queue, there, missing) = reopened(dir.path());
        assert!(queue.has_lost(), "file {index}");
        assert_ne!(queue.stream_id(), stream_id, "numbers mean other messages");
        assert!((10..40).contains(&missing.len()) && there.is_sorted(), "{missing:?}");
        assert!(missing.windows(2).all(|pair| pair[1] == pair[0] + 1), "{missing:?}");
        // Messages appended then are not mixed up with others.
        fill(&mut queue, 300..301);
        let last = there.len() as u64 + 1;
        assert_eq!(read(&mut queue), [(last, "message 300".to_owned())]);
        queue.acknowledge(last).unwrap();
        drop(queue);
        assert!(!open(dir.path(), LIMITS).has_lost());
    }
}

#[test]
fn any_bit_that_is_not_as_it_was_written_is_noticed() {
    let (dir, _) = long_queue();
    let files = logs(dir.path());
    for step in 0..40 {
        let (path, bytes) = &files[step % files.len()];
        let mut damaged = bytes.clone();
        damaged[step * 7919 % bytes.len()] ^= 1 << (step % 8);
        std::fs::write(path, damaged).unwrap();
        let (queue, there, missing) = reopened(dir.path());
        assert!(queue.has_lost() && there.is_sorted() && missing.len() == 1, "{missing:?}");
        drop(queue);
        std::fs::write(path, bytes).unwrap();
    }
    let (queue, there, _) = reopened(dir.path());
    assert!(!queue.has_lost() && there.len() == 300);
}

/// What is left of a queue whose first messages were delivered is sent, and nothing else is missed.
#[test]
fn a_cursor_that_is_lost_costs_no_message() {
    let spoil = |dir: &Path, how: &str| match how {
        "removed" => std::fs::remove_file(dir.join("cursor")).unwrap(),
        "text" => std::fs::write(dir.join("cursor"), "2 garbage\n").unwrap(),
        // All files before one with this number would count as acknowledged.
        _ => {
            let text = line_of(dir, "cursor");
            let mut words: Vec<_> = text.split(' ').collect();
            words[3] = "900719925474099";
            std::fs::write(dir.join("cursor"), words.join(" ")).unwrap();
        }
    };
    let numbers = |queue: &mut Queue| -> Vec<u32> {
        let number = |(_, text): (u64, String)| {
            text.strip_prefix("message ").and_then(|number| number.parse().ok()).unwrap()
        };
        read(queue).into_iter().map(number).collect()
    };
    for how in ["removed", "text", "damaged"] {
        for (acknowledged, added) in [(100, 5), (100, 0), (280, 20), (280, 1)] {
            let dir = tempfile::tempdir().unwrap();
            let mut queue = open(dir.path(), LIMITS);
            fill(&mut queue, 0..acknowledged);
            read(&mut queue);
            queue.acknowledge(u64::from(acknowledged)).unwrap();
            queue.close().unwrap();
            drop(queue);
            let mut queue = open(dir.path(), LIMITS);
            fill(&mut queue, acknowledged..acknowledged + added);
            queue.sync().unwrap();
            drop(queue);
            spoil(dir.path(), how);
            let mut queue = open(dir.path(), LIMITS);
            assert!(!queue.has_lost(), "{how} {acknowledged} {added}");
            let expected: Vec<_> = (acknowledged..acknowledged + added).collect();
            assert_eq!(numbers(&mut queue), expected, "{how} {acknowledged} {added}");
            // The next process agrees.
            fill(&mut queue, 500..501);
            assert_eq!(numbers(&mut queue), [500]);
            drop(queue);
            let mut queue = open(dir.path(), LIMITS);
            assert!(!queue.has_lost());
            assert_eq!(numbers(&mut queue).len(), added as usize + 1);
        }
    }
}

#[test]
fn a_cursor_that_is_lost_costs_no_message_of_later_files() {
    let (dir, _) = long_queue();
    let mut queue = open(dir.path(), LIMITS);
    read(&mut queue);
    queue.acknowledge(200).unwrap();
    queue.sync().unwrap();
    drop(queue);
    std::fs::remove_file(dir.path().join("cursor")).unwrap();
    let first = list(dir.path())[0];
    let mut queue = open(dir.path(), LIMITS);
    assert!(!queue.has_lost());
    let left = read(&mut queue);
    assert_eq!(left.last().unwrap().1, "message 299");
    assert!(first == 0 || left.len() < 300, "{first}: {}", left.len());
}

#[test]
fn a_file_of_somebody_else_is_left_alone() {
    for name in ["13.log", "20261130.log"] {
        let (dir, _) = long_queue();
        let path = dir.path().join(name);
        std::fs::write(&path, "precious\n").unwrap();
        match Queue::open(dir.path(), LIMITS) {
            Err(Stop::Error { text, .. }) if text.ends_with(": not a file of a queue") => {}
            other => panic!("{other:?}"),
        }
        assert_eq!(std::fs::read(&path).unwrap(), b"precious\n");
    }
    // No file of a queue has such a number.
    let (dir, _) = long_queue();
    let path = dir.path().join("18446744073709551615.log");
    std::fs::write(&path, "precious\n").unwrap();
    assert_eq!(reopened(dir.path()).1.len(), 300);
    assert_eq!(std::fs::read(&path).unwrap(), b"precious\n");
}

/// Any digit of `end` and `cursor`.
#[test]
fn a_digit_that_is_not_as_it_was_written_costs_no_message() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..60);
    read(&mut queue);
    queue.acknowledge(40).unwrap();
    queue.sync().unwrap();
    drop(queue);
    for name in ["end", "cursor"] {
        let text = std::fs::read(dir.path().join(name)).unwrap();
        let files = logs(dir.path());
        for at in 0..text.len() - 1 {
            let mut damaged = text.clone();
            damaged[at] = if damaged[at] == b'1' { b'7' } else { b'1' };
            std::fs::write(dir.path().join(name), &damaged).unwrap();
            let mut queue = open(dir.path(), LIMITS);
            assert!(!queue.has_lost(), "{name} {at}");
            let left = read(&mut queue);
            assert!(left.len() >= 20, "{name} {at}: {}", left.len());
            assert_eq!(left.last().unwrap().1, "message 59");
            drop(queue);
            std::fs::write(dir.path().join(name), &text).unwrap();
            for (path, bytes) in &files {
                std::fs::write(path, bytes).unwrap();
            }
        }
    }
}

/// A gap at the end of the queue is passed when everything before it is acknowledged.
#[test]
fn what_is_missing_is_reported_once() {
    let (dir, _) = long_queue();
    let (path, mut bytes) = logs(dir.path()).pop().unwrap();
    *bytes.last_mut().unwrap() ^= 1;
    std::fs::write(path, bytes).unwrap();
    let (mut queue, there, missing) = reopened(dir.path());
    assert!(queue.has_lost() && missing.len() == 1);
    queue.acknowledge(there.len() as u64).unwrap();
    queue.close().unwrap();
    drop(queue);
    let (mut queue, there, _) = reopened(dir.path());
    assert!(!queue.has_lost() && there.is_empty());
    fill(&mut queue, 300..301);
    assert_eq!(read(&mut queue).len(), 1);
}

#[test]
fn files_are_removed_whatever_is_missing_of_them() {
    let (dir, _) = long_queue();
    std::fs::remove_file(path_of(dir.path(), 4)).unwrap();
    let (mut queue, there, _) = reopened(dir.path());
    queue.acknowledge(there.len() as u64).unwrap();
    queue.close().unwrap();
    assert_eq!(list(dir.path()).len(), 1);
}

/// Without the cursor, the first block determines the format of a file. If it cannot, the heads of
/// the other blocks look like messages but are none, and the numbers of appended messages would
/// seem old.
#[test]
fn what_is_appended_behind_a_file_of_unknown_form_is_handed_out() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 0..4);
    drop(queue);
    std::fs::remove_file(dir.path().join("cursor")).unwrap();
    std::fs::remove_file(dir.path().join("end")).unwrap();
    let path = path_of(dir.path(), 0);
    let mut bytes = std::fs::read(&path).unwrap();
    let first = bytes.len() / 4;
    bytes[first - 1] ^= 1;
    std::fs::write(&path, bytes).unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 4..5);
    drop(queue);
    let mut queue = open(dir.path(), LIMITS);
    let texts: Vec<_> = read(&mut queue).into_iter().map(|(_, text)| text).collect();
    assert_eq!(texts.last().map(String::as_str), Some("message 4"), "{texts:?}");
    assert!(texts.len() >= 4, "{texts:?}");
}

#[test]
fn a_copy_has_a_stream_of_its_own() {
    let dir = tempfile::tempdir().unwrap();
    let (home, copy) = (dir.path().join("home"), dir.path().join("copy"));
    let mut queue = open(&home, LIMITS);
    fill(&mut queue, 0..3);
    let stream_id = queue.stream_id();
    drop(queue);
    std::fs::create_dir(&copy).unwrap();
    for entry in std::fs::read_dir(&home).unwrap() {
        let entry = entry.unwrap();
        std::fs::copy(entry.path(), copy.join(entry.file_name())).unwrap();
    }
    std::fs::set_permissions(&copy, std::os::unix::fs::PermissionsExt::from_mode(0o700)).unwrap();
    assert_eq!(open(&home, LIMITS).stream_id(), stream_id);
    let mut copied = open(&copy, LIMITS);
    assert_ne!(copied.stream_id(), stream_id);
    assert_eq!(read(&mut copied).len(), 3);
    // The name stays from then on.
    let stream_id = copied.stream_id();
    drop(copied);
    assert_eq!(open(&copy, LIMITS).stream_id(), stream_id);
}

#[test]
fn a_queue_of_the_first_form_is_emptied_in_order() {
    let dir = tempfile::tempdir().unwrap();
    drop(open(dir.path(), LIMITS));
    let cursor = std::fs::read_to_string(dir.path().join("cursor")).unwrap();
    let words: Vec<&str> = cursor.split(' ').collect();
    let old = |from: u32, until: u32| -> Vec<u8> {
        (from..until).flat_map(|number| frame(&format!("message {number}"))).collect()
    };
    // Two messages are acknowledged.
    let offset = old(0, 2).len();
    let line = format!("1 {} {} 3 {offset} 2\n", words[1], words[2]);
    std::fs::write(dir.path().join("cursor"), line).unwrap();
    std::fs::remove_file(dir.path().join("0.log")).unwrap();
    std::fs::write(dir.path().join("3.log"), old(0, 20)).unwrap();
    std::fs::write(dir.path().join("4.log"), old(20, 40)).unwrap();
    std::fs::remove_file(dir.path().join("end")).unwrap();
    let mut queue = open(dir.path(), LIMITS);
    fill(&mut queue, 40..50);
    let mut next = 2;
    for restarts in 0..2 {
        for (number, text) in read(&mut queue) {
            next += 1;
            assert_eq!((number, text), (next, format!("message {}", next - 1)), "{restarts}");
        }
        assert_eq!((next, queue.has_lost()), (50, false));
        drop(queue);
        queue = open(dir.path(), LIMITS);
        next = 2;
    }
    read(&mut queue);
    queue.acknowledge(50).unwrap();
    queue.sync().unwrap();
    assert_eq!(list(dir.path()), [5]);
}

#[test]
fn files_are_as_large_as_they_may_be_and_no_larger() {
    let dir = tempfile::tempdir().unwrap();
    let mut queue = open(dir.path(), LIMITS);
    let frames: Vec<_> = (0..300).map(|number| frame(&format!("message {number}"))).collect();
    append(&mut queue, &frames);
    queue.sync().unwrap();
    let sizes: Vec<usize> = logs(dir.path()).iter().map(|(_, bytes)| bytes.len()).collect();
    let full = &sizes[..sizes.len() - 1];
    assert!(full.iter().all(|size| (950..=1000).contains(size)), "{sizes:?}");
    // A message that fits nowhere gets a file of its own.
    append(&mut queue, &[frame(&"x".repeat(120)).repeat(20)]);
    append(&mut queue, &frames[..1]);
    let sizes: Vec<usize> = logs(dir.path()).iter().map(|(_, bytes)| bytes.len()).collect();
    assert!(sizes[sizes.len() - 2] > 1000, "{sizes:?}");
}

/// A batch has as many blocks as fit into the file.
#[test]
fn many_blocks_are_written_at_once() {
    let dir = tempfile::tempdir().unwrap();
    let limits = Limits { size: 10_000_000, file_size: 700_000, ..LIMITS };
    let mut queue = open(dir.path(), limits);
    let texts: Vec<_> = (0..10_000).map(|number| format!("{number} {}", "x".repeat(100))).collect();
    let frames: Vec<_> = texts.iter().map(|text| frame(text)).collect();
    append(&mut queue, &frames);
    queue.sync().unwrap();
    let sizes: Vec<usize> = logs(dir.path()).iter().map(|(_, bytes)| bytes.len()).collect();
    assert!(sizes.len() == 2 && (690_000..=700_000).contains(&sizes[0]), "{sizes:?}");
    drop(queue);
    let mut queue = open(dir.path(), limits);
    let expected: Vec<_> = (1..).zip(texts).collect();
    assert_eq!(read(&mut queue), expected);
    assert!(!queue.has_lost());
}
