// SPDX-License-Identifier: MIT OR Apache-2.0
//! Following log-cache: asking again and again, and writing each envelope once.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use heka_core::report;

use super::{BEGINNING, CROWD, LogCache, MAX_PAGE, POLL, Question};
use crate::failure::Failure;
use crate::intake::Intake;
use crate::seen::{Key, Seen};
use crate::server::Server as _;
use crate::session::Session;

/// Time between questions after a minute of nothing.
const IDLE_POLL: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// How many questions in a row may fail while following, as in cf, before it is the connection that
/// has failed.
const MAX_TROUBLE: u32 = 4;

impl LogCache {
    /// Asks again and again, each time from a little before the youngest envelope, so that late
    /// ones are seen.
    pub(super) fn follow(
        &self,
        session: &Session,
        intake: &mut Intake,
    ) -> Result<Infallible, Failure> {
        // What was read before, or before the connection broke, is written already.
        let mut written = intake.lend();
        let outcome = self.ask_on(session, intake, &mut written);
        intake.take_back(written);
        outcome
    }

    fn ask_on(
        &self,
        session: &Session,
        intake: &mut Intake,
        written: &mut Seen,
    ) -> Result<Infallible, Failure> {
        let window = i64::try_from(session.limits.delay.as_nanos()).unwrap_or(i64::MAX);
        let mut quiet_since = Instant::now();
        let mut trouble = 0;
        if intake.newest.is_none() {
            intake.ahead = session.http.ahead();
            if let Some(newest) = self.pass_over(session, window, written)? {
                intake.grow(newest);
            }
        }
        loop {
            let start = intake.newest.map_or(BEGINNING, |newest| newest.saturating_sub(window));
            written.forget_before(start);
            match self.round(session, intake, written, start) {
                Ok(fresh) => {
                    trouble = 0;
                    if fresh > 0 {
                        quiet_since = Instant::now();
                    }
                }
                // Nothing is lost by it: the next question begins where this one did.
                Err(failure) if failure.is_worth_retrying() && trouble < MAX_TROUBLE => {
                    trouble += 1;
                    report::warning(format_args!("{}: {failure}; asking again", self.url()));
                    session.pause(failure.wait_wanted().unwrap_or(POLL * 2_u32.pow(trouble)))?;
                    continue;
                }
                Err(failure) => return Err(failure),
            }
            let quiet = quiet_since.elapsed() > IDLE_AFTER;
            session.pause(if quiet { IDLE_POLL } else { POLL })?;
        }
    }

    /// Reads from `start` to the end and writes what is new: how many those are.
    fn round(
        &self,
        session: &Session,
        intake: &mut Intake,
        written: &mut Seen,
        start: i64,
    ) -> Result<usize, Failure> {
        let mut fresh = 0;
        let mut round = Seen::default();
        let before = intake.newest;
        let count = self.walk(session, start, |page| {
            if round.len() > CROWD {
                // Pages only go forward: what is older than this one does not come again.
                let oldest = page.envelopes.iter().map(|envelope| envelope.timestamp).min();
                round.forget_before(oldest.unwrap_or(i64::MAX));
            }
            for mut envelope in page.envelopes {
                let key = Key::of(&envelope);
                round.add(key);
                if round.count(key) <= written.count(key) {
                    continue;
                }
                written.add(key);
                fresh += 1;
                envelope.is_late = before.is_some_and(|before| envelope.timestamp < before);
                intake.grow(envelope.timestamp);
                session.sink.lock().put_waiting(&envelope)?;
            }
            Ok(())
        })?;
        if count >= MAX_PAGE {
            self.warn_of_gap(session, before)?;
        }
        Ok(fresh)
    }

    /// What is there already is not wanted: the time of the youngest envelope. By the server's
    /// clock, for ours may be another one.
    fn pass_over(
        &self,
        session: &Session,
        window: i64,
        written: &mut Seen,
    ) -> Result<Option<i64>, Failure> {
        let youngest = Question { start: BEGINNING, end: None, descending: true, limit: 1 };
        let page = self.ask(session, youngest)?;
        let Some(newest) = page.envelopes.iter().map(|envelope| envelope.timestamp).max() else {
            return Ok(None);
        };
        self.walk(session, newest.saturating_sub(window), |page| {
            let old = page.envelopes.iter().filter(|envelope| envelope.timestamp <= newest);
            old.for_each(|envelope| written.add(Key::of(envelope)));
            Ok(())
        })?;
        Ok(Some(newest))
    }

    /// Warns if the server has thrown away what was not read yet.
    fn warn_of_gap(&self, session: &Session, read_until: Option<i64>) -> Result<(), Failure> {
        let all = match self.meta(session) {
            Ok(all) => all,
            Err(stopped @ Failure::Stopped(_)) => return Err(stopped),
            // It would only have made a warning.
            Err(_) => return Ok(()),
        };
        let kept = all.into_iter().find(|meta| meta.source == self.source);
        if let (Some(meta), Some(until)) = (kept, read_until)
            && meta.oldest > until
        {
            let url = self.url();
            let text = format_args!(
                "{url}: lines are missing: log-cache keeps only {} and has dropped older ones",
                meta.count
            );
            report::repeated("missing lines", text);
        }
        Ok(())
    }
}
