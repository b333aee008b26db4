// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time at the start of a line.

use crate::codec::number::put_integer;
use crate::codec::time::{Zone, put_clock, put_rfc3339_in};

/// The form of times.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum TimeForm {
    /// The time of day in the local zone: `12:38:24.154`.
    #[default]
    Local,
    /// The time of day in UTC: `11:38:24.154Z`.
    Utc,
    /// Date, time and offset: `2026-01-02T12:38:24.154+01:00`.
    Iso,
    /// The age: `12s ago`.
    Relative,
    /// No time.
    None,
}

impl TimeForm {
    /// Every form.
    pub const ALL: [Self; 5] = [Self::Local, Self::Utc, Self::Iso, Self::Relative, Self::None];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Local => "local",
            Self::Utc => "utc",
            Self::Iso => "iso",
            Self::Relative => "relative",
            Self::None => "none",
        }
    }

    /// Returns the width of a time in columns.
    fn width(self) -> usize {
        match self {
            Self::Local => 12,
            Self::Utc => 13,
            Self::Iso => 29,
            Self::Relative => 8,
            Self::None => 0,
        }
    }

    /// Appends a time, or a dash, padded; returns its width in columns.
    pub(super) fn put(
        self,
        out: &mut Vec<u8>,
        time: Option<i64>,
        zone: &Zone,
        now: Option<i64>,
    ) -> usize {
        let start = out.len();
        match (self, time) {
            (Self::None, _) => {}
            (_, None) => out.push(b'-'),
            (Self::Local, Some(time)) => put_clock(out, time, zone),
            (Self::Utc, Some(time)) => {
                put_clock(out, time, &Zone::utc());
                out.push(b'Z');
            }
            (Self::Iso, Some(time)) => put_rfc3339_in(out, time, zone),
            (Self::Relative, Some(time)) => put_age(out, now.unwrap_or(time), time),
        }
        let len = out.len() - start;
        let width = len.max(self.width());
        out.extend((len..width).map(|_| b' '));
        if self == Self::Relative {
            out[start..].rotate_right(width - len);
        }
        width
    }
}

/// Appends the difference between `time` and `now` in its largest unit.
fn put_age(out: &mut Vec<u8>, now: i64, time: i64) {
    const UNITS: [(u64, &str); 4] = [(86_400, "d"), (3600, "h"), (60, "m"), (1, "s")];
    let seconds = now.abs_diff(time) / 1_000_000_000;
    let Some((size, unit)) = UNITS.iter().find(|(size, _)| seconds >= *size) else {
        return out.extend_from_slice(b"now");
    };
    let (before, behind) = if time > now { ("in ", "") } else { ("", " ago") };
    out.extend_from_slice(before.as_bytes());
    put_integer(out, i64::try_from(seconds / size).unwrap_or(i64::MAX));
    out.extend_from_slice(unit.as_bytes());
    out.extend_from_slice(behind.as_bytes());
}
