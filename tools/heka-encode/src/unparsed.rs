// SPDX-License-Identifier: MIT OR Apache-2.0
//! What becomes of records that cannot be parsed.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::str::FromStr;

use heka_core::os::Output;
use heka_core::report::{Explain as _, Stop};

/// What to do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Unparsed {
    /// They are messages, with the record as payload.
    #[default]
    Forward,
    /// Nothing.
    Drop,
    /// They are added to a file as they came.
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
    /// What was done with one.
    pub(crate) fn done(&self) -> &'static str {
        match self {
            Self::Forward => "forwarded unparsed",
            Self::Drop => "dropped",
            Self::File(_) => "written to the file of --unparsed",
        }
    }

    /// Opens the file, if there is one. What is written to it is there at once: a position that is
    /// told afterwards says so.
    pub(crate) fn open(&self) -> Result<Option<Output>, Stop> {
        let Self::File(path) = self else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).open(path).at(path.as_str())?;
        Ok(Some(Output::file(file, path.as_str()).unbuffered(true)))
    }
}
