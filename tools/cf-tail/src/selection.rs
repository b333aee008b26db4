// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags for the request.

use std::time::Duration;

use clap::{Args, ValueEnum};
use heka_core::cli::parse_duration;
use heka_core::codec::regular::Regular;
use heka_core::os::clock;
use heka_core::report::Stop;
use jiff::Timestamp;

use crate::envelope::Kind;
use crate::filter::{Filter, StreamName};
use crate::log_cache::{MAX_PAGE, Past};

/// The request.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Selection options")]
pub(crate) struct WhatArgs {
    /// Print the logs that the server has kept
    #[arg(long)]
    recent: bool,
    /// Follow, also after --recent; 'forever' if the server ends
    #[arg(short, long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "yes")]
    follow: Option<Follow>,
    /// Print only the last NUM messages (implies --recent)
    #[arg(short = 'n', long, value_name = "NUM")]
    pub(crate) lines: Option<usize>,
    /// Stop after NUM messages
    #[arg(long, value_name = "NUM")]
    pub(crate) max_count: Option<u64>,
    /// Only messages of the last DURATION (implies --recent)
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, conflicts_with = "start_time")]
    since: Option<Duration>,
    /// Only messages from TIME on (implies --recent)
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    start_time: Option<i64>,
    /// Only messages before TIME (implies --recent)
    #[arg(long, value_name = "TIME", value_parser = parse_time, allow_hyphen_values = true)]
    end_time: Option<i64>,
    /// Sort the messages of --recent by time (default)
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
    #[arg(short = 't', long = "type", alias = "envelope-type", value_name = "KIND")]
    #[arg(value_delimiter = ',', ignore_case = true)]
    types: Vec<KindName>,
    /// Only kinds of this class
    #[arg(short = 'c', long = "envelope-class", value_name = "CLASS", ignore_case = true)]
    #[arg(conflicts_with = "types")]
    class: Option<Class>,
    /// Only metrics whose name matches REGEX
    #[arg(long, value_name = "REGEX")]
    name_filter: Option<String>,
    /// Print the resource usage of the app's instances
    #[arg(long, conflicts_with_all = ["recent", "follow"])]
    container_metrics: bool,
    /// Print what log-cache holds for each source
    #[arg(long, conflicts_with_all = ["recent", "follow", "container_metrics"])]
    meta: bool,
    #[arg(long, value_name = "PROMQL", help = "Print log-cache's answer to a PromQL expression")]
    #[arg(conflicts_with_all = ["recent", "follow", "lines", "container_metrics", "meta", "types"])]
    query: Option<String>,
    /// Resolution of --query over a range of time
    #[arg(long, value_name = "DURATION", value_parser = parse_duration, requires = "query")]
    step: Option<Duration>,
}

/// How to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Follow {
    /// Until the server ends the stream
    Yes,
    /// Reconnect when the server ends the stream
    Forever,
}

/// A class of kinds, as in `cf tail`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Class {
    /// Lines and events
    Logs,
    /// Counters, gauges, timers and container metrics
    Metrics,
    /// Everything
    Any,
}

/// A kind, or all of them.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum KindName {
    /// This kind.
    One(Kind),
    /// Any kind.
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

