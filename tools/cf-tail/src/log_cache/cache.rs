// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sources in a log-cache: reading what it has, following them by polling, and filling gaps in the
//! streams of other servers.

use std::convert::Infallible;
use std::time::{Duration, Instant};

use heka_core::net::FaultKind;
use heka_core::report::{self, Stop};

use super::client::{BEGINNING, Client, MAX_PAGE, POLL, Question};
use super::evictions::{Evictions, FRESH, Tally};
use crate::apps::App;
use crate::envelope::{Envelope, Kind};
use crate::failure::Failure;
use crate::intake::Intake;
use crate::parts::Recent;
use crate::seen::Reading;
use crate::server::{Live, Server};
use crate::session::Session;

/// Polling interval after a minute without new envelopes.
const IDLE_POLL: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// Number of failed polls while following, as in cf, before the connection counts as failed.
const MAX_TROUBLE: u32 = 4;

/// The part of the past to request.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Number of the newest envelopes to show; `None` for all since `start`, or as many as one
    /// response holds.
    pub(crate) count: Option<usize>,
    /// Whether to also read everything that following will read again, so that it is known then.
    pub(crate) is_joined: bool,
    /// Start of the time range, in nanoseconds since 1970.
    pub(crate) start: Option<i64>,
    /// End of the time range, exclusive.
    pub(crate) end: Option<i64>,
}

/// Sources in a log-cache.
#[derive(Debug)]
pub(crate) struct Cache {
    client: Client,
    sources: Vec<App>,
    past: Past,
    evictions: Evictions,
}

impl Cache {
    /// Creates the sources of a server.
    pub(crate) fn new(client: Client, sources: Vec<App>, past: Past) -> Self {
        Self { client, sources, past, evictions: Evictions::default() }
    }

