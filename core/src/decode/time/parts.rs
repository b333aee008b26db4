// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parts of a time as written, and their completion.

use std::cell::Cell;

use jiff::civil::DateTime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

const BILLION: i64 = 1_000_000_000;
const DAY: i64 = 86_400;
/// Unit, in seconds, within which a zone's offset is constant unless a transition is at a multiple
/// of it.
const BLOCK: i64 = 900;
/// Number of years within which any day recurs, including February 29.
const MOST_YEARS: i64 = 9;

/// The parts of a time as written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Parts {
    pub(super) year: Option<i64>,
    pub(super) month: Option<u8>,
    pub(super) day: Option<u8>,
    pub(super) day_of_year: Option<u16>,
    pub(super) hour: u8,
    pub(super) minute: u8,
    pub(super) second: u8,
    pub(super) nanosecond: u32,
    /// Whether a time on the twelve-hour clock is after noon.
    pub(super) is_pm: Option<bool>,
    /// Seconds east of UTC.
    pub(super) offset: Option<i32>,
    /// Whether the offset was numeric, which takes precedence over an abbreviation.
    pub(super) is_numeric: bool,
    /// Nanoseconds since 1970, if the text is such a number.
    pub(super) epoch: Option<i64>,
}

/// Defaults for missing parts: the zone and the year.
#[derive(Clone, Debug)]
pub(super) struct Defaults {
    zone: TimeZone,
    is_utc: bool,
    year: Option<i64>,
    /// The block of seconds whose offset was looked up last, and that offset.
    known: Cell<Option<(i64, i64)>>,
}

impl Defaults {
    pub(super) fn new(zone: TimeZone, year: Option<i64>) -> Self {
        Self { is_utc: zone == TimeZone::UTC, zone, year, known: Cell::new(None) }
    }

    pub(super) fn zone(&self) -> &TimeZone {
        &self.zone
    }

    pub(super) fn year(&self) -> Option<i64> {
        self.year
    }

    /// Returns the offset of the zone in seconds east of UTC when its clocks show `local` (seconds
    /// since 1970). A time in a gap is moved by the length of the gap; of two occurrences the first
    /// is used.
    fn offset_at(&self, local: i64) -> Option<i64> {
        if self.is_utc {
            return Some(0);
        }
        let block = local.div_euclid(BLOCK);
        if let Some((known, offset)) = self.known.get()
            && known == block
        {
            return Some(offset);
        }
        let (offset, is_clear) = self.look_up(local)?;
        let (first, first_is_clear) = self.look_up(block * BLOCK)?;
        let (last, last_is_clear) = self.look_up(block * BLOCK + BLOCK - 1)?;
        if is_clear && first_is_clear && last_is_clear && first == last {
            self.known.set(Some((block, offset)));
        }
        Some(offset)
    }

    /// Like `offset_at`, from the tables of the zone; also returns whether clocks show this time
    /// exactly once.
    fn look_up(&self, local: i64) -> Option<(i64, bool)> {
        let epoch = DateTime::constant(1970, 1, 1, 0, 0, 0, 0);
        let time = epoch.checked_add(SignedDuration::from_secs(local)).ok()?;
        let ambiguous = self.zone.to_ambiguous_timestamp(time);
        let is_clear = !ambiguous.is_ambiguous();
        let instant = ambiguous.compatible().ok()?;
        Some((local - instant.as_second(), is_clear))
    }
}

impl Parts {
    /// Returns nanoseconds since 1970-01-01 UTC. A missing year is chosen such that the time is
    /// nearest to `now`, at most a day ahead; a missing day is the nearest one.
    pub(super) fn complete(&self, now: i64, defaults: &Defaults) -> Option<i64> {
        if let Some(epoch) = self.epoch {
            return epoch.checked_add(i64::from(self.nanosecond));
        }
        let second = now.div_euclid(BILLION);
        match (self.year, self.month, self.day, self.day_of_year) {
            (Some(year), ..) => self.at(self.day_in(year)?, defaults),
            (None, None, None, None) => self.nearest(second.div_euclid(DAY), now, defaults),
            (None, ..) => match defaults.year {
                Some(year) => self.at(self.day_in(year)?, defaults),
                None => {
                    let (year, ..) = civil(second.div_euclid(DAY));
                    let latest = now.saturating_add(DAY * BILLION);
                    // Clocks are at most a day ahead of UTC: no zone is asked for later times.
                    let last = latest.div_euclid(DAY * BILLION) + 2;
                    let years = (0..MOST_YEARS).map(|back| year + 1 - back);
                    let days = years.filter_map(|year| self.day_in(year));
                    let times =
                        days.filter(|day| *day <= last).filter_map(|day| self.at(day, defaults));
                    times.into_iter().find(|&time| time <= latest)
                }
            },
        }
    }

