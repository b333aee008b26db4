// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds the server, writes what it has kept, follows what it says, and begins anew where that is
//! worth it.

use std::cell::RefCell;
use std::sync::Arc;
use std::time::Duration;

use heka_core::cli::settle_form;
use heka_core::codec;
use heka_core::net::tls::Client;
use heka_core::net::{Dialer, Redial};
use heka_core::os::{Backlog, Output};
use heka_core::report::{self, Status, Stop, stats};

use crate::access::{Access, Source};
use crate::again::persist;
use crate::api;
use crate::choose::{Choice, Via};
use crate::cli::{CfStyle, Plan, Task};
use crate::config::Config;
use crate::failure::Failure;
use crate::follow::Logs;
use crate::form::{Form, Text};
use crate::http::Http;
use crate::intake::Intake;
use crate::meta;
use crate::server::Server as _;
use crate::session::{Limits, Session};
use crate::sink::Sink;
use crate::uaa;
use crate::wire::{Dialers, Line};

/// Longest silence of an HTTP stream, if no other is given: four of the gateway's heartbeats.
const SILENCE: Duration = Duration::from_secs(60);

/// Does what the plan says.
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
    let sink = Sink::new(Backlog::new(out), form, plan.filter.clone(), plan.buffer, plan.max_count)
        .shared();
    let (session, tail) = connect(plan, config, sink)?;
    let outcome = tail.run(&session);
    let mut sink = session.sink.lock();
    // Also what came before an error or a signal is written.
    sink.finish()?;
    let done = match outcome {
        Ok(status) | Err(Stop::Said(status)) => status,
        Err(stop) => return Err(stop),
    };
    let status = done.and(Status::failed_if(sink.lost() > 0));
    Ok(status.and(tail.writing.status(stats::MESSAGES.value())))
}

fn output(plan: &Plan) -> Result<Output, Stop> {
    let out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
    match plan.form {
        // Text has colours of its own, so it sees to harmlessness itself.
        codec::Form::Text => Ok(out),
        codec::Form::Payload | codec::Form::Json if plan.raw => Ok(out),
        form => settle_form(form, out),
    }
}

fn form(plan: &Plan, config: &Config, out: &Output) -> Form {
    let mut text = Text::new(plan.zone.clone());
    let is_terminal = out.is_terminal();
    text.harmless = is_terminal && !plan.raw;
    text.exactly_cf = plan.cf_style.is_some();
    text.color = match plan.color {
        heka_core::cli::When::Auto => {
            let wanted = plan.cf_color.or(config.color);
            wanted.unwrap_or_else(|| plan.color.decide(is_terminal))
        }
        when => when.decide(is_terminal),
    };
    match (plan.form, plan.cf_style) {
        (codec::Form::Json, _) => Form::Json,
        (codec::Form::Payload, _) => Form::Payload(if plan.null { 0 } else { b'\n' }),
        (codec::Form::Heka, _) => Form::Heka,
        (_, Some(CfStyle::Cf6)) => Form::Cf6(text),
        (..) => Form::Text(text),
    }
}

/// What the plan leaves to do once there is a session.
struct Tail {
    app: Option<String>,
    choice: Choice,
    task: Task,
    sort: bool,
    lines: Option<usize>,
    redial: Redial,
    writing: heka_core::cli::Writing,
}

fn connect(plan: Plan, config: Config, sink: crate::sink::Shared) -> Result<(Session, Tail), Stop> {
    let disabled = config.ssl_disabled;
    let tls = || Client::new(plan.net.tls(disabled));
    let dialers = Arc::new(Dialers {
        plain: Dialer { settings: plan.net.plain.clone(), tls: tls() },
        private: Dialer { settings: plan.net.private.clone(), tls: tls() },
    });
    let connect = plan.net.plain.connect_timeout;
    let silence = plan.net.idle.map_or(Some(SILENCE), |idle| idle.0);
    let line = Line::new(Arc::clone(&dialers), sink.clone(), silence);
    let source = match plan.access.source {
        Source::Config if config.access_token.is_none() && !uaa::can_refresh(&config) => {
            Source::Nowhere
        }
        source => source,
    };
    let session = Session {
        http: Http::new(line, connect, plan.net.trace),
        access: RefCell::new(Access::new(source, plan.access.force, plan.access.save)),
        config,
        sink,
        dialers,
        limits: Limits {
            connect,
            idle: plan.net.idle.and_then(|idle| idle.0),
            keepalive: plan.keepalive,
            max_message: plan.max_message,
            delay: plan.delay,
        },
        links: RefCell::default(),
        kinds: plan.filter.kinds,
        trace: plan.net.trace,
    };
    let tail = Tail {
        app: plan.app,
        choice: plan.choice,
        task: plan.task,
        sort: plan.sort,
        lines: plan.lines,
        redial: Redial::new(plan.backoff),
        writing: plan.writing,
    };
    Ok((session, tail))
}

impl Tail {
    fn run(&self, session: &Session) -> Result<Status, Stop> {
        let mut choice = self.choice.clone();
        let target = session.config.target.clone().unwrap_or_default();
        let mut redial = self.redial;
        choice.app = persist(session, &mut redial, &target, || self.guid(session))
            .map_err(|failure| failure.into_stop("api", &target))?;
        let unknown = |failure: Failure| match &choice.endpoint {
            Some(endpoint) => failure.into_stop("log", endpoint),
            None => failure.into_stop("api", &target),
        };
        match self.task {
            Task::ContainerMetrics => {
                let server = choice.v1(session).map_err(unknown)?;
                let metrics = persist(session, &mut redial, &server.url(), || {
                    server.container_metrics(session)
                })
                .map_err(|failure| failure.into_stop(server.name(), &server.url()))?;
                Intake::default().put_all(&session.sink, metrics.envelopes, false)?;
                Ok(Status::failed_if(metrics.is_cut))
            }
            Task::Meta => {
                let server = choice.log_cache(session).map_err(unknown)?;
                let meta = persist(session, &mut redial, &server.url(), || server.meta(session))
                    .map_err(|failure| failure.into_stop(server.name(), &server.url()))?;
                meta::put(session, &meta)
            }
            Task::Logs { recent, follow } => {
                let server = persist(session, &mut redial, &target, || choice.server(session))
                    .map_err(unknown)?;
                let logs =
                    Logs { session, server: server.as_ref(), sort: self.sort, lines: self.lines };
                logs.write(recent, follow, self.redial)
            }
        }
    }

    /// The app's GUID: what is none is a name to look up, if the platform is known. What is no
    /// app's name may be the name of a source, where sources other than apps are kept.
    fn guid(&self, session: &Session) -> Result<Option<String>, Failure> {
        let Some(app) = &self.app else { return Ok(None) };
        let config = &session.config;
        let target = config.target.as_deref();
        let may_ask = target.is_some_and(|target| self.choice.may_see_token(session, target));
        if api::is_guid(app) || !may_ask || config.space.is_none() {
            return Ok(Some(app.clone()));
        }
        let found = session.authorized(|token| api::app_guid(&session.http, config, token, app));
        let may_be_source = matches!(self.choice.via, Via::LogCache | Via::Rlp);
        match found {
            Ok(guid) => {
                report::note(format_args!("{app} is {guid}"));
                Ok(Some(guid))
            }
            Err(Failure::NotFound(words)) if may_be_source || self.choice.endpoint.is_some() => {
                report::note(words);
                Ok(Some(app.clone()))
            }
            Err(failure) => Err(failure),
        }
    }
}
