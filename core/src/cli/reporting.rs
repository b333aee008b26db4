// SPDX-License-Identifier: MIT OR Apache-2.0
//! A tool's reports about itself: flags of every tool, and settings of a service manager.

use std::fs::File;
use std::os::fd::AsFd as _;
use std::os::unix::fs::MetadataExt as _;
use std::path::PathBuf;
use std::time::Duration;

use clap::{Args, ValueEnum, ValueHint};

use super::parse_duration;
use crate::os::reporter::Reporter;
use crate::os::{MetricsFile, Notify};
use crate::report::{Format, Stop};

/// Default interval of `--metrics`.
const METRICS_PERIOD: Duration = Duration::from_secs(10);

/// Flags of every tool for its statistics and diagnostics.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Reporting {
    /// Print statistics on exit: text or json
    #[arg(long, value_name = "FORM", num_args = 0..=1, require_equals = true,
          default_missing_value = "text")]
    stats: Option<StatsForm>,
    /// Print statistics every DURATION
    #[arg(long, value_name = "DURATION", value_parser = parse_period)]
    stats_every: Option<Duration>,
    /// Write metrics for Prometheus to FILE[,PERIOD]
    #[arg(long, value_name = "FILE", value_parser = parse_metrics,
          value_hint = ValueHint::FilePath)]
    metrics: Option<(PathBuf, Duration)>,
    /// Format of messages on stderr
    #[arg(long, value_name = "FORM", default_value = "auto")]
    log_format: LogFormat,
    /// Show progress on a terminal
    #[arg(long)]
    pub(super) progress: bool,
}

/// The form of statistics.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
enum StatsForm {
    /// One line for people
    Text,
    /// One JSON object
    Json,
}

/// The format of messages on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
enum LogFormat {
    /// With priorities if stderr is the journal, else text
    #[default]
    Auto,
    /// PROGRAM: SUBJECT: CAUSE
    Text,
    /// One JSON object a line
    Json,
}

impl Reporting {
    /// Whether any statistics were requested.
    pub fn counts(&self) -> bool {
        self.progress
            || self.stats.is_some()
            || self.stats_every.is_some()
            || self.metrics.is_some()
    }

    pub(super) fn prints_stats(&self) -> bool {
        self.stats.is_some()
    }

    pub(super) fn is_json(&self) -> bool {
        self.stats == Some(StatsForm::Json)
    }

    /// Returns the format of lines on stderr; `color` says whether colour is wanted.
    pub(super) fn format(&self, color: bool) -> Format {
        match self.log_format {
            LogFormat::Json => Format::Json,
            LogFormat::Auto if is_journal() => Format::Journal,
            _ if color => Format::Color,
            _ => Format::Text,
        }
    }

    /// Returns the reporter of statistics.
    pub(super) fn reporter(&self) -> Result<Reporter, Stop> {
        let metrics = self.metrics.clone().map(|(path, period)| {
            let shown = path.display().to_string();
            MetricsFile::new(path, period)
                .map_err(|why| Stop::usage(format_args!("--metrics: {shown}: {why}")))
        });
        Ok(Reporter { every: self.stats_every, metrics: metrics.transpose()?, notify: notify() })
    }
}

/// Parses a duration other than zero.
fn parse_period(text: &str) -> Result<Duration, String> {
    let period = parse_duration(text)?;
    if period.is_zero() { Err("must be more than 0".to_owned()) } else { Ok(period) }
}

/// Parses a path with an optional interval. A comma that is not followed by a duration belongs to
/// the path.
fn parse_metrics(text: &str) -> Result<(PathBuf, Duration), String> {
    let (path, period) = match text.rsplit_once(',') {
        Some((path, period)) if parse_duration(period).is_ok() => (path, parse_period(period)?),
        _ => (text, METRICS_PERIOD),
    };
    if path.is_empty() {
        return Err("expected a file".to_owned());
    }
    Ok((path.into(), period))
}

#[expect(clippy::disallowed_methods, reason = "the environment is read here for all tools")]
fn variable(name: &str) -> Option<std::ffi::OsString> {
    std::env::var_os(name).filter(|value| !value.is_empty())
}

/// Returns the connection to the service manager, if it requested notifications.
fn notify() -> Option<Notify> {
    let number = |name| variable(name)?.to_str()?.parse::<u64>().ok();
    let is_ours = number("WATCHDOG_PID").is_none_or(|pid| pid == u64::from(std::process::id()));
    let watchdog = number("WATCHDOG_USEC").filter(|&micros| is_ours && micros > 0);
    Notify::new(&variable("NOTIFY_SOCKET")?, watchdog.map(Duration::from_micros))
}

/// Whether stderr is connected to the journal: systemd.exec(5), `JOURNAL_STREAM`.
fn is_journal() -> bool {
    let Some(stream) = variable("JOURNAL_STREAM") else { return false };
    #[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
    let stderr = std::io::stderr().as_fd().try_clone_to_owned();
    let file = stderr.ok().and_then(|fd| File::from(fd).metadata().ok());
    file.is_some_and(|file| stream.to_str() == Some(&format!("{}:{}", file.dev(), file.ino())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_may_be_followed_by_a_period() {
        let parse = |text| parse_metrics(text).map(|(path, period)| (path, period.as_millis()));
        assert_eq!(parse("a.prom"), Ok(("a.prom".into(), 10_000)));
        assert_eq!(parse("a.prom,500ms"), Ok(("a.prom".into(), 500)));
        assert_eq!(parse("a,b.prom"), Ok(("a,b.prom".into(), 10_000)));
        assert!(parse("a.prom,0s").is_err() && parse(",1s").is_err() && parse("").is_err());
    }
}
