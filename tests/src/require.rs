// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs of others that a test needs.

/// Whether `program` is installed. If not, says so on stderr: the test should return then.
///
/// ```no_run
/// if !heka_tests::require("socat") {
///     return;
/// }
/// ```
///
/// # Panics
/// If it is missing and `$CI` is set: there everything has been installed, and a skipped test would
/// be a hole.
pub fn require(program: &str) -> bool {
    let found = crate::system_path()
        .split(':')
        .any(|dir| std::path::Path::new(dir).join(program).is_file());
    if !found {
        assert!(std::env::var_os("CI").is_none(), "{program} is not installed");
        eprintln!("skipped: {program} is not installed");
    }
    found
}

/// Whether the tests run as root, which may use other users' names. If not, says so as [`require`]
/// does.
///
/// # Panics
/// If not, and `$CI` is set: there they do.
pub fn require_root() -> bool {
    let is_root = nix::unistd::geteuid().is_root();
    if !is_root {
        assert!(std::env::var_os("CI").is_none(), "not run as root");
        eprintln!("skipped: not run as root");
    }
    is_root
}
