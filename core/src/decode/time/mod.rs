// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times from text: in formats that were asked for, then in any form that has one meaning.
//!
//! What the text leaves out is taken from now: the year in which the time lies nearest, at most a
//! day ahead, and the nearest day if it is a time of day only. Text without an offset is in the
//! zone given.

mod any;
mod layout;
mod parts;
mod scan;

use jiff::tz::TimeZone;

use layout::Layout;
use parts::Defaults;
use scan::Scan;

/// How to read times.
#[derive(Clone, Debug)]
pub struct Times {
    layouts: Vec<Layout>,
    defaults: Defaults,
}

/// A format that only some times have.
#[derive(Clone, Debug)]
pub(super) struct Format(Layout);

impl Format {
    /// Any that [`Times::new`] takes.
    pub(super) fn new(format: &str) -> Result<Self, String> {
        Layout::new(format).map(Self)
    }
}

impl Default for Times {
    fn default() -> Self {
        Self { layouts: Vec::new(), defaults: Defaults::new(TimeZone::UTC, None) }
    }
}

impl Times {
    /// Reads times in one of `formats`, and else in any form that programs use. Each is a name or
    /// layout of Go's, `Epoch`, `EpochMilli`, `EpochMicro`, `EpochNano`, `ISO8601` or a strftime(3)
    /// format. Times without an offset are in `zone`, those without a year in `year` if that is
    /// given.
    ///
    /// # Errors
    /// Words on what is wrong with a format.
    pub fn new<'a>(
        formats: impl IntoIterator<Item = &'a str>,
        zone: TimeZone,
        year: Option<i16>,
    ) -> Result<Self, String> {
        let layouts = formats.into_iter().map(Layout::new).collect::<Result<_, _>>()?;
        Ok(Self { layouts, defaults: Defaults::new(zone, year.map(i64::from)) })
    }

    /// Nanoseconds since 1970-01-01 UTC; `now` completes what the text leaves out.
    pub fn read(&self, text: &[u8], now: i64) -> Option<i64> {
        let text = text.trim_ascii();
        let mut asked = self.layouts.iter();
        asked
            .find_map(|layout| layout.read(text, now, &self.defaults))
            .or_else(|| any::read(text)?.complete(now, &self.defaults))
    }

    /// Reads a time that has this format.
    pub(super) fn read_as(&self, format: &Format, text: &[u8], now: i64) -> Option<i64> {
        format.0.read(text, now, &self.defaults)
    }

    /// Reads the time at the front of `text`, in any form that programs use; also what is behind it.
    pub fn read_front<'a>(&self, text: &'a [u8], now: i64) -> Option<(i64, &'a [u8])> {
        let mut scan = Scan::new(text);
        let time = any::read_front(&mut scan)?.complete(now, &self.defaults)?;
        Some((time, scan.rest))
    }
}

#[cfg(test)]
mod tests;
