// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of cf-tail.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, Parser, ValueEnum};
use heka_core::cli::net::{RetryArgs, TlsArgs};
use heka_core::cli::{Common, Tool, Writing, forms, parse_buffer_size, parse_duration};
use heka_core::codec::Form;
use heka_core::net::Backoff;
use heka_core::net::Retries;
use heka_core::report::Stop;
use jiff::tz::TimeZone;

use crate::access::Source;
use crate::choose::{Choice, Via};
use crate::envelope::Kind;
use crate::filter::{Filter, StreamName};
use crate::form::parse_zone;
use crate::log_cache::{MAX_PAGE, Past};
use crate::net_args::{NetArgs, NetPlan};
use crate::secret::Secret;

/// Follow the logs of a Cloud Foundry app
///
/// Reads the log messages of APP, a name or a GUID, from whichever log server the platform has,
/// and writes them to standard output, one a line.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[arg(value_name = "APP", help = "App, by name or GUID; $APP_GUID if absent")]
    app: Option<String>,
    #[command(flatten)]
    server: ServerArgs,
    #[command(flatten)]
    what: WhatArgs,
    #[command(flatten)]
    form: FormArgs,
    #[command(flatten)]
    token: TokenArgs,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    tls: TlsArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Which server.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Server options")]
struct ServerArgs {
    /// URL of the log server [default: from cf's configuration]
    #[arg(short = 'a', long, value_name = "URL", value_hint = clap::ValueHint::Url)]
    endpoint: Option<String>,
    /// Server generation
    #[arg(long, value_name = "GENERATION", default_value = "auto")]
    via: Via,
    /// Read the firehose as SUBSCRIPTION
    #[arg(long, value_name = "SUBSCRIPTION", conflicts_with = "app")]
    firehose: Option<String>,
    /// Keepalive interval (legacy)
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = parse_duration)]
    keepalive: Duration,
    /// How late lines may arrive (log-cache)
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    delay: Duration,
    /// Longest message to accept
    #[arg(long, value_name = "SIZE", default_value = "64M", value_parser = parse_buffer_size)]
    max_message: usize,
}

/// What of it.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection options")]
struct WhatArgs {
    /// Print the logs that the server has kept
    #[arg(long)]
    recent: bool,
    /// Follow, also after --recent; 'forever' if the server ends
    #[arg(short, long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    follow: Option<Follow>,
    /// Print only the last NUM messages of --recent
    #[arg(short = 'n', long, value_name = "NUM")]
    lines: Option<usize>,
    /// Stop after NUM messages
    #[arg(long, value_name = "NUM")]
    max_count: Option<u64>,
    /// Sort the messages of --recent by time
    #[arg(long, overrides_with = "no_sort")]
    sort: bool,
    /// Keep the server's order
    #[arg(long, overrides_with = "sort")]
    no_sort: bool,
    /// Only these source types, such as APP or RTR
    #[arg(long, value_name = "TYPE", value_delimiter = ',')]
    source: Vec<String>,
    /// Only standard output or standard error
    #[arg(long, value_name = "STREAM")]
    stream: Option<StreamName>,
    /// Only these kinds [default: log, with --firehose any]
    #[arg(long = "type", value_name = "KIND", value_delimiter = ',')]
    types: Vec<KindName>,
    /// Print the resource usage of the app's instances (v1)
    #[arg(long, conflicts_with_all = ["recent", "follow", "firehose"])]
    container_metrics: bool,
    /// Print what log-cache holds for each source
    #[arg(long, conflicts_with_all = ["recent", "follow", "firehose", "container_metrics"])]
    meta: bool,
}

/// In which form.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output options")]
struct FormArgs {
    /// Output format
    #[arg(short, long, value_name = "FORM", default_value = "text",
          value_parser = forms(&[Form::Text, Form::Json, Form::Payload, Form::Heka]))]
    output: Form,
    /// JSON, one object a line
    #[arg(short, conflicts_with = "output")]
    json: bool,
    /// Payloads end with NUL
    #[arg(short = '0', long)]
    null: bool,
    /// Print lines exactly as cf version 7 or 6 does
    #[arg(long, value_name = "VERSION", num_args = 0..=1, require_equals = true, default_missing_value = "7")]
    cf_style: Option<CfStyle>,
    /// Print control characters to a terminal
    #[arg(long)]
    raw: bool,
    /// Time zone of printed times
    #[arg(long, value_name = "ZONE", default_value = "local", value_parser = parse_zone)]
    time_zone: TimeZone,
    /// Limit on output pending for a slow reader
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = parse_buffer_size)]
    buffer: usize,
}

