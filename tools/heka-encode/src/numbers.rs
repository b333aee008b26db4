// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-encode.

use heka_core::report::stats::{Counter, Metric};

pub(crate) static TRUNCATED: Counter = Counter::new();

pub(crate) static UNPARSED: Counter = Counter::new();
pub(crate) static FLAWED: Counter = Counter::new();
pub(crate) static UNSIGNED: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::total("heka_encode_truncated_records_total", "Records cut to the limit", &TRUNCATED)
        .word_if_any("truncated"),
    Metric::total(
        "heka_encode_unparsed_records_total",
        "Records that could not be parsed",
        &UNPARSED,
    )
    .word_if_any("unparsed"),
    Metric::total("heka_encode_unread_values_total", "Values kept as text", &FLAWED)
        .word_if_any("values kept as text"),
    Metric::total("heka_encode_removed_signatures_total", "Signatures removed", &UNSIGNED)
        .word_if_any("signatures removed"),
];
