// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one limiter of warnings that come again and again, so that none floods stderr.
//!
//! Of each kind the first is printed and further ones are counted. The number of those that were
//! not printed follows before the next one of that kind is, which is ten seconds later at the
//! earliest, on SIGUSR1, and on every way out of the program. With `-vv` all are printed.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::words::Count;
use super::{Level, stats, wants, warning};

/// At most one warning of a kind is printed in this time.
const PERIOD: Duration = Duration::from_secs(10);

static KINDS: Mutex<Kinds> = Mutex::new(Kinds { known: BTreeMap::new(), key: String::new() });

/// Every kind of warning that was met.
#[derive(Debug)]
struct Kinds {
    known: BTreeMap<String, Kind>,
    /// Room for the name that is looked for.
    key: String,
}

/// What became of the warnings of one kind.
#[derive(Debug)]
struct Kind {
    printed: Instant,
    suppressed: Suppressed,
}

/// Warnings that were not printed, and the lost records that they would have reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Suppressed {
    warnings: u64,
    records: u64,
}

/// Warns of something that may happen repeatedly. `kind` distinguishes warnings and is the
/// subject of their number, so there must be few: not one for each peer that connects.
pub fn repeated(kind: impl Display, text: impl Display) {
    repeated_loss(kind, 0, text);
}

/// As [`repeated`], where each warning is of some records that are lost.
pub fn repeated_loss(kind: impl Display, records: u64, text: impl Display) {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    let Some(before) = kinds.admit(kind, records, Instant::now()) else {
        stats::WARNINGS.add_shared(1);
        return;
    };
    if let Some(before) = before {
        warning(format_args!("{}: {before}", kinds.key));
    }
    warning(text);
}

/// Prints how many warnings were suppressed since the last time.
pub fn print_suppressed() {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, kind) in &mut kinds.known {
        if let Some(suppressed) = kind.suppressed.take() {
            warning(format_args!("{name}: {suppressed}"));
        }
    }
}

impl Kinds {
    /// Whether a warning is to be printed, and what was suppressed of its kind before it; else
    /// counts it.
    fn admit(
        &mut self,
        kind: impl Display,
        records: u64,
        now: Instant,
    ) -> Option<Option<Suppressed>> {
        self.key.clear();
        // Formatting into a string does not fail.
        let _ok = write!(self.key, "{kind}");
        let Some(known) = self.known.get_mut(&self.key) else {
            let new = Kind { printed: now, suppressed: Suppressed::default() };
            self.known.insert(self.key.clone(), new);
            return Some(None);
        };
        if now.duration_since(known.printed) < PERIOD && !wants(Level::Debug) {
            known.suppressed.warnings += 1;
            known.suppressed.records += records;
            return None;
        }
        known.printed = now;
        Some(known.suppressed.take())
    }
}

impl Suppressed {
    /// The numbers, which begin anew, if there is anything to report.
    fn take(&mut self) -> Option<Self> {
        Some(std::mem::take(self)).filter(|suppressed| suppressed.warnings > 0)
    }
}

impl Display for Suppressed {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} like this suppressed", Count(self.warnings, "more warning"))?;
        match self.records {
            0 => Ok(()),
            records => write!(f, " ({})", Count(records, "record")),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_of_a_kind_is_printed_and_the_number_of_the_others() {
        let mut kinds = Kinds { known: BTreeMap::new(), key: String::new() };
        let start = Instant::now();
        assert_eq!(kinds.admit("a", 1, start), Some(None));
        assert_eq!(kinds.admit("b", 1, start), Some(None));
        for _ in 0..3 {
            assert_eq!(kinds.admit("a", 2, start + PERIOD / 2), None);
        }
        let suppressed = Suppressed { warnings: 3, records: 6 };
        assert_eq!(kinds.admit("a", 1, start + PERIOD), Some(Some(suppressed)));
        assert_eq!(kinds.admit("b", 1, start + PERIOD), Some(None));
        assert_eq!(kinds.admit("a", 1, start + PERIOD), None);
    }

    #[test]
    fn numbers_have_one_wording() {
        let text = |warnings, records| Suppressed { warnings, records }.to_string();
        assert_eq!(text(1, 0), "1 more warning like this suppressed");
        assert_eq!(text(187, 188), "187 more warnings like this suppressed (188 records)");
    }
}
