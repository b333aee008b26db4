// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the binaries under test.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::OnceLock;

/// Returns the folder of the tools: `$HEKA_BINDIR`, or cargo's own after one build per process.
pub fn bindir() -> &'static Path {
    static BINDIR: OnceLock<PathBuf> = OnceLock::new();
    BINDIR.get_or_init(|| match std::env::var_os("HEKA_BINDIR") {
        Some(dir) => std::path::absolute(dir).expect("HEKA_BINDIR is no path"),
        None => build(),
    })
}

fn build() -> PathBuf {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(cargo)
        .args(["build", "--quiet", "--workspace", "--bins"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .status()
        .expect("cannot run cargo");
    assert!(status.success(), "cargo build --workspace --bins: {status}");
    // target/PROFILE/deps/TEST: the tools are two levels up.
    let test = std::env::current_exe().expect("no path of the test itself");
    test.ancestors().nth(2).expect("the test stands outside target/").to_owned()
}

/// Returns the `PATH` for everything that runs in a test: the tools first, then the system.
pub fn system_path() -> String {
    format!("{}:/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", bindir().display())
}