    /// Returns the time of day on the nearest day.
    fn nearest(&self, today: i64, now: i64, defaults: &Defaults) -> Option<i64> {
        let days = [today - 1, today, today + 1];
        let times = days.into_iter().filter_map(|day| self.at(day, defaults));
        times.min_by_key(|&time| time.abs_diff(now))
    }

    /// Returns the day in `year`, counted from 1970-01-01.
    fn day_in(&self, year: i64) -> Option<i64> {
        match (self.month, self.day, self.day_of_year) {
            (Some(month), Some(day), _) => days(year, month, day),
            (None, None, Some(day)) => {
                let first = days(year, 1, 1)?;
                let found = first + i64::from(day) - 1;
                (day > 0 && found < days(year + 1, 1, 1)?).then_some(found)
            }
            _ => None,
        }
    }

    /// Returns the time of day on `day`.
    fn at(&self, day: i64, defaults: &Defaults) -> Option<i64> {
        let hour = match (self.is_pm, self.hour) {
            (None, hour @ 0..=23) => hour,
            (Some(is_pm), hour @ 1..=12) => hour % 12 + if is_pm { 12 } else { 0 },
            _ => return None,
        };
        // A leap second is treated as the second before it.
        let seconds = i64::from(self.second.min(59));
        let local = day * DAY + i64::from(hour) * 3600 + i64::from(self.minute) * 60 + seconds;
        let offset = match self.offset {
            Some(offset) => i64::from(offset),
            None => defaults.offset_at(local)?,
        };
        let nanoseconds = (local - offset).checked_mul(BILLION)?;
        nanoseconds.checked_add(i64::from(self.nanosecond))
    }

    /// Sets the time of day.
    pub(super) fn set_clock(&mut self, hour: u64, minute: u64, second: u64) -> Option<()> {
        self.hour = u8::try_from(hour).ok().filter(|hour| *hour <= 23)?;
        self.minute = u8::try_from(minute).ok().filter(|minute| *minute <= 59)?;
        self.second = u8::try_from(second).ok().filter(|second| *second <= 60)?;
        Some(())
    }

    /// Sets the month and the day.
    pub(super) fn set_date(&mut self, month: u64, day: u64) -> Option<()> {
        self.month = Some(u8::try_from(month).ok().filter(|month| (1..=12).contains(month))?);
        self.day = Some(u8::try_from(day).ok().filter(|day| (1..=31).contains(day))?);
        Some(())
    }
}

/// Returns the days from 1970-01-01 to a date of the Gregorian calendar, if the date exists.
pub(super) fn days(year: i64, month: u8, day: u8) -> Option<i64> {
    const LENGTHS: [u8; 12] = [31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31];
    let is_leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    let len = *LENGTHS.get(usize::from(month).checked_sub(1)?)?;
    let len = if month == 2 && is_leap { 29 } else { len };
    if day == 0 || day > len || !(-9999..=9999).contains(&year) {
        return None;
    }
    // Years begin in March here, so that the leap day is the last one.
    let month = i64::from(month);
    let year = if month <= 2 { year - 1 } else { year };
    let era = year.div_euclid(400);
    let of_era = year.rem_euclid(400);
    let of_year = (153 * ((month + 9) % 12) + 2) / 5 + i64::from(day) - 1;
    Some(era * 146_097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719_468)
}

/// Returns the date `days` after 1970-01-01: year, month, day.
fn civil(days: i64) -> (i64, i64, i64) {
    let days = days + 719_468;
    let era = days.div_euclid(146_097);
    let of_era = days.rem_euclid(146_097);
    let year = (of_era - of_era / 1460 + of_era / 36_524 - of_era / 146_096) / 365;
    let of_year = of_era - (365 * year + year / 4 - year / 100);
    let month = (5 * of_year + 2) / 153;
    let day = of_year - (153 * month + 2) / 5 + 1;
    let month = if month < 10 { month + 3 } else { month - 9 };
    (year + era * 400 + i64::from(month <= 2), month, day)
}

/// Converts jiff's time to nanoseconds.
pub(super) fn nanoseconds(time: Timestamp) -> Option<i64> {
    i64::try_from(time.as_nanosecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn days_and_dates_are_each_other_s_inverse() {
        for day in (-200_000..200_000).step_by(17) {
            let (year, month, of_month) = civil(day);
            let found = days(year, u8::try_from(month).unwrap(), u8::try_from(of_month).unwrap());
            assert_eq!(found, Some(day));
        }
        assert_eq!(days(1970, 1, 1), Some(0));
        assert_eq!(days(2000, 2, 29), Some(11_016));
        for (year, month, day) in [(2001, 2, 29), (1900, 2, 29), (2016, 13, 1), (2016, 4, 31)] {
            assert_eq!(days(year, month, day), None);
        }
    }
}
