// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports values that could not be parsed.

use std::fmt::Display;

use heka_core::decode::{Flaw, Flaws};
use heka_core::report;

use crate::numbers;

/// Reports the values of a record that could not be parsed.
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
