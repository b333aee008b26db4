// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-encode counts.

use heka_core::report::stats::{Counter, Metric};

pub(crate) static TRUNCATED: Counter = Counter::new();

pub(crate) const ALL: &[Metric] =
    &[Metric::total("heka_encode_truncated_records_total", "Records cut to the limit", &TRUNCATED)
        .word_if_any("truncated")];
