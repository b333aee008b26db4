// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selects messages.

use std::num::NonZeroU64;

use heka_core::cli::signing::Verifier;
use heka_core::codec::Matcher;
use heka_core::record::Recent;
use heka_core::report::{self, stats};
use heka_core::wire::Frame;

use crate::cli::Plan;

/// Decides for each frame.
pub(crate) struct Selection<'a> {
    verifier: &'a Verifier,
    matcher: Option<&'a Matcher>,
    recent: Option<Recent>,
    /// Nanoseconds since 1970.
    since: Option<i64>,
    until: Option<i64>,
    /// One of this number of messages is selected.
    sample: u64,
    /// Number of messages skipped since the last one of the sample.
    passed: u64,
    /// Number of messages still wanted.
    left: u64,
    rejected: u64,
}

impl<'a> Selection<'a> {
    pub(crate) fn new(plan: &'a Plan) -> Self {
        Self {
            verifier: &plan.verifier,
            matcher: plan.matcher.as_ref(),
            recent: plan.dedup.map(Recent::new),
            since: plan.since,
            until: plan.until,
            sample: plan.sample.map_or(1, NonZeroU64::get),
            passed: 0,
            left: plan.max_count,
            rejected: 0,
        }
    }

    /// Whether a message is selected. A wrong signature is reported; `file` is the source.
    #[inline]
    pub(crate) fn takes(&mut self, file: &str, frame: &Frame<'_>) -> bool {
        if self.verifier.is_active() && !self.verifies(file, frame) {
            return false;
        }
        if !self.is_in_time(frame.view.timestamp) {
            return false;
        }
        if self.left == 0 || self.matcher.is_some_and(|matcher| !matcher.is_match(&frame.view)) {
            return false;
        }
        let signer = self.verifier.signer_of(frame);
        let is_repeated = |recent: &mut Recent| !recent.is_new(signer, frame.view.uuid);
        if self.recent.as_mut().is_some_and(is_repeated) {
            return false;
        }
        if self.sample > 1 && !self.is_of_sample() {
            return false;
        }
        self.left -= 1;
        true
    }

    /// Whether the message is part of `--sample`.
    fn is_of_sample(&mut self) -> bool {
        let is_first = self.passed == 0;
        self.passed = (self.passed + 1) % self.sample;
        is_first
    }

    /// Whether a time is in the requested range. A message without a time counts as of 1970, as
    /// everywhere.
    #[inline]
    fn is_in_time(&self, time: Option<i64>) -> bool {
        let time = time.unwrap_or(0);
        self.since.is_none_or(|since| time >= since) && self.until.is_none_or(|until| time < until)
    }

    fn verifies(&mut self, file: &str, frame: &Frame<'_>) -> bool {
        match self.verifier.verify(frame) {
            Ok(()) => true,
            Err(rejected) => {
                let file = if file == "-" { "(standard input)" } else { file };
                report::repeated(
                    format_args!("{file}: {}", rejected.reason()),
                    format_args!("{file}: {rejected}"),
                );
                stats::skip(stats::Skip::Unverified, 1);
                self.rejected += 1;
                false
            }
        }
    }

    /// Returns the number of messages that are still wanted whatever they contain; 0 if that
    /// depends on the message.
    pub(crate) fn unconditional(&self) -> u64 {
        let is_unconditional = !self.verifier.is_active()
            && self.matcher.is_none()
            && self.recent.is_none()
            && self.since.is_none()
            && self.until.is_none()
            && self.sample == 1;
        if is_unconditional { self.left } else { 0 }
    }

    /// Records that `count` messages were taken without being parsed.
    pub(crate) fn pass(&mut self, count: u64) {
        self.left -= count;
    }

    /// Whether no more messages are wanted.
    #[inline]
    pub(crate) fn is_complete(&self) -> bool {
        self.left == 0
    }

    /// Warns of fields that were compared with numbers but have held only text.
    pub(crate) fn warn_of_text(&self) {
        let mut told: Vec<&[u8]> = Vec::new();
        for path in self.matcher.map(Matcher::never_numbers).unwrap_or_default() {
            if told.contains(&path.name.as_slice()) {
                continue;
            }
            told.push(&path.name);
            let name = String::from_utf8_lossy(&path.name);
            report::warning(format_args!("--match: Fields[{name}]: never a number, always text"));
            if told.len() == 1 {
                report::hint(format_args!("heka-encode --field-type {name}:i makes it one"));
            }
        }
    }

    /// Returns the number of messages rejected because of their signature.
    pub(crate) fn rejected(&self) -> u64 {
        self.rejected
    }
}