    /// Returns the server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// Returns the resource usage of the sources' instances: the latest gauge of each that has one.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) fn container_metrics(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = Recent::default();
        for app in &self.sources {
            let question = Question {
                source: &app.id,
                start: BEGINNING,
                end: None,
                descending: true,
                limit: MAX_PAGE,
                kind: Some(Kind::Gauge),
            };
            let page = self.client.ask(session, question)?;
            let mut newest: Vec<Envelope> = Vec::new();
            for envelope in page.envelopes {
                let is_known = newest.iter().any(|known| known.instance == envelope.instance);
                if envelope.is(Kind::Container) && !is_known {
                    newest.push(envelope);
                }
            }
            newest.sort_by_key(Envelope::instance_number);
            recent.envelopes.append(&mut newest);
        }
        Ok(recent)
    }

    /// Returns the newest envelopes of a source, newest first.
    fn youngest(
        &self,
        session: &Session,
        app: &App,
        recent: &mut Recent,
        count: usize,
    ) -> Result<(), Failure> {
        let Past { is_joined, start, mut end, .. } = self.past;
        let start = start.unwrap_or(BEGINNING);
        let first = recent.envelopes.len();
        loop {
            let own = recent.envelopes.get(first..).unwrap_or_default();
            let left = count.saturating_sub(own.len());
            if left == 0 && !(is_joined && is_within(own, session.limits.delay)) {
                break;
            }
            let limit = if left == 0 { MAX_PAGE } else { left.min(MAX_PAGE) };
            let question =
                Question { source: &app.id, start, end, descending: true, limit, kind: None };
            let mut page = self.client.ask(session, question)?;
            page.envelopes.retain(|envelope| envelope.timestamp >= start);
            let oldest = page.envelopes.iter().map(|envelope| envelope.timestamp).min();
            for envelope in page.envelopes {
                if let Err(full) = recent.push(envelope, page.size) {
                    recent.cut(self.client.base(), full);
                    return Ok(());
                }
            }
            if !page.is_full || oldest.is_none() || oldest == end {
                break;
            }
            end = oldest;
        }
        if !is_joined {
            // A page may be longer than requested, if there are equal times at its end.
            recent.envelopes.truncate(first.saturating_add(count));
        }
        Ok(())
    }

    /// Returns all envelopes of a source since a time, oldest first.
    fn since(
        &self,
        session: &Session,
        app: &App,
        recent: &mut Recent,
        start: i64,
    ) -> Result<(), Failure> {
        let walked = self.client.walk(session, &app.id, (start, self.past.end), |page| {
            let size = page.size;
            let pushed = page.envelopes.into_iter().try_for_each(|it| recent.push(it, size));
            pushed.map_err(|full| {
                recent.cut(self.client.base(), full);
                Failure::broken(FaultKind::Other, full)
            })
        });
        if recent.is_cut { Ok(()) } else { walked }
    }

    /// Reads what the server has of one source.
    fn read(&self, session: &Session, app: &App, recent: &mut Recent) -> Result<(), Failure> {
        let first = recent.envelopes.len();
        match (self.past.count, self.past.start) {
            (None, Some(start)) => self.since(session, app, recent, start),
            (count, _) => {
                let read = self.youngest(session, app, recent, count.unwrap_or(MAX_PAGE));
                recent.envelopes.get_mut(first..).unwrap_or_default().reverse();
                read
            }
        }?;
        if recent.envelopes.len() > first || recent.is_cut {
            return Ok(());
        }
        self.tell_nothing(session, app)
    }

    /// Handles a source without envelopes: its name may be mistyped.
    fn tell_nothing(&self, session: &Session, app: &App) -> Result<(), Failure> {
        let url = self.client.url();
        let Some(doubt) = &app.doubt else { return Ok(()) };
        let name = &app.name;
        if !self.past.is_joined && doubt.is_lookup {
            let meta = self.client.meta(session);
            if !meta.is_ok_and(|meta| meta.iter().any(|meta| meta.source == app.id)) {
                let words = &doubt.words;
                return Err(Failure::NotFound(format!(
                    "{words} Nor does log-cache keep anything of a source '{name}'."
                )));
            }
        }
        report::announce(format_args!("{url}: nothing is kept of a source '{name}'"));
        Ok(())
    }

    /// Polls repeatedly, each time from a little before the newest envelope, so that late ones are
    /// seen.
    fn follow(&self, session: &Session, intake: &mut Intake) -> Result<Infallible, Failure> {
        for (source, app) in self.sources.iter().enumerate() {
            if !intake.has_begun(source) {
                self.pass_over(session, intake, source, app)?;
            }
        }
        intake.join();
        let mut quiet_since = Instant::now();
        let mut trouble = 0;
        loop {
            match self.round(session, intake) {
                Ok(fresh) => {
                    trouble = 0;
                    if fresh > 0 {
                        quiet_since = Instant::now();
                    }
                }
                // Nothing is lost: the next poll begins where this one did.
                Err(failure) if failure.may_pass() && trouble < MAX_TROUBLE => {
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

    /// Reads what is new of each source; returns the number of new envelopes.
    fn round(&self, session: &Session, intake: &mut Intake) -> Result<u64, Failure> {
        let mut fresh = 0;
        for source in 0..self.sources.len() {
            let start = intake.window_start(source).unwrap_or(BEGINNING);
            let last = intake.last_written(source);
            let mut reading = Reading::default();
            let tally = self.read_new(session, intake, (source, start), &mut reading, false)?;
            // Not all servers respect the requested time range.
            intake.forget(source, |key| key.timestamp < start && !reading.has(key));
            let is_recent = |last: &i64| intake.now().saturating_sub(*last) < FRESH;
            if let (0, Some(last)) = (tally.count, last) {
                if is_recent(&last) {
                    Evictions::vanished(&self.client, last);
                }
                intake.forget_last(source);
            }
            fresh += tally.fresh;
        }
        Ok(fresh)
    }

    /// Reads a source from `start` to the end and writes what is new, at once or when there is
    /// room.
    fn read_new(
        &self,
        session: &Session,
        intake: &mut Intake,
        (source, start): (usize, i64),
        reading: &mut Reading,
        at_once: bool,
    ) -> Result<Tally, Failure> {
        let Some(app) = self.sources.get(source) else { return Ok(Tally::default()) };
        let mut tally = Tally::default();
        let (newest, last) = (intake.newest(source), intake.last_written(source));
        self.client.walk(session, &app.id, (start, None), |page| {
            // Pages only go forward: envelopes older than this one are not repeated.
            let oldest = page.envelopes.iter().map(|envelope| envelope.timestamp).min();
            reading.forget_before(oldest.unwrap_or(i64::MAX));
            for mut envelope in page.envelopes {
                let is_new = intake.is_new(source, &mut envelope, reading);
                tally.count(envelope.timestamp, is_new);
                if is_new {
                    envelope.is_late = newest.is_some_and(|newest| envelope.timestamp < newest);
                    let mut sink = session.sink.lock();
                    match at_once {
                        true => sink.put_anyway(&envelope)?,
                        false => sink.put_waiting(&envelope)?,
                    }
                }
            }
            Ok(())
        })?;
        self.evictions.check(session, &self.client, &app.id, last, &tally)?;
        Ok(tally)
    }

    /// Writes what was missed since the last connection of a stream broke.
    ///
    /// # Errors
    /// If the server does not answer.
    pub(crate) fn fill(&self, session: &Session, intake: &mut Intake) -> Result<(), Failure> {
        let mut is_filled = false;
        for source in 0..self.sources.len() {
            if let Some(start) = intake.gap(source) {
                let mut reading = Reading::default();
                self.read_new(session, intake, (source, start), &mut reading, true)?;
                is_filled = true;
            }
        }
        if is_filled {
            intake.filled(Some(session.limits.delay));
        }
        Ok(())
    }

    /// Does so once more when that is due, for late envelopes.
    ///
    /// # Errors
    /// A signal, or the end of the output.
    pub(crate) fn fill_again(&self, session: &Session, intake: &mut Intake) -> Result<(), Stop> {
        if intake.looks_again_at().is_none_or(|at| Instant::now() < at) {
            return Ok(());
        }
        match self.fill(session, intake) {
            Ok(()) => intake.filled(None),
            Err(Failure::Stopped(stop)) => return Err(stop),
            Err(failure) => {
                intake.put_off();
                let url = self.client.url();
                report::warning(format_args!("{url}: lines may be missing: {failure}"));
            }
        }
        Ok(())
    }

    /// Skips existing envelopes, by the server's clock, which may differ from the local one.
    fn pass_over(
        &self,
        session: &Session,
        intake: &mut Intake,
        source: usize,
        app: &App,
    ) -> Result<(), Failure> {
        let youngest = Question {
            source: &app.id,
            start: BEGINNING,
            end: None,
            descending: true,
            limit: 1,
            kind: None,
        };
        let page = self.client.ask(session, youngest)?;
        intake.ahead = session.http.ahead();
        let Some(newest) = page.envelopes.iter().map(|envelope| envelope.timestamp).max() else {
            return self.tell_nothing(session, app);
        };
        let window = i64::try_from(session.limits.delay.as_nanos()).unwrap_or(i64::MAX);
        let mut reading = Reading::default();
        self.client.walk(session, &app.id, (newest.saturating_sub(window), None), |page| {
            for mut envelope in page.envelopes.into_iter().filter(|it| it.timestamp <= newest) {
                intake.is_new(source, &mut envelope, &mut reading);
            }
            Ok(())
        })?;
        intake.grow(source, newest);
        Ok(())
    }
}

/// Whether all envelopes, newest first, are within `time`.
fn is_within(envelopes: &[Envelope], time: Duration) -> bool {
    let (Some(newest), Some(oldest)) = (envelopes.first(), envelopes.last()) else { return false };
    u128::from(newest.timestamp.abs_diff(oldest.timestamp)) <= time.as_nanos()
}

impl Server for Cache {
    fn name(&self) -> &'static str {
        "log-cache"
    }

    fn url(&self) -> String {
        self.client.url()
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        self.client.root(session)?;
        Ok(Box::new(move |intake: &mut Intake| {
            let Err(failure) = self.follow(session, intake);
            failure
        }))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        let mut recent = Recent::default();
        for app in &self.sources {
            match self.read(session, app, &mut recent) {
                Ok(()) => {}
                // What has arrived is still written.
                Err(Failure::Stopped(stop)) if !recent.envelopes.is_empty() => {
                    recent.stopped = Some(stop);
                    break;
                }
                Err(failure) => return Err(failure),
            }
        }
        Ok(recent)
    }

    fn fills_gaps(&self) -> bool {
        true
    }
}
