// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of cf-tail.

use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Args, Parser, ValueEnum};
use heka_core::cli::net::{RetryArgs, TlsArgs};
use heka_core::cli::{
    Common, Help, Tool, Writing, choice, describe, parse_buffer_size, parse_duration,
};
use heka_core::codec::Form;
use heka_core::net::Backoff;
use heka_core::net::Retries;
use heka_core::report::Stop;
use heka_core::report::stats::Metric;
use jiff::tz::TimeZone;

use crate::access_args::{AccessPlan, TokenArgs, environment};
use crate::apps::Place;
use crate::choose::{Choice, Via};
use crate::filter::Filter;
use crate::form::parse_zone;
use crate::net_args::{NetArgs, NetPlan};
use crate::selection::{Task, WhatArgs};

/// Follow the logs of a Cloud Foundry app
///
/// Reads the log messages of each APP, a name or a GUID, from whichever log server the platform
/// has, and writes them to standard output, one a line.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[arg(value_name = "APP", help = "Apps, by name or GUID; $APP_GUID if absent")]
    apps: Vec<String>,
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

/// The server.
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
    #[arg(long, value_name = "SUBSCRIPTION", conflicts_with_all = ["apps", "container_metrics", "meta", "query"])]
    firehose: Option<String>,
    /// Org of --space, if not the one that cf targets
    #[arg(long, value_name = "ORG", requires = "space")]
    org: Option<String>,
    /// Space of the apps, if not the one that cf targets
    #[arg(long, value_name = "SPACE")]
    space: Option<String>,
    /// Keepalive interval (legacy)
    #[arg(long, value_name = "DURATION", default_value = "25s", value_parser = parse_duration)]
    keepalive: Duration,
    /// How late lines may arrive (log-cache)
    #[arg(long, value_name = "DURATION", default_value = "2s", value_parser = parse_duration)]
    delay: Duration,
    /// Longest message to accept
    #[arg(long = "max-record", alias = "max-message", value_name = "SIZE", default_value = "64M", value_parser = parse_buffer_size)]
    max_message: usize,
}

/// The form of the output.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output options")]
struct FormArgs {
    /// Output format
    #[arg(short, long, value_name = "FORM", default_value = "text",
          value_parser = parse_form())]
    output: Form,
    /// JSON, one object a line; the same as -o json
    #[arg(short, long, conflicts_with = "output")]
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
    /// Print a newline for CHAR in payloads [default CHAR: U+2028]
    #[arg(long, value_name = "CHAR", num_args = 0..=1, require_equals = true, default_missing_value = "\u{2028}", value_parser = parse_char)]
    new_line: Option<char>,
    /// Time zone of printed times
    #[arg(long, value_name = "ZONE", default_value = "local", value_parser = parse_zone)]
    time_zone: TimeZone,
    /// Limit on output pending for a slow reader
    #[arg(long, value_name = "SIZE", default_value = "32M", value_parser = parse_buffer_size)]
    buffer: usize,
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

impl Tool for Cli {
    const NAME: &'static str = "cf-tail";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        RetryArgs::show_defaults(command, backoff())
    }
}