/// With which token.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access options")]
struct TokenArgs {
    /// File containing the token (-: standard input)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Command that prints a token, such as 'cf oauth-token'
    #[arg(long, value_name = "COMMAND", conflicts_with = "token_file")]
    token_command: Option<String>,
    /// Accept secret files that others can read or change
    #[arg(long)]
    force: bool,
    /// Store refreshed tokens in cf's config.json
    #[arg(long)]
    save_tokens: bool,
}

/// How to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Follow {
    /// Until the server ends the stream
    Yes,
    /// Begin anew when the server ends it
    Forever,
}

/// cf's own styles.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum CfStyle {
    /// cf 6.27 and later
    #[value(name = "7")]
    Cf7,
    /// cf 6.12 to 6.25
    #[value(name = "6")]
    Cf6,
}

/// A kind, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindName {
    /// Of this kind.
    One(Kind),
    /// Of any kind.
    Any,
}

impl ValueEnum for KindName {
    fn value_variants<'a>() -> &'a [Self] {
        use Kind::{Container, Counter, Error, Event, Gauge, Http, Log, Timer, Value};
        const ALL: [KindName; 10] = [
            KindName::One(Log),
            KindName::One(Http),
            KindName::One(Value),
            KindName::One(Counter),
            KindName::One(Container),
            KindName::One(Gauge),
            KindName::One(Timer),
            KindName::One(Event),
            KindName::One(Error),
            KindName::Any,
        ];
        &ALL
    }

    fn to_possible_value(&self) -> Option<clap::builder::PossibleValue> {
        Some(match self {
            Self::One(kind) => clap::builder::PossibleValue::new(kind.name()),
            Self::Any => clap::builder::PossibleValue::new("any"),
        })
    }
}

impl Tool for Cli {
    const NAME: &'static str = "cf-tail";
    fn common(&self) -> &Common {
        &self.common
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The app as it was named.
    pub(crate) app: Option<String>,
    /// Which server; its app is not looked up yet.
    pub(crate) choice: Choice,
    pub(crate) task: Task,
    pub(crate) sort: bool,
    pub(crate) lines: Option<usize>,
    pub(crate) max_count: Option<u64>,
    pub(crate) filter: Filter,
    pub(crate) form: Form,
    pub(crate) null: bool,
    pub(crate) cf_style: Option<CfStyle>,
    pub(crate) raw: bool,
    pub(crate) zone: TimeZone,
    pub(crate) buffer: usize,
    pub(crate) access: AccessPlan,
    pub(crate) net: NetPlan,
    pub(crate) keepalive: Duration,
    pub(crate) delay: Duration,
    pub(crate) max_message: usize,
    pub(crate) backoff: Backoff,
    pub(crate) color: heka_core::cli::When,
    pub(crate) cf_color: Option<bool>,
    pub(crate) writing: Writing,
}

/// What to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Write what the server has kept; then perhaps follow.
    Logs { recent: bool, follow: Option<Follow> },
    /// Write what instances use.
    ContainerMetrics,
    /// Tell what log-cache keeps.
    Meta,
}

