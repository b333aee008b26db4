// SPDX-License-Identifier: MIT OR Apache-2.0
//! Another try, where that may help.

use std::time::Duration;

use heka_core::net::Attempts;
use heka_core::report::{self, Stop};

use crate::failure::Failure;
use crate::session::Session;

/// Tries until it succeeds, or no further try is worth it or allowed.
///
/// # Errors
/// The last failure.
pub(crate) fn persist<T>(
    session: &Session,
    attempts: &mut Attempts,
    url: &str,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    loop {
        match attempt() {
            Err(failure) => {
                if !wait(session, attempts, url, &failure, "")? {
                    return Err(failure);
                }
            }
            done => return done,
        }
    }
}

/// Waits until the next try is due, and says so, with `gap` behind it; `false` if there is to be
/// none.
///
/// # Errors
/// A signal, or the end of the output.
pub(crate) fn wait(
    session: &Session,
    attempts: &mut Attempts,
    url: &str,
    failure: &Failure,
    gap: &str,
) -> Result<bool, Stop> {
    if !failure.is_worth_retrying() {
        return Ok(false);
    }
    let Some(delay) = attempts.delay() else {
        if attempts.failures() > 0 {
            report::warning(format_args!("{url}: maximum number of connection retries reached"));
        }
        return Ok(false);
    };
    let delay = delay.max(failure.wait_wanted().unwrap_or_default());
    announce(url, failure, delay, gap);
    session.pause(delay)?;
    Ok(true)
}

/// Says that another try follows, and when.
pub(crate) fn announce(url: &str, failure: &Failure, delay: Duration, gap: &str) {
    let seconds = delay.as_secs_f64();
    report::announce(format_args!("{url}: {failure}; connecting again in {seconds:.1} s{gap}"));
}
