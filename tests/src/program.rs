// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that a test makes and then runs.
//!
//! A process of its own writes the file. If the test did, a child that another thread starts at that
//! moment would hold the file open for writing until it becomes its own program, and the system would
//! refuse to execute it ("Text file busy").

use std::io::Write as _;
use std::path::Path;
use std::process::{Command, Stdio};

/// Makes an executable copy of a program.
pub fn copy_program(from: &Path, to: &Path) {
    let text = std::fs::read(from).expect("a program");
    put_program(to, &text);
}

/// Makes an executable file.
pub fn put_program(path: &Path, text: &[u8]) {
    let mut child = Command::new("/bin/sh")
        .args(["-c", "rm -f -- \"$0\" && cat >\"$0\" && chmod 755 -- \"$0\""])
        .arg(path)
        .stdin(Stdio::piped())
        .spawn()
        .expect("a shell");
    let mut stdin = child.stdin.take().expect("a pipe");
    stdin.write_all(text).expect("a reader");
    drop(stdin);
    assert!(child.wait().expect("our own child").success(), "{}: not made", path.display());
}
