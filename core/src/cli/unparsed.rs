// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--unparsed`: the treatment of records that cannot be parsed.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::str::FromStr;

use crate::os::Output;
use crate::report::{Explain as _, Stop};

/// The field with the reason in a message that was forwarded unparsed.
pub const UNPARSED: &[u8] = b"_unparsed";

/// The treatment of unparsed records.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unparsed {
    /// Forward them as messages, with the record as payload.
    #[default]
    Forward,
    /// Drop them.
    Drop,
    /// Append them to a file.
    File(String),
}

impl FromStr for Unparsed {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(match text {
            "forward" => Self::Forward,
            "drop" => Self::Drop,
            path => Self::File(path.to_owned()),
        })
    }
}

impl Unparsed {
    /// Returns the past participle for messages.
    pub fn done(&self) -> &'static str {
        match self {
            Self::Forward => "forwarded unparsed",
            Self::Drop => "dropped",
            Self::File(_) => "written to the file of --unparsed",
        }
    }

    /// Opens the file, if there is one. Records are written immediately, before any position that
    /// covers them is reported.
    ///
    /// # Errors
    /// `FILE: CAUSE`, status 1.
    pub fn open(&self) -> Result<Option<Output>, Stop> {
        let Self::File(path) = self else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).open(path).at(path.as_str())?;
        Ok(Some(Output::file(file, path.as_str()).unbuffered(true)))
    }
}
