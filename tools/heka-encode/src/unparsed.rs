// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is done with records that cannot be parsed, and how values that cannot be read are
//! reported.

use std::convert::Infallible;
use std::fmt::Display;
use std::fs::OpenOptions;
use std::str::FromStr;

use heka_core::decode::{Flaw, Flaws};
use heka_core::os::Output;
use heka_core::report::{self, Explain as _, Stop};

use crate::numbers;

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

/// Reports values that could not be read.
#[cold]
pub(crate) fn tell_flaws(name: &str, place: impl Display, flaws: &Flaws) {
    for (flaw, field, value) in flaws.iter() {
        let (field, value) = (String::from_utf8_lossy(field), String::from_utf8_lossy(value));
        let (words, kept) = (flaw.words(), flaw.kept());
        numbers::FLAWED.add(1);
        let text = format_args!("{name}: {place}: {field}: {value:?}: {words}, {kept}");
        report::repeated(flaw.kind(), text);
        if flaw == Flaw::Severity && value.bytes().all(|byte| byte.is_ascii_digit()) {
            report::debug("--severity-map takes pino and python for the numbers of these");
        }
    }
}