/// The task.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Task {
    /// Write what the server has kept, and follow if requested.
    Logs { recent: bool, follow: Option<Follow> },
    /// Write the resource usage of instances.
    ContainerMetrics,
    /// Report what log-cache contains.
    Meta,
    /// Query log-cache with these parameters.
    Query(Vec<(&'static str, String)>),
}

impl WhatArgs {
    /// Returns the task.
    ///
    /// # Errors
    /// If flags do not go together.
    pub(crate) fn task(&self) -> Result<Task, Stop> {
        let task = self.chosen();
        let is_recent = matches!(task, Task::Logs { recent: true, .. });
        let has_time = self.since.is_some() || self.start_time.is_some() || self.end_time.is_some();
        if self.lines.is_some() && !is_recent {
            return Err(Stop::usage("--lines needs --recent"));
        }
        if has_time && !is_recent && !matches!(task, Task::Query(_)) {
            return Err(Stop::usage("--since, --start-time and --end-time need --recent"));
        }
        if self.end_time.is_some() && self.follow.is_some() {
            return Err(Stop::usage("--end-time and --follow exclude each other"));
        }
        if let (Some(start), Some(end)) = (self.start(), self.end_time)
            && start >= end
        {
            return Err(Stop::usage("--end-time is not after --start-time"));
        }
        if (self.sort || self.no_sort) && !is_recent {
            return Err(Stop::usage("--sort and --no-sort need --recent"));
        }
        Ok(task)
    }

    fn chosen(&self) -> Task {
        if self.container_metrics {
            return Task::ContainerMetrics;
        }
        if self.meta {
            return Task::Meta;
        }
        if let Some(query) = &self.query {
            return Task::Query(self.parameters(query));
        }
        let has_time = self.since.is_some() || self.start_time.is_some() || self.end_time.is_some();
        let recent = self.recent || self.lines.is_some() || has_time;
        Task::Logs { recent, follow: self.follow.or((!recent).then_some(Follow::Yes)) }
    }

    /// Returns the parameters of a `PromQL` query: for a time range, a point in time, or now.
    fn parameters(&self, query: &str) -> Vec<(&'static str, String)> {
        let seconds =
            |time: i64| format!("{}.{:03}", time / 1_000_000_000, time / 1_000_000 % 1000);
        let mut parameters = vec![("query", query.to_owned())];
        match (self.start(), self.end_time) {
            (Some(start), end) => {
                parameters.push(("start", seconds(start)));
                parameters.push(("end", seconds(end.unwrap_or_else(clock::now_ns))));
                let step = self.step.unwrap_or(Duration::from_secs(60));
                parameters.push(("step", format!("{}s", step.as_secs_f64())));
            }
            (None, Some(end)) => parameters.push(("time", seconds(end))),
            (None, None) => {}
        }
        parameters
    }

    /// Whether kept messages are sorted.
    pub(crate) fn sorts(&self) -> bool {
        !self.no_sort
    }

    fn start(&self) -> Option<i64> {
        let since = self.since.map(|since| i64::try_from(since.as_nanos()).unwrap_or(i64::MAX));
        since.map(|since| clock::now_ns().saturating_sub(since)).or(self.start_time)
    }

    /// Returns what to request from log-cache: only as many as are wanted, if that is known in
    /// advance.
    pub(crate) fn past(&self, task: &Task) -> Past {
        let is_joined = matches!(task, Task::Logs { follow: Some(_), .. });
        let is_mapped = self.types.iter().any(|name| match name {
            KindName::One(kind) => kind.in_v2() != *kind,
            KindName::Any => false,
        });
        let is_filtered = !self.source.is_empty() || self.stream.is_some() || is_mapped;
        let count = self.lines.map(|lines| match is_joined || is_filtered {
            true => lines.max(MAX_PAGE),
            false => lines,
        });
        Past { count, is_joined, start: self.start(), end: self.end_time }
    }

    /// Returns the filter.
    ///
    /// # Errors
    /// If the regular expression is invalid.
    pub(crate) fn filter(&self, is_firehose: bool) -> Result<Filter, Stop> {
        let name = self.name_filter.as_deref().map(Regular::new).transpose();
        let name = name.map_err(|error| Stop::usage(format_args!("--name-filter: {error}")))?;
        let has_any = self.types.contains(&KindName::Any);
        let kinds = match self.class {
            Some(Class::Logs) => vec![Kind::Log, Kind::Event],
            Some(Class::Metrics) => vec![Kind::Counter, Kind::Gauge, Kind::Timer],
            Some(Class::Any) => Vec::new(),
            None if has_any || (self.types.is_empty() && self.container_metrics) => Vec::new(),
            None if self.types.is_empty() && (is_firehose || name.is_some()) => Vec::new(),
            None if self.types.is_empty() => vec![Kind::Log],
            None => self.named(),
        };
        let (sources, stream) = (self.source.clone(), self.stream);
        Ok(Filter { sources, stream, kinds, name, start: self.start(), end: self.end_time })
    }

    /// Returns the kinds requested by name, which a server must support.
    pub(crate) fn named(&self) -> Vec<Kind> {
        let named = self.types.iter().filter_map(|kind| match kind {
            KindName::One(kind) => Some(*kind),
            KindName::Any => None,
        });
        match self.class {
            Some(Class::Metrics) => vec![Kind::Counter],
            _ => named.collect(),
        }
    }

    /// Returns the expression for names of metrics, in log-cache's syntax.
    pub(crate) fn name_filter(&self) -> Option<String> {
        self.name_filter.clone()
    }
}

/// Parses a time in nanoseconds since 1970, or in RFC 3339 (a value parser).
fn parse_time(text: &str) -> Result<i64, String> {
    let wrong = || "expected nanoseconds since 1970, or a time such as 2026-01-31T12:00:00Z";
    if let Ok(nanoseconds) = text.parse() {
        return Ok(nanoseconds);
    }
    let time: Timestamp = text.parse().map_err(|_| wrong())?;
    i64::try_from(time.as_nanosecond()).map_err(|_| wrong().to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_nanoseconds_or_rfc_3339() {
        assert_eq!(parse_time("1500000000000000000"), Ok(1_500_000_000_000_000_000));
        assert_eq!(parse_time("2017-07-14T02:40:00Z"), Ok(1_500_000_000_000_000_000));
        assert_eq!(parse_time("2017-07-14T04:40:00.5+02:00"), Ok(1_500_000_000_500_000_000));
        assert!(parse_time("yesterday").is_err() && parse_time("").is_err());
    }
}
