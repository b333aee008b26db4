// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests that cannot run here because something is not installed or not permitted.

use std::fs::OpenOptions;
use std::io::Write as _;

/// Whether `program` is installed. If not, the test is skipped and should return.
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

/// Whether the tests run as root, which may use the names of other users. If not, the test is
/// skipped and should return.
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

/// Reports why a test is skipped: on stderr, and in the file `$HEKA_SKIPPED`, which `make check`
/// reads at its end.
///
/// # Panics
/// If `$CI` is set: CI has everything installed, and a skipped test there would be a gap.
pub fn skip(reason: &str) {
    assert!(std::env::var_os("CI").is_none(), "{reason}");
    report(reason);
}

/// Like [`skip`], for features of the kernel or the file system that CI does not have either.
pub fn skip_anywhere(reason: &str) {
    report(reason);
}

fn report(reason: &str) {
    eprintln!("skipped: {reason}");
    let Some(path) = std::env::var_os("HEKA_SKIPPED") else { return };
    // Each line is one write(2), because several tests append at the same time.
    let file = OpenOptions::new().append(true).create(true).open(path);
    let written = file.and_then(|mut file| file.write_all(format!("{reason}\n").as_bytes()));
    assert!(written.is_ok(), "$HEKA_SKIPPED cannot be written");
}
