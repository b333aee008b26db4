// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that tools make and read where others may have been before them, and who may read them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;

use heka_tests::{Outcome, Tool, require_root, scratch, sh, vector};

/// Some user that is neither root nor us.
const STRANGER: u32 = 12_345;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn queue(folder: &Path) -> Outcome {
    let send = Tool::new("heka-send").dir(folder).args(["--queue=q", "--retry=0", "127.0.0.1:1"]);
    send.stdin("precious\n").run()
}

#[test]
fn a_queue_is_for_its_owner_alone() {
    let folder = scratch();
    queue(folder.path()).exits(3);
    assert_eq!(mode(folder.path().join("q")), 0o700);
    for file in ["0.log", "end", "cursor"] {
        assert_eq!(mode(folder.path().join("q").join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_queue_that_others_can_write_to_is_refused_and_nothing_is_overwritten() {
    let folder = scratch();
    let q = folder.path().join("q");
    let victim = folder.path().join("victim");
    fs::create_dir(&q).unwrap();
    fs::write(&victim, "precious\n").unwrap();
    symlink("../victim", q.join("0.log")).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q/0.log: symbolic link\n");
    fs::remove_file(q.join("0.log")).unwrap();
    fs::set_permissions(&q, Permissions::from_mode(0o1777)).unwrap();
    let refused = queue(folder.path());
    refused.exits(2).stderr_has("heka-send: q: writable by other users (chmod go-w)\n");
    assert_eq!(fs::read(&victim).unwrap(), b"precious\n");
    assert_eq!(fs::read_dir(&q).unwrap().count(), 0);
}

#[test]
fn a_queue_of_another_user_is_refused() {
    if !require_root() {
        return;
    }
    let folder = scratch();
    let q = folder.path().join("q");
    fs::create_dir(&q).unwrap();
    chown(&q, Some(STRANGER), None).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q: belongs to another user\n");
    // Where a link leads to is up to its owner.
    chown(&q, Some(0), None).unwrap();
    fs::rename(&q, folder.path().join("real")).unwrap();
    symlink("real", &q).unwrap();
    queue(folder.path()).exits(3);
    lchown(&q, Some(STRANGER), None).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q: belongs to another user\n");
}

#[test]
fn the_umask_counts_for_a_file_of_records_unless_a_mode_is_given() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    for (name, umask, flag, expected) in [
        ("closed", "077", "", 0o600),
        ("usual", "022", "", 0o644),
        ("open", "0", "", 0o664),
        ("asked", "077", "--mode=640", 0o640),
    ] {
        let line = format!("umask {umask}; exec heka-decode --write={name} {flag} \"$0\"");
        sh(&line).arg(vector("small.heka")).dir(folder.path()).run().succeeds();
        assert_eq!(mode(path(name)), expected, "{name}");
    }
}