/// The form of the output.
#[derive(Debug)]
pub(crate) struct FormPlan {
    pub(crate) form: Form,
    pub(crate) null: bool,
    pub(crate) cf_style: Option<CfStyle>,
    pub(crate) raw: bool,
    /// The character to replace by a newline in payloads.
    pub(crate) new_line: Option<char>,
    pub(crate) zone: TimeZone,
    /// Maximum number of bytes kept for a slow reader.
    pub(crate) buffer: usize,
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The apps as the user named them.
    pub(crate) names: Vec<String>,
    /// Where they are.
    pub(crate) place: Place,
    /// The server; its apps have not been looked up.
    pub(crate) choice: Choice,
    pub(crate) task: Task,
    pub(crate) sort: bool,
    pub(crate) lines: Option<usize>,
    pub(crate) max_count: Option<u64>,
    pub(crate) filter: Filter,
    /// The expression for names of metrics.
    pub(crate) name_filter: Option<String>,
    pub(crate) form: FormPlan,
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

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let task = self.what.task()?;
        let names = self.names(&task)?;
        self.form.check(&task)?;
        let is_firehose = self.server.firehose.is_some();
        let filter = self.what.filter(is_firehose)?;
        let is_past = matches!(task, Task::Logs { follow: None, .. });
        let choice = Choice {
            via: self.server.via,
            endpoint: self.server.endpoint,
            apps: Vec::new(),
            firehose: self.server.firehose,
            past: self.what.past(&task),
            kinds: self.what.named(),
            is_past,
        };
        Ok(Plan {
            names,
            place: Place { org: self.server.org, space: self.server.space },
            choice,
            task,
            sort: self.what.sorts(),
            lines: self.what.lines,
            max_count: self.what.max_count,
            filter,
            name_filter: self.what.name_filter(),
            form: self.form.plan(),
            access: self.token.plan()?,
            net: self.net.plan(self.tls)?,
            keepalive: self.server.keepalive.max(Duration::from_millis(1)),
            delay: self.server.delay,
            max_message: self.server.max_message,
            backoff: self.retry.plan(backoff()),
            color: self.common.color,
            cf_color: environment("CF_COLOR").and_then(|text| parse_bool(&text)),
            writing: self.writing,
        })
    }

    /// Returns the apps as named.
    fn names(&self, task: &Task) -> Result<Vec<String>, Stop> {
        if self.server.firehose.is_some() {
            return Ok(Vec::new());
        }
        let mut names = self.apps.clone();
        if names.is_empty() {
            names.extend(environment("APP_GUID"));
        }
        if names.iter().any(|app| app.chars().any(char::is_control)) {
            return Err(Stop::usage("APP must not have control characters"));
        }
        if matches!(task, Task::Meta | Task::Query(_)) {
            return Ok(Vec::new());
        }
        if names.is_empty() && self.server.via != Via::Rlp {
            return Err(Stop::usage("no APP given (a name or a GUID, or $APP_GUID)"));
        }
        Ok(names)
    }
}

fn parse_form() -> impl TypedValueParser<Value = Form> {
    choice([Form::Text, Form::Json, Form::Payload, Form::Heka].into_iter().map(|form| {
        let help = match form {
            Form::Text => "One line a message: time, source, OUT or ERR, text",
            other => describe(other),
        };
        (form, form.name(), help)
    }))
}

/// Returns the delays of noaa, without retries unless requested.
fn backoff() -> Backoff {
    Backoff {
        delay: Duration::from_millis(500),
        max_delay: Duration::from_secs(60),
        retries: Retries::Times(0),
        ..Backoff::default()
    }
}

impl FormArgs {
    fn check(&self, task: &Task) -> Result<(), Stop> {
        let is_text = self.output == Form::Text && !self.json;
        if *task == Task::Meta && !is_text {
            return Err(Stop::usage("--meta has its own format"));
        }
        if self.null && self.output != Form::Payload {
            return Err(Stop::usage("--null needs -o payload"));
        }
        if self.cf_style.is_some() && !is_text {
            return Err(Stop::usage("--cf-style needs -o text"));
        }
        Ok(())
    }

    fn plan(self) -> FormPlan {
        FormPlan {
            form: if self.json { Form::Json } else { self.output },
            null: self.null,
            cf_style: self.cf_style,
            raw: self.raw,
            new_line: self.new_line,
            zone: self.time_zone,
            buffer: self.buffer,
        }
    }
}

/// Parses one character, or `\\uXXXX` (a value parser).
fn parse_char(text: &str) -> Result<char, String> {
    let mut chars = text.chars();
    if let (Some(only), None) = (chars.next(), chars.next()) {
        return Ok(only);
    }
    let code = text.strip_prefix("\\u").and_then(|digits| u32::from_str_radix(digits, 16).ok());
    let wrong = || "expected one character, or its code as in \\u2028".to_owned();
    code.and_then(char::from_u32).ok_or_else(wrong)
}

/// Parses what Go's `ParseBool` accepts.
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

    #[test]
    fn a_character_may_be_a_code() {
        assert_eq!(super::parse_char("\\u2028"), Ok('\u{2028}'));
        assert_eq!(super::parse_char("é"), Ok('é'));
        assert!(super::parse_char("ab").is_err() && super::parse_char("").is_err());
    }
}
