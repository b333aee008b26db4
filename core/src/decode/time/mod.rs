// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times from text: in the requested formats, then in any unambiguous form.
//!
//! Missing parts are completed from the current time: the year for which the time is nearest, at
//! most a day ahead, or the nearest day for a time of day. Text without an offset is in the given
//! zone.

mod any;
mod layout;
mod parts;
mod scan;

use jiff::tz::TimeZone;

use layout::Layout;
use parts::Defaults;
use scan::Scan;

/// Parses times.
#[derive(Clone, Debug)]
pub struct Times {
    layouts: Vec<Layout>,
    defaults: Defaults,
}

/// A format for some of the times.
#[derive(Clone, Debug)]
pub(super) struct Format(Layout);

impl Format {
    /// Parses any format that [`Times::new`] accepts.
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
    /// Accepts times in one of `formats`, or otherwise in any form that programs use. A format is
    /// the name of a layout or a layout of Go's, `Epoch`, `EpochMilli`, `EpochMicro`, `EpochNano`,
    /// `ISO8601` or a strftime(3) format. Times without an offset are in `zone`, those without a
    /// year in `year` if given.
    ///
    /// # Errors
    /// A description of what is wrong with a format.
    pub fn new<'a>(
        formats: impl IntoIterator<Item = &'a str>,
        zone: TimeZone,
        year: Option<i16>,
    ) -> Result<Self, String> {
        let layouts = formats.into_iter().map(Layout::new).collect::<Result<_, _>>()?;
        Ok(Self { layouts, defaults: Defaults::new(zone, year.map(i64::from)) })
    }

    /// Returns nanoseconds since 1970-01-01 UTC; `now` completes missing parts.
    pub fn read(&self, text: &[u8], now: i64) -> Option<i64> {
        let text = text.trim_ascii();
        let mut asked = self.layouts.iter();
        asked
            .find_map(|layout| layout.read(text, now, &self.defaults))
            .or_else(|| any::read(text)?.complete(now, &self.defaults))
    }

    /// Parses a time in a given format.
    pub(super) fn read_as(&self, format: &Format, text: &[u8], now: i64) -> Option<i64> {
        format.0.read(text, now, &self.defaults)
    }

    /// Parses the time at the front of `text`, in any form that programs use; also returns the
    /// rest.
    pub fn read_front<'a>(&self, text: &'a [u8], now: i64) -> Option<(i64, &'a [u8])> {
        let mut scan = Scan::new(text);
        let time = any::read_front(&mut scan)?.complete(now, &self.defaults)?;
        Some((time, scan.rest))
    }
}

#[cfg(test)]
mod tests;
