// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reading, and detection of text or frames.

use std::time::{Duration, Instant};

use heka_core::os::{Input, Kind, Output, detect};
use heka_core::record::{More, Splitter};
use heka_core::report::Stop;

/// Time limit for the next line of a multi-line record.
const PATIENCE: Duration = Duration::from_secs(1);

/// Reads more. Waits at most [`PATIENCE`] for a record that may be continued.
pub(crate) fn read_more(
    input: &mut Input,
    splitter: &Splitter,
    out: &mut Output,
) -> Result<More, Stop> {
    let has_open = splitter.holds_back() && !input.data().is_empty();
    let deadline = has_open.then(|| Instant::now() + PATIENCE);
    Ok(match input.fill_until(out, deadline)? {
        Some(true) => More::Coming,
        Some(false) => More::Ended,
        None => More::Idle,
    })
}

/// Whether an input contains frames, by its first bytes.
pub(crate) fn is_frames(input: &mut Input, out: &mut Output) -> Result<bool, Stop> {
    loop {
        if let Some(kind) = detect(input.data(), More::Coming) {
            return Ok(kind == Kind::Frames);
        }
        if !input.fill(out)? {
            return Ok(detect(input.data(), More::Ended) == Some(Kind::Frames));
        }
    }
}
