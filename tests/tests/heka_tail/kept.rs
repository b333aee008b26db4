// SPDX-License-Identifier: MIT OR Apache-2.0
//! A folder that can be kept for inspection after a failure.

use std::path::PathBuf;

use heka_tests::{TempDir, scratch};

/// The test's folder, which is kept after a failure if `HEKA_TAIL_KEEP` is set.
pub(super) struct Kept(Option<TempDir>);

impl Kept {
    pub(super) fn new() -> Self {
        Self(Some(scratch()))
    }

    pub(super) fn path(&self) -> PathBuf {
        self.0.as_ref().map(|dir| dir.path().to_owned()).unwrap_or_default()
    }
}

impl Drop for Kept {
    fn drop(&mut self) {
        if std::thread::panicking()
            && std::env::var_os("HEKA_TAIL_KEEP").is_some()
            && let Some(dir) = self.0.take()
        {
            eprintln!("kept {}", dir.keep().display());
        }
    }
}
