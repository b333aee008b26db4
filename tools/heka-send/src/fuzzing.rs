// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files of a queue, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, unused_imports, reason = "the parsers alone are used")]

mod numbers;
mod queue;

use std::fs;
use std::path::Path;

use heka_core::wire::{Header, put_frame};
use queue::{Limits, Queue};

const LIMITS: Limits = Limits { size: 1 << 20, file_size: 1 << 16, message_size: 1 << 12 };

/// Reads everything in the queue in `dir`; `None` if the queue is refused.
fn read_all(dir: &Path) -> Option<u64> {
    let mut queue = Queue::open(dir, LIMITS).ok()?;
    let (mut count, mut last) = (0, queue.acknowledged());
    while queue.has_unread() {
        let read = queue.read(&mut |number, _| {
            assert_eq!(number, last + 1, "numbers are in order");
            last = number;
            count += 1;
            Ok(())
        });
        if read.is_err() {
            return None;
        }
    }
    let _ = queue.close();
    Some(count)
}

fn prepare(dir: &Path) {
    let _ = fs::remove_dir_all(dir);
    fs::create_dir_all(dir).expect("a scratch directory");
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o700);
    fs::set_permissions(dir, mode).expect("a scratch directory of ours");
}

/// Takes two files of a queue, its cursor and its end, in this order, each after its length (two
/// bytes). Whatever they contain, the queue is opened or refused. If it is opened a second time, it
/// yields the same messages, and then the one that was appended.
pub fn queue(input: &[u8], dir: &Path) {
    prepare(dir);
    let mut rest = input;
    for name in ["cursor", "end", "0.log", "1.log"] {
        let Some((len, behind)) = rest.split_first_chunk::<2>() else { break };
        let len = usize::from(u16::from_be_bytes(*len)).min(behind.len());
        let (contents, behind) = behind.split_at(len);
        rest = behind;
        if !contents.is_empty() {
            fs::write(dir.join(name), contents).expect("a scratch file");
        }
    }
    let Some(count) = read_all(dir) else { return };
    assert_eq!(read_all(dir), Some(count), "it is another queue now");
    let mut frame = Vec::new();
    put_frame(&mut frame, Header::default(), &[10, 0]).expect("a short message");
    let Ok(mut queue) = Queue::open(dir, LIMITS) else { return };
    let added = queue.append(&frame, &[frame.len()]).expect("a scratch directory");
    queue.close().expect("a scratch directory");
    drop(queue);
    assert_eq!(read_all(dir), Some(count + added as u64), "a message is lost");
}

/// Like [`queue`] with only a cursor, beside two messages.
pub fn cursor(input: &[u8], dir: &Path) {
    prepare(dir);
    let (mut frames, mut ends) = (Vec::new(), Vec::new());
    for _ in 0..2 {
        put_frame(&mut frames, Header::default(), &[10, 0]).expect("a short message");
        ends.push(frames.len());
    }
    {
        let mut queue = Queue::open(dir, LIMITS).expect("an empty directory");
        queue.append(&frames, &ends).expect("room");
        queue.close().expect("a scratch directory");
    }
    fs::write(dir.join("cursor"), input).expect("a scratch file");
    if let Some(count) = read_all(dir) {
        assert!(count <= 2);
        assert_eq!(read_all(dir), Some(count), "it is another queue now");
    }
}
