// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lost data is reported, and nothing else.

use std::fs;

use super::{Log, append, make_younger, pack};

/// Follows a log whose oldest file is read, while something happens to `.1`.
fn follow_while(meanwhile: impl Fn(&Log)) -> Log {
    let mut log = Log::new("old\n");
    log.look();
    fs::rename(&log.path, log.rotated(".3")).unwrap();
    fs::write(log.rotated(".2"), "a\n").unwrap();
    fs::write(log.rotated(".1"), "between\n").unwrap();
    fs::write(&log.path, "newest\n").unwrap();
    let there = Log::at(&log.path);
    log.look_while(|text| {
        if text == "a\n" {
            meanwhile(&there);
        }
    });
    log.look();
    log
}

#[test]
fn what_is_deleted_before_it_is_read_is_lost() {
    let log = follow_while(|there| fs::remove_file(there.rotated(".1")).unwrap());
    assert_eq!((log.read.as_str(), log.lost), ("old\na\nnewest\n", true));
}

#[test]
fn what_is_renamed_or_compressed_before_it_is_read_is_not_lost() {
    let log = follow_while(|there| {
        let (first, second) = (there.rotated(".1"), there.rotated(".2"));
        fs::rename(&second, there.rotated(".3")).unwrap();
        fs::rename(&first, &second).unwrap();
        fs::rename(&there.path, &first).unwrap();
        fs::write(&there.path, "another\n").unwrap();
    });
    assert_eq!((log.read.as_str(), log.lost), ("old\na\nbetween\nnewest\nanother\n", false));
    let log = follow_while(|there| {
        let (first, packed) = (there.rotated(".1"), there.rotated(".1.gz"));
        append(&first, "late\n", 1);
        make_younger(&packed, &first);
        pack(&first, &packed);
    });
    assert_eq!((log.read.as_str(), log.lost), ("old\na\nbetween\nlate\nnewest\n", false));
}

#[test]
fn what_is_truncated_before_it_is_read_is_lost_unless_it_was_copied() {
    for is_copied in [false, true] {
        let line = format!("{}\n", "x".repeat(999));
        let mut log = Log::new(&line.repeat(1000));
        let (live, first) = (log.path.clone(), log.rotated(".1"));
        let mut is_first = true;
        log.look_while(|_| {
            if std::mem::take(&mut is_first) {
                if is_copied {
                    fs::copy(&live, &first).unwrap();
                }
                fs::write(&live, "").unwrap();
            }
        });
        append(&live, "newest\n", 0);
        log.look();
        log.look();
        assert!(log.read.ends_with("newest\n"));
        let is_whole = log.read.len() == 1_000_000 + "newest\n".len();
        assert_eq!((is_whole, log.lost), (is_copied, !is_copied));
    }
}
