// SPDX-License-Identifier: MIT OR Apache-2.0
//! The one limiter of repeated warnings, so that none floods stderr.
//!
//! The first warning of each kind is printed, further ones are counted. The count is printed before
//! the next warning of that kind, which is at least ten seconds later, on SIGUSR1, and at every
//! exit of the program. With `-vv` all warnings are printed.

use std::collections::BTreeMap;
use std::fmt::{Display, Write as _};
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use super::words::Count;
use super::{Level, stats, wants, warning};

/// Interval in which at most one warning of a kind is printed.
const PERIOD: Duration = Duration::from_secs(10);

static KINDS: Mutex<Kinds> = Mutex::new(Kinds { known: BTreeMap::new(), key: String::new() });

/// All kinds of warnings so far.
#[derive(Debug)]
struct Kinds {
    known: BTreeMap<String, Kind>,
    /// Buffer for the name that is looked up.
    key: String,
}

/// The state of one kind of warning.
#[derive(Debug)]
struct Kind {
    printed: Instant,
    suppressed: Suppressed,
}

/// Suppressed warnings, and the lost records that they would have reported.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
struct Suppressed {
    warnings: u64,
    records: u64,
}

/// Warns of something that may happen repeatedly. `kind` identifies the kind of warning and is the
/// subject of its count, so there must be few kinds: not one for each peer.
pub fn repeated(kind: impl Display, text: impl Display) {
    repeated_loss(kind, 0, text);
}

/// Like [`repeated`], for warnings that report lost records.
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

/// Prints how many warnings were suppressed since the last call.
pub fn print_suppressed() {
    let mut kinds = KINDS.lock().unwrap_or_else(PoisonError::into_inner);
    for (name, kind) in &mut kinds.known {
        if let Some(suppressed) = kind.suppressed.take() {
            warning(format_args!("{name}: {suppressed}"));
        }
    }
}

impl Kinds {
    /// Returns whether a warning is to be printed, with the suppressed ones before it; otherwise
    /// counts it.
    fn admit(
        &mut self,
        kind: impl Display,
        records: u64,
        now: Instant,
    ) -> Option<Option<Suppressed>> {
        self.key.clear();
        // Formatting into a string cannot fail.
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
    /// Takes the counts and resets them, if there are any.
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
