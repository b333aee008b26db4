// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the server, writes what it has kept, follows what it sends, and reconnects where that is
//! useful.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use heka_core::cli::settle_form;
use heka_core::codec;
use heka_core::net::tls::Client;
use heka_core::net::{Dialer, Redial};
use heka_core::os::{Backlog, Output};
use heka_core::report::{self, Status, Stop};

use crate::access::{Access, Source};
use crate::again::persist;
use crate::api::{Api, is_guid};
use crate::apps::{App, Lookup, Place};
use crate::choose::{Choice, Via};
use crate::cli::{CfStyle, Plan};
use crate::config::Config;
use crate::failure::Failure;
use crate::follow::Logs;
use crate::form::{Form, Text, Writer};
use crate::http::Http;
use crate::intake::Intake;
use crate::log_cache;
use crate::meta;
use crate::selection::Task;
use crate::session::{Limits, Session};
use crate::sink::Sink;
use crate::uaa;
use crate::wire::{Dialers, Line};

/// Default limit on the silence of an HTTP stream: four of the gateway's heartbeats.
const SILENCE: Duration = Duration::from_secs(60);

/// Executes the plan.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    if plan.max_count == Some(0) {
        return Ok(plan.writing.status(0));
    }
    let config = match &plan.access.home {
        Some(home) => Config::load(home, plan.access.force)?.unwrap_or_default(),
        None => Config::default(),
    };
    let out = output(&plan)?;
    let form = form(&plan, &config, &out);
    let writer = Writer::new(form, plan.form.new_line);
    let (filter, buffer) = (plan.filter.clone(), plan.form.buffer);
    let sink = Sink::new(Backlog::new(out), writer, filter, buffer, plan.max_count).shared();
    let (session, tail) = connect(plan, config, sink)?;
    let outcome = tail.run(&session);
    let mut sink = session.sink.lock();
    // Output produced before an error or a signal is written too.
    sink.finish()?;
    let done = match outcome {
        Ok(status) | Err(Stop::Said(status)) => status,
        Err(stop) => return Err(stop),
    };
    let status = done.and(Status::failed_if(sink.lost() > 0));
    Ok(status.and(tail.writing.status(sink.written())))
}

fn output(plan: &Plan) -> Result<Output, Stop> {
    let out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
    match plan.form.form {
        // Text has colours of its own, so it escapes control characters itself.
        codec::Form::Text => Ok(out),
        codec::Form::Payload | codec::Form::Json if plan.form.raw => Ok(out),
        form => settle_form(form, out),
    }
}

fn form(plan: &Plan, config: &Config, out: &Output) -> Form {
    let mut text = Text::new(plan.form.zone.clone());
    let is_terminal = out.is_terminal();
    text.harmless = is_terminal && !plan.form.raw;
    text.exactly_cf = plan.form.cf_style.is_some();
    text.color = match plan.color {
        heka_core::cli::When::Auto => {
            let wanted = plan.cf_color.or(config.color);
            wanted.unwrap_or_else(|| plan.color.decide(is_terminal))
        }
        when => when.decide(is_terminal),
    };
    match (plan.form.form, plan.form.cf_style) {
        (codec::Form::Json, _) => Form::Json,
        (codec::Form::Payload, _) => Form::Payload(if plan.form.null { 0 } else { b'\n' }),
        (codec::Form::Heka, _) => Form::Heka,
        (_, Some(CfStyle::Cf6)) => Form::Cf6(text),
        (..) => Form::Text(text),
    }
}

/// The part of the plan that is left once there is a session.
struct Tail {
    names: Vec<String>,
    place: Place,
    choice: Choice,
    task: Task,
    sort: bool,
    lines: Option<usize>,
    redial: Redial,
    writing: heka_core::cli::Writing,
}

fn connect(
    plan: Plan,
    mut config: Config,
    sink: crate::sink::Shared,
) -> Result<(Session, Tail), Stop> {
    let (dialers, limits) = (dialers(&plan, config.ssl_disabled)?, limits(&plan));
    let connect = plan.net.plain.connect_timeout;
    let silence = plan.net.idle.map_or(Some(SILENCE), |idle| idle.0);
    let line = Line::new(Arc::clone(&dialers), sink.clone(), silence);
    if let Some(client) = plan.access.client {
        config = config.for_client(client);
    }
    let source = source(plan.access.source, &config)?;
    let session = Session {
        http: Http::new(line, connect, plan.net.max_time, plan.net.trace),
        access: RefCell::new(Access::new(source, plan.access.force, plan.access.save)),
        config,
        sink,
        dialers,
        limits,
        links: RefCell::default(),
        kinds: plan.filter.kinds,
        name_filter: plan.name_filter,
        numbers: plan.form.form == codec::Form::Heka,
        trace: plan.net.trace,
    };
    let tail = Tail {
        names: plan.names,
        place: plan.place,
        choice: plan.choice,
        task: plan.task,
        sort: plan.sort,
        lines: plan.lines,
        redial: Redial::new(plan.backoff),
        writing: plan.writing,
    };
    Ok((session, tail))
}

fn dialers(plan: &Plan, ssl_disabled: bool) -> Result<Arc<Dialers>, Stop> {
    let tls = || Client::new(plan.net.tls(ssl_disabled));
    let dialers = Dialers {
        plain: Dialer { settings: plan.net.plain.clone(), tls: tls() },
        private: Dialer { settings: plan.net.private.clone(), tls: tls() },
    };
    if plan.net.tls.is_used() {
        dialers.private.tls.config()?;
    }
    Ok(Arc::new(dialers))
}

