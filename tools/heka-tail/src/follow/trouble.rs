// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is wrong with a stream: said once, and once more when it is over.

use std::path::Path;

use super::name::Name;
use super::options::Options;
use heka_core::report::{self, Cause as _};

/// What a stream is called, and what is wrong with it.
#[derive(Debug)]
pub(crate) struct Trouble {
    name: Name,
    cause: Option<Box<str>>,
}

impl Trouble {
    /// Nothing yet.
    pub(crate) fn new(name: Name) -> Self {
        Self { name, cause: None }
    }

    /// What people call the stream.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Something is wrong.
    pub(crate) fn tell(&mut self, cause: &str) {
        if self.cause.as_deref() != Some(cause) {
            report::error(format_args!("{}: {cause}", self.name));
            self.cause = Some(cause.into());
        }
    }

    /// Nothing can be read at `path`. Of a file that nobody has named it is not said.
    pub(crate) fn tell_missing(&mut self, path: &Path, is_met: bool, options: &Options) {
        let cause = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => nix::errno::Errno::EISDIR.desc().to_owned(),
            // It has come back in this moment.
            Ok(_) => return,
            Err(error) => error.cause(),
        };
        if is_met {
            return;
        }
        if !options.follow || !options.wait_for_files {
            return self.tell(&cause);
        }
        if self.cause.is_none() {
            report::warning(format_args!("{}: {cause}; waiting for it", self.name));
            self.cause = Some(cause.into());
        }
    }

    /// What was wrong is over.
    pub(crate) fn tell_mended(&mut self) {
        if self.cause.take().is_some() {
            report::note(format_args!("{}: can be read now", self.name));
        }
    }
}
