// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics of heka-sandbox.

use heka_core::report::stats::{Counter, Metric};

pub(crate) static CALLS: Counter = Counter::new();
pub(crate) static FAILURES: Counter = Counter::new();
pub(crate) static MEMORY: Counter = Counter::new();
pub(crate) static UNSIGNED: Counter = Counter::new();
pub(crate) static INSTRUCTIONS: Counter = Counter::new();

pub(crate) const ALL: &[Metric] = &[
    Metric::total("heka_sandbox_calls_total", "Calls of the plugin", &CALLS).word("calls"),
    Metric::total("heka_sandbox_failures_total", "Calls that failed", &FAILURES).word("failures"),
    Metric::gauge("heka_sandbox_memory_bytes", "Most memory that the plugin has used", &MEMORY)
        .word("bytes of memory"),
    Metric::gauge("heka_sandbox_instructions", "Most instructions of one call", &INSTRUCTIONS)
        .word("instructions"),
    Metric::total("heka_sandbox_removed_signatures_total", "Signatures removed", &UNSIGNED)
        .word_if_any("signatures removed"),
];
