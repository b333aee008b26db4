// SPDX-License-Identifier: MIT OR Apache-2.0
//! The time of a request, which a format may contain several times: Apache's `%{…}t`, or two of
//! nginx's variables. The most precise one is used, or all parts together.

use jiff::Timestamp;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

use super::Piece;
use super::variable::Variable;
use crate::decode::time::Format;

/// A time with two digits wherever there may be one or two.
const SAMPLE: i64 = 1_797_243_132;

/// A time in a format.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stamp {
    written: Written,
    pub(super) role: Role,
    /// How often the time itself contains the text that follows it.
    pub(super) skips: usize,
}

/// The notation of a time.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Written {
    /// An unambiguous form.
    Any,
    /// A number since 1970; of two, the one with the higher rank is more precise.
    Epoch(u8),
    /// The fractional digits of the seconds.
    Fraction(&'static str),
    /// A format of strftime(3).
    Format(String),
}

/// The role of a text in the time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// It is the time.
    All,
    /// It is part of the time, after this byte.
    Part(u8),
    /// It is unused; another one is more precise.
    Nothing,
}

/// A time assembled from several texts.
#[derive(Clone, Debug)]
pub(super) struct Assembly {
    format: Format,
    pub(super) text: Vec<u8>,
}

impl Stamp {
    fn new(written: Written) -> Self {
        Self { written, role: Role::All, skips: 0 }
    }

    /// nginx's `$time_iso8601`.
    pub(super) fn iso8601() -> Self {
        Self::new(Written::Any)
    }

    /// nginx's `$time_local`.
    pub(super) fn local() -> Self {
        Self::new(Written::Format("%d/%b/%Y:%H:%M:%S %z".to_owned()))
    }

    /// nginx's `$msec`.
    pub(super) fn seconds() -> Self {
        Self::new(Written::Epoch(1))
    }

    /// Apache's `%{argument}t`.
    pub(super) fn of_apache(argument: &str) -> Self {
        Self::new(match argument {
            "" => return Self::local(),
            "sec" => Written::Format("%s".to_owned()),
            "msec" => Written::Epoch(1),
            "usec" => Written::Epoch(2),
            "msec_frac" => Written::Fraction("msec_frac"),
            "usec_frac" => Written::Fraction("usec_frac"),
            _ => Written::Format(argument.to_owned()),
        })
    }

    /// Counts the occurrences of a byte; consecutive blanks count once.
    fn count(&self, byte: u8) -> usize {
        let Written::Format(format) = &self.written else { return 0 };
        let sample = Timestamp::constant(SAMPLE, 0).to_zoned_datetime(TimeZone::UTC);
        let sample = strtime::format(format, &sample).unwrap_or_default();
        let at = sample.bytes().enumerate().filter(|(_, other)| *other == byte);
        let is_first = |(at, _): &(usize, u8)| {
            byte != b' ' || *at == 0 || sample.as_bytes().get(at - 1) != Some(&byte)
        };
        at.filter(is_first).count()
    }
}

impl Assembly {
    /// Returns the format of the concatenated texts.
    pub(super) fn format(&self) -> &Format {
        &self.format
    }

    /// Assigns the roles of the times in a format; returns the assembly if several make up the
    /// time.
    pub(super) fn settle(pieces: &mut [Piece]) -> Result<Option<Self>, String> {
        for Piece { variable, behind } in &mut *pieces {
            if let (Variable::Time(stamp), Some(first)) = (variable, behind.first()) {
                stamp.skips = stamp.count(*first);
            }
        }
        let mut stamps: Vec<&mut Stamp> = pieces.iter_mut().filter_map(stamp_of).collect();
        let rank = |stamp: &Stamp| match stamp.written {
            Written::Epoch(rank) => Some(rank),
            Written::Any => Some(0),
            Written::Fraction(_) | Written::Format(_) => None,
        };
        let best = stamps.iter().filter_map(|stamp| rank(stamp)).max();
        if let Some(best) = best {
            let mut is_found = false;
            for stamp in stamps {
                let is_best = !is_found && rank(stamp) == Some(best);
                is_found |= is_best;
                stamp.role = if is_best { Role::All } else { Role::Nothing };
            }
            return Ok(None);
        }
        if let [_] | [] = stamps[..] {
            return Ok(lone_fraction(pieces));
        }
        let mut format = String::new();
        for stamp in &mut stamps {
            let (byte, part) = match &stamp.written {
                Written::Fraction(_) => (b'.', "%f"),
                Written::Format(part) => (b' ', part.as_str()),
                Written::Any | Written::Epoch(_) => continue,
            };
            if !format.is_empty() {
                format.push(char::from(byte));
            }
            format.push_str(part);
            stamp.role = Role::Part(byte);
        }
        Ok(Some(Self { format: Format::new(&format)?, text: Vec::new() }))
    }
}

/// A fraction without its seconds is treated as an ordinary number.
fn lone_fraction(pieces: &mut [Piece]) -> Option<Assembly> {
    for Piece { variable, .. } in pieces {
        if let Variable::Time(Stamp { written: Written::Fraction(name), .. }) = variable {
            *variable = Variable::Text(name.as_bytes().to_vec());
        }
    }
    None
}

fn stamp_of(piece: &mut Piece) -> Option<&mut Stamp> {
    match &mut piece.variable {
        Variable::Time(stamp) => Some(stamp),
        _ => None,
    }
}
