// SPDX-License-Identifier: MIT OR Apache-2.0
//! Problems of a stream: reported once, and once more when they are over.

use std::path::Path;

use super::name::Name;
use super::options::Options;
use heka_core::report::{self, Cause as _};

/// The name of a stream, and its current problem.
#[derive(Debug)]
pub(crate) struct Trouble {
    name: Name,
    cause: Option<Box<str>>,
}

impl Trouble {
    /// Creates the state without a problem.
    pub(crate) fn new(name: Name) -> Self {
        Self { name, cause: None }
    }

    /// Returns the stream's name for people.
    pub(crate) fn name(&self) -> &Name {
        &self.name
    }

    /// Reports a problem.
    pub(crate) fn tell(&mut self, cause: &str) {
        if self.cause.as_deref() != Some(cause) {
            report::error(format_args!("{}: {cause}", self.name));
            self.cause = Some(cause.into());
        }
    }

    /// Reports that nothing can be read at `path`, but not for a discovered file.
    pub(crate) fn tell_missing(&mut self, path: &Path, is_met: bool, options: &Options) {
        let cause = match std::fs::metadata(path) {
            Ok(metadata) if metadata.is_dir() => nix::errno::Errno::EISDIR.desc().to_owned(),
            // It has just reappeared.
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

    /// Reports that the problem is over.
    pub(crate) fn tell_mended(&mut self) {
        if self.cause.take().is_some() {
            report::note(format_args!("{}: readable again", self.name));
        }
    }
}