/// Where the token comes from.
#[derive(Debug)]
pub(crate) struct AccessPlan {
    pub(crate) source: Source,
    /// The folder where cf keeps its own.
    pub(crate) home: Option<PathBuf>,
    pub(crate) force: bool,
    pub(crate) save: bool,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let app = self.app.clone().or_else(|| environment("APP_GUID"));
        let app = app.filter(|_| self.server.firehose.is_none());
        if app.as_deref().is_some_and(|app| app.chars().any(char::is_control)) {
            return Err(Stop::usage("APP must not have control characters"));
        }
        if app.is_none()
            && self.server.firehose.is_none()
            && !self.what.meta
            && self.server.via != Via::Rlp
        {
            return Err(Stop::usage("APP is missing (a name or a GUID, or $APP_GUID)"));
        }
        let task = self.what.task();
        let is_recent = matches!(task, Task::Logs { recent: true, .. });
        if self.what.lines.is_some() && !is_recent {
            return Err(Stop::usage("--lines counts what --recent gives"));
        }
        if (self.what.sort || self.what.no_sort) && !is_recent {
            return Err(Stop::usage("--sort and --no-sort are about what --recent gives"));
        }
        if task == Task::Meta && (self.form.json || self.form.output != Form::Text) {
            return Err(Stop::usage("--meta has a form of its own"));
        }
        if self.form.null && self.form.output != Form::Payload {
            return Err(Stop::usage("--null belongs to -o payload"));
        }
        if self.form.cf_style.is_some() && (self.form.output != Form::Text || self.form.json) {
            return Err(Stop::usage("--cf-style belongs to -o text"));
        }
        let choice = Choice {
            via: self.server.via,
            endpoint: self.server.endpoint.clone(),
            app: None,
            firehose: self.server.firehose.clone(),
            past: self.what.past(task),
        };
        Ok(Plan {
            app,
            choice,
            task,
            sort: !self.what.no_sort,
            lines: self.what.lines,
            max_count: self.what.max_count,
            filter: self.what.filter(self.server.firehose.is_some()),
            form: if self.form.json { Form::Json } else { self.form.output },
            null: self.form.null,
            cf_style: self.form.cf_style,
            raw: self.form.raw,
            zone: self.form.time_zone,
            buffer: self.form.buffer,
            access: self.token.plan()?,
            net: self.net.plan(self.tls)?,
            keepalive: self.server.keepalive.max(Duration::from_millis(1)),
            delay: self.server.delay,
            max_message: self.server.max_message,
            backoff: self.retry.plan(Backoff {
                delay: Duration::from_millis(500),
                max_delay: Duration::from_secs(60),
                retries: Retries::Times(0),
                ..Backoff::default()
            }),
            color: self.common.color,
            cf_color: environment("CF_COLOR").and_then(|text| parse_bool(&text)),
            writing: self.writing,
        })
    }
}

impl WhatArgs {
    fn task(&self) -> Task {
        if self.container_metrics {
            return Task::ContainerMetrics;
        }
        if self.meta {
            return Task::Meta;
        }
        let follow = self.follow.or((!self.recent).then_some(Follow::Yes));
        Task::Logs { recent: self.recent, follow }
    }

    /// What to ask log-cache for: as few as are wanted, if that can be told beforehand.
    fn past(&self, task: Task) -> Past {
        let is_joined = matches!(task, Task::Logs { follow: Some(_), .. });
        let is_filtered = !self.source.is_empty() || self.stream.is_some();
        let count = match self.lines {
            Some(lines) if is_joined || is_filtered => lines.max(MAX_PAGE),
            Some(lines) => lines,
            None => MAX_PAGE,
        };
        Past { count, is_joined }
    }

    fn filter(&self, is_firehose: bool) -> Filter {
        let any = self.types.contains(&KindName::Any)
            || (self.types.is_empty() && (is_firehose || self.container_metrics));
        let named = self.types.iter().filter_map(|kind| match kind {
            KindName::One(kind) => Some(*kind),
            KindName::Any => None,
        });
        let kinds = match (any, self.types.is_empty()) {
            (true, _) => Vec::new(),
            (false, true) => vec![Kind::Log],
            (false, false) => named.collect(),
        };
        Filter { sources: self.source.clone(), stream: self.stream, kinds }
    }
}

impl TokenArgs {
    fn plan(self) -> Result<AccessPlan, Stop> {
        let home = environment("CF_HOME").or_else(|| environment("HOME")).map(PathBuf::from);
        let source = if let Some(path) = self.token_file {
            Source::File(path)
        } else if let Some(line) = self.token_command {
            Source::Command(line)
        } else if let Some(token) = environment("CF_ACCESS_TOKEN") {
            Source::Given(Secret::new(token))
        } else {
            Source::Config
        };
        if self.save_tokens && !matches!(source, Source::Config) {
            return Err(Stop::usage(
                "--save-tokens needs the token to be that of cf's config.json",
            ));
        }
        Ok(AccessPlan { source, home, force: self.force, save: self.save_tokens })
    }
}

/// A variable, if it is set, not empty, and text.
#[expect(clippy::disallowed_methods, reason = "the environment is read where the plan is made")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}

/// What Go's `ParseBool` takes.
fn parse_bool(text: &str) -> Option<bool> {
    match text {
        "1" | "t" | "T" | "true" | "TRUE" | "True" => Some(true),
        "0" | "f" | "F" | "false" | "FALSE" | "False" => Some(false),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
