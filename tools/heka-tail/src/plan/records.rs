// SPDX-License-Identifier: MIT OR Apache-2.0
//! The definition of a record.

use std::time::Duration;

use heka_core::cli;
use heka_core::record::{self, Framing, Group, Limit, Pattern, Splitter};
use heka_core::report::Stop;

use super::MAX_MESSAGE;
use crate::charset::Charset;
use crate::cli::{At, InputForm, Splitting};

pub(super) fn plan_splitter(splitting: &Splitting, size: usize) -> Result<Splitter, Stop> {
    if splitting.input == InputForm::Heka {
        return Ok(Splitter::frames(splitting.max_record.unwrap_or(MAX_MESSAGE)));
    }
    let limit = Limit { size, oversize: splitting.oversize };
    let splitter = match &splitting.delimiter_regex {
        None => {
            let byte = if splitting.null { 0 } else { splitting.delimiter };
            Splitter::new(Framing::Counted(byte, splitting.delimiter_count), limit)
        }
        Some(text) => {
            let at = match splitting.delimiter_at {
                At::End => record::At::End,
                At::Start => record::At::Start,
            };
            let pattern = Pattern::new(text, at)
                .map_err(|mistake| cli::mistaken("--delimiter-regex", text, &mistake))?;
            Splitter::by_pattern(pattern, limit)
        }
    };
    if !is_grouped(splitting) {
        return Ok(splitter);
    }
    let regex =
        |text: &Option<String>, flag| text.as_ref().map(|text| cli::regex(flag, text)).transpose();
    Ok(splitter.grouped(Group {
        start: regex(&splitting.multiline_start, "--multiline-start")?,
        continuation: regex(&splitting.multiline_continue, "--multiline-continue")?,
    }))
}

/// How long a record whose end is there, or may be, waits for more.
pub(super) fn plan_timeout(splitting: &Splitting, splitter: &Splitter) -> Option<Duration> {
    match splitting.input {
        // A frame that may contain the start of another one is read once no more is there.
        InputForm::Heka => Some(Duration::ZERO),
        InputForm::Lines => splitter.holds_back().then_some(splitting.multiline_timeout),
    }
}

/// Returns the encoding; records in two-byte units end with such a unit.
pub(super) fn plan_charset(splitting: &Splitting) -> Result<Option<Charset>, Stop> {
    let Some(name) = &splitting.encoding else { return Ok(None) };
    let charset = Charset::named(name).ok_or_else(|| {
        Stop::usage(format_args!(
            "invalid value '{name}' for '--encoding': not in the Encoding Standard"
        ))
    })?;
    let is_special = splitting.delimiter_regex.is_some()
        || splitting.delimiter_count != 1
        || splitting.oversize != record::Oversize::Split
        || is_grouped(splitting);
    if charset.is_wide() && is_special {
        return Err(Stop::usage(
            "--encoding: UTF-16 is read in lines only, and long ones are split",
        ));
    }
    Ok(Some(charset))
}

fn is_grouped(splitting: &Splitting) -> bool {
    splitting.multiline_start.is_some() || splitting.multiline_continue.is_some()
}
