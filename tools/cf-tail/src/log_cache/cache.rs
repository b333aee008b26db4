// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sources in a log-cache: what it keeps of them, and following them by asking again and again, or
//! filling gaps of other servers' streams.

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

/// Time between questions after a minute of nothing.
const IDLE_POLL: Duration = Duration::from_secs(2);
const IDLE_AFTER: Duration = Duration::from_secs(60);
/// How many rounds of questions may fail while following, as in cf, before it is the connection
/// that has failed.
const MAX_TROUBLE: u32 = 4;

/// How much of the past is asked for.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Past {
    /// Number of the youngest envelopes to show; `None` for all since `start`, or as many as one
    /// answer holds.
    pub(crate) count: Option<usize>,
    /// And all that following will read again, so that it is known then.
    pub(crate) is_joined: bool,
    /// From then on, in nanoseconds since 1970.
    pub(crate) start: Option<i64>,
    /// Before then.
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
    /// Those sources of that server.
    pub(crate) fn new(client: Client, sources: Vec<App>, past: Past) -> Self {
        Self { client, sources, past, evictions: Evictions::default() }
    }

    /// The server.
    pub(crate) fn client(&self) -> &Client {
        &self.client
    }

    /// What the sources' instances use: the latest gauge of each that has one.
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

    /// The youngest envelopes of a source that are kept, youngest first.
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
            // A page may be longer than asked for, if equal times stand at its end.
            recent.envelopes.truncate(first.saturating_add(count));
        }
        Ok(())
    }

    /// All envelopes of a source since a time, oldest first.
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

    /// Reads what is kept of one source.
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

    /// Nothing is kept of a source: perhaps its name is mistyped.
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

    /// Asks again and again, each time from a little before the youngest envelope, so that late
    /// ones are seen.
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
                // Nothing is lost by it: the next question begins where this one did.
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

    /// Reads once what is new of each source: how many envelopes those are.
    fn round(&self, session: &Session, intake: &mut Intake) -> Result<u64, Failure> {
        let mut fresh = 0;
        for source in 0..self.sources.len() {
            let start = intake.window_start(source).unwrap_or(BEGINNING);
            let last = intake.last_written(source);
            let mut reading = Reading::default();
            let tally = self.read_new(session, intake, (source, start), &mut reading, false)?;
            // Not all servers keep to the time that they are asked for.
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
            // Pages only go forward: what is older than this one does not come again.
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

    /// The same once more when that is due, for what came late.
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

    /// What is there already is not wanted. By the server's clock, for ours may be another one.
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

/// Whether all of them, youngest first, are of so short a time.
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
                // What has come is written all the same.
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
