// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that cannot run here: what they need is not installed, or not allowed.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Whether `program` is installed. If not, the test is skipped: it should return then.
///
/// ```no_run
/// if !heka_tests::require("socat") {
///     return;
/// }
/// ```
///
/// # Panics
/// As [`skip`].
pub fn require(program: &str) -> bool {
    let found = is_installed(program);
    if !found {
        skip(&format!("{program} is not installed"));
    }
    found
}

/// Whether `program` is installed.
pub fn is_installed(program: &str) -> bool {
    let path = crate::system_path();
    path.split(':').any(|dir| std::path::Path::new(dir).join(program).is_file())
}

/// Whether the tests run as root, which may use other users' names. If not, the test is skipped.
///
/// # Panics
/// As [`skip`].
pub fn require_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        skip("not run as root");
    }
    is_root
}

/// Says why a test is skipped: on stderr, and in the file `$HEKA_SKIPPED`, which `make check` reads
/// at its end.
///
/// # Panics
/// If `$CI` is set: everything is installed there, and a skipped test would be a hole.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    report(reason);
}

/// As [`skip`], for what depends on the kernel or the file system and is missing in CI too.
pub fn skip_anywhere(reason: &str) {
    report(reason);
}

fn report(reason: &str) {
    eprintln!("skipped: {reason}");
    let Some(path) = std::env::var_os("HEKA_SKIPPED") else { return };
    // One write(2) a line: several tests append at once.
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(format!("{reason}\n").as_bytes()));
    assert!(written.is_ok(), "$HEKA_SKIPPED cannot be written");
}