fn limits(plan: &Plan) -> Limits {
    Limits {
        connect: plan.net.plain.connect_timeout,
        idle: plan.net.idle.and_then(|idle| idle.0),
        keepalive: plan.keepalive,
        max_message: plan.max_message,
        delay: plan.delay,
    }
}

/// Determines the actual source of the token.
fn source(source: Source, config: &Config) -> Result<Source, Stop> {
    match source {
        Source::Config if config.access_token.is_none() && !uaa::can_refresh(config) => {
            Ok(Source::Nowhere)
        }
        Source::Client if config.uaa.is_none() => {
            Err(Stop::usage("no UAA is known: --uaa names it, or 'cf api' sets it"))
        }
        source => Ok(source),
    }
}

impl Tail {
    fn run(&self, session: &Session) -> Result<Status, Stop> {
        let mut choice = self.choice.clone();
        let target = session.config.target.clone().unwrap_or_default();
        let mut redial = self.redial;
        choice.apps = persist(session, &mut redial, &target, || self.apps(session))
            .map_err(|failure| failure.into_stop("api", &target))?;
        let names = choice.apps.iter().map(|app| (app.id.clone(), app.name.clone())).collect();
        session.sink.lock().name_sources(names);
        let unknown = |failure: Failure| match &choice.endpoint {
            Some(endpoint) => failure.into_stop("log", endpoint),
            None => failure.into_stop("api", &target),
        };
        match &self.task {
            Task::ContainerMetrics => self.container_metrics(session, &choice),
            Task::Meta => self.meta(session, &choice.cache_client(session).map_err(unknown)?),
            Task::Query(parameters) => {
                self.query(session, &choice.cache_client(session).map_err(unknown)?, parameters)
            }
            Task::Logs { recent, follow } => {
                let url = choice.endpoint.as_deref().unwrap_or(&target);
                let server = persist(session, &mut redial, url, || choice.server(session))
                    .map_err(unknown)?;
                let logs = Logs {
                    session,
                    server: server.as_ref(),
                    sources: choice.ids(),
                    sort: self.sort,
                    lines: self.lines,
                };
                logs.write(*recent, *follow, self.redial)
            }
        }
    }

    /// Writes the resource usage of the apps' instances.
    fn container_metrics(&self, session: &Session, choice: &Choice) -> Result<Status, Stop> {
        let mut redial = self.redial;
        let target = session.config.target.as_deref().unwrap_or_default();
        let url = choice.endpoint.as_deref().unwrap_or(target);
        let server = if choice.via == Via::LogCache { "log-cache" } else { "trafficcontroller" };
        let metrics = persist(session, &mut redial, url, || choice.container_metrics(session))
            .map_err(|failure| failure.into_stop(server, url))?;
        let mut intake = Intake::new(choice.ids(), session.limits.delay, false);
        intake.put_all(&session.sink, metrics.envelopes, false)?;
        Ok(Status::failed_if(metrics.is_cut))
    }

    /// Writes the result of a query.
    fn query(
        &self,
        session: &Session,
        cache: &log_cache::Client,
        parameters: &[(&str, String)],
    ) -> Result<Status, Stop> {
        let mut redial = self.redial;
        let url = cache.url();
        let answer = persist(session, &mut redial, &url, || cache.query(session, parameters))
            .map_err(|failure| failure.into_stop("log-cache", &url))?;
        session.sink.lock().put_document(&answer)?;
        Ok(Status::Done)
    }

    /// Writes log-cache's information about its sources, with the names of apps if the platform can
    /// be asked.
    fn meta(&self, session: &Session, cache: &log_cache::Client) -> Result<Status, Stop> {
        let mut redial = self.redial;
        let url = cache.url();
        let meta = persist(session, &mut redial, &url, || cache.meta(session))
            .map_err(|failure| failure.into_stop("log-cache", &url))?;
        let mut names = Vec::new();
        let guids: Vec<&str> =
            meta.iter().map(|meta| meta.source.as_str()).filter(|id| is_guid(id)).collect();
        if self.may_ask(session) {
            let api = Api { http: &session.http, config: &session.config };
            match session.authorized(|token| api.app_names(token, &guids)) {
                Ok(known) => names = known,
                Err(Failure::Stopped(stop)) => return Err(stop),
                // The table is useful without them.
                Err(failure) => report::note(format_args!("names of apps: {failure}")),
            }
        }
        meta::put(session, &meta, &names.into_iter().collect())
    }

    /// Whether the platform is known, and may see the token.
    fn may_ask(&self, session: &Session) -> bool {
        let target = session.config.target.as_deref();
        target.is_some_and(|target| self.choice.may_see_token(session, target))
    }

    /// Returns the apps, looked up by name where necessary.
    fn apps(&self, session: &Session) -> Result<Vec<App>, Failure> {
        let is_old = matches!(self.choice.via, Via::Auto | Via::V1 | Via::Legacy);
        let lookup = Lookup {
            place: &self.place,
            may_ask: self.may_ask(session),
            may_be_source: !is_old || self.choice.endpoint.is_some(),
        };
        lookup.find(session, &self.names)
    }
}
