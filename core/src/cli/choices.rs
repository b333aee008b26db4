// SPDX-License-Identifier: MIT OR Apache-2.0
//! Choices of the other layers on the command line: their names, and error messages about
//! expressions. The layers themselves know nothing of the command line.

use clap::ValueEnum;
use clap::builder::PossibleValue;

use crate::codec::Newlines;
#[cfg(feature = "regex")]
use crate::codec::{FieldPath, Matcher, Mistake, regular};
use crate::record::Oversize;
#[cfg(feature = "regex")]
use crate::report::{self, Status, Stop};

impl ValueEnum for Newlines {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Auto, Self::Always, Self::Never]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Auto => ("auto", "If it has none of its own"),
            Self::Always => ("always", "Always (`PayloadEncoder`'s `append_newlines = true`)"),
            Self::Never => ("never", "Never (`append_newlines = false`)"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

#[cfg(feature = "tls")]
impl ValueEnum for crate::net::tls::Version {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::V12, Self::V13]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::V12 => ("1.2", "TLS 1.2 (RFC 5246)"),
            Self::V13 => ("1.3", "TLS 1.3 (RFC 8446)"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

#[cfg(feature = "tls")]
impl ValueEnum for crate::net::tls::ClientAuth {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::None, Self::Request, Self::Require]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::None => ("none", "Do not request one"),
            Self::Request => {
                ("request", "Request one; clients may omit it, but an invalid one is refused")
            }
            Self::Require => ("require", "Require a valid one"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

impl ValueEnum for Oversize {
    fn value_variants<'a>() -> &'a [Self] {
        &[Self::Split, Self::Truncate, Self::Drop]
    }

    fn to_possible_value(&self) -> Option<PossibleValue> {
        let (name, help) = match self {
            Self::Split => ("split", "Continued in the next record; nothing is lost"),
            Self::Truncate => ("truncate", "Only its beginning is delivered"),
            Self::Drop => ("drop", "Dropped"),
        };
        Some(PossibleValue::new(name).help(help))
    }
}

/// Compiles the matcher in the value of `flag`.
///
/// # Errors
/// As [`mistaken`].
#[cfg(feature = "regex")]
pub fn matcher(flag: &str, text: &str) -> Result<Matcher, Stop> {
    let matcher = Matcher::new(text).map_err(|mistake| mistaken(flag, text, &mistake))?;
    warn_of_quotes(flag, matcher.fields());
    Ok(matcher)
}

/// Warns of field names in the value of `flag` that have quotes around them, since the quotes are
/// part of the name.
#[cfg(feature = "regex")]
pub fn warn_of_quotes<'a>(flag: &str, fields: impl IntoIterator<Item = &'a FieldPath>) {
    for name in fields.into_iter().filter_map(FieldPath::without_quotes) {
        report::warning(format_args!("{flag}: the quotes are part of the name: Fields[{name}]?"));
    }
}

/// Compiles the regular expression in the value of `flag`.
///
/// # Errors
/// As [`mistaken`].
#[cfg(feature = "regex")]
pub fn regex(flag: &str, text: &str) -> Result<::regex::bytes::Regex, Stop> {
    regular::compile(text).map_err(|mistake| mistaken(flag, text, &mistake))
}

#[cfg(feature = "regex")]
/// Prints the mistake in the value of `flag`, with a caret below its position. Returns status 2,
/// with everything printed.
pub fn mistaken(flag: &str, text: &str, mistake: &Mistake) -> Stop {
    report::error(format_args!("{flag}: {mistake}"));
    report::plain(format_args!("{}:   {}", report::program(), one_line(text)));
    report::plain(format_args!("{}:   {}^", report::program(), mistake.indent(text)));
    Stop::Said(Status::Usage)
}

#[cfg(feature = "regex")]
/// Returns the expression with blanks in place of line ends and the like.
fn one_line(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { ' ' } else { c }).collect()
}
