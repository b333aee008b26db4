// SPDX-License-Identifier: MIT OR Apache-2.0
//! Retries, where they may help.

use heka_core::net::{Loss, Redial};
use heka_core::report::{self, Stop};

use crate::failure::Failure;
use crate::session::Session;

/// Calls `attempt` until it succeeds, or no further attempt is useful or allowed.
///
/// # Errors
/// The last failure.
pub(crate) fn persist<T>(
    session: &Session,
    redial: &mut Redial,
    url: &str,
    mut attempt: impl FnMut() -> Result<T, Failure>,
) -> Result<T, Failure> {
    loop {
        match attempt() {
            Err(failure) => {
                let may_pass = failure.is_worth_retrying();
                if !may_pass || !wait(session, redial, url, &failure, "")? {
                    return Err(failure);
                }
            }
            done => return done,
        }
    }
}

/// Waits for the next attempt after a temporary failure, with an announcement that ends with `gap`;
/// `false` if there is none.
///
/// # Errors
/// A signal, or the end of the output.
pub(crate) fn wait(
    session: &Session,
    redial: &mut Redial,
    url: &str,
    failure: &Failure,
    gap: &str,
) -> Result<bool, Stop> {
    let text = format_args!("{url}: {failure}");
    let wanted = failure.wait_wanted().unwrap_or_default();
    if !redial.schedule(&Loss::of(text).wait(wanted).gap(gap)) {
        if redial.failures() > 0 {
            report::warning(format_args!("{url}: maximum number of connection retries reached"));
        }
        return Ok(false);
    }
    failure.kind().count();
    redial.wait(Some(session.sink.lock().backlog()), None)?;
    Ok(true)
}
