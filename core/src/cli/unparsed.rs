// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--unparsed`: what is done with records that cannot be parsed.

use std::convert::Infallible;
use std::fs::OpenOptions;
use std::str::FromStr;

use crate::os::Output;
use crate::report::{Explain as _, Stop};

/// The field of a message that was forwarded unparsed with the reason in it.
pub const UNPARSED: &[u8] = b"_unparsed";

/// What to do with them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Unparsed {
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
    pub fn done(&self) -> &'static str {
        match self {
            Self::Forward => "forwarded unparsed",
            Self::Drop => "dropped",
            Self::File(_) => "written to the file of --unparsed",
        }
    }

    /// Opens the file, if there is one. What is written to it is there at once: a position that is
    /// told afterwards says so.
    ///
    /// # Errors
    /// `FILE: CAUSE`, status 1.
    pub fn open(&self) -> Result<Option<Output>, Stop> {
        let Self::File(path) = self else { return Ok(None) };
        let file = OpenOptions::new().append(true).create(true).open(path).at(path.as_str())?;
        Ok(Some(Output::file(file, path.as_str()).unbuffered(true)))
    }
}
