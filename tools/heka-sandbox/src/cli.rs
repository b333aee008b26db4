// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-sandbox.

use std::path::PathBuf;
use std::time::Duration;

use clap::Parser;
use heka_core::cli::{
    Common, Help, Showing, Timeout, Tool, Unparsed, When, Writing, parse_buffer_size,
    parse_duration, parse_size, parse_timeout,
};
use heka_core::report::Stop;
use heka_core::report::stats::Metric;

use crate::config::{Config, Setting};

/// Run a Lua input plugin and write its messages
///
/// Runs one input plugin of Mozilla's `lua_sandbox` (hindsight) and writes the messages that it
/// injects to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// The plugin, or the configuration that names it
    #[arg(value_name = "PLUGIN", value_hint = clap::ValueHint::FilePath,
          required_unless_present = "decoder", conflicts_with = "decoder")]
    plugin: Option<PathBuf>,
    /// Set one key of the configuration
    #[arg(short = 'D', long = "define", value_name = "KEY=VALUE", value_parser = parse_define)]
    defines: Vec<(String, String)>,
    /// Configuration of the plugin, as Lua text
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    config: Option<PathBuf>,
    /// Configuration of hindsight with defaults for the plugin's
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    defaults: Option<PathBuf>,
    /// Seconds between calls
    #[arg(long, value_name = "SEC", value_parser = parse_duration)]
    ticker_interval: Option<Duration>,
    /// Load the plugin and describe it without running it
    #[arg(long)]
    check: bool,
    /// Stop after NUM messages
    #[arg(short = 'n', long, value_name = "NUM", value_parser = clap::value_parser!(u64).range(1..))]
    max_count: Option<u64>,
    #[command(flatten)]
    showing: Showing,
    /// Memory limit of Lua (0: none) [default: 8M]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Limits")]
    memory_limit: Option<u64>,
    /// Instruction limit of one call (0: none) [default: 1000000]
    #[arg(long, value_name = "NUM", help_heading = "Limits")]
    instruction_limit: Option<u64>,
    /// CPU time limit of one call with an instruction limit
    #[arg(long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout, help_heading = "Limits")]
    cpu_limit: Timeout,
    /// Longest message made from a table (0: no limit) [default: 64K]
    #[arg(long, value_name = "SIZE", value_parser = parse_size, help_heading = "Limits")]
    output_limit: Option<u64>,
    /// Longest message of a stream reader [default: 64K]
    #[arg(long = "max-record", alias = "max-message-size", value_name = "SIZE", value_parser = parse_buffer_size, help_heading = "Limits")]
    max_message_size: Option<usize>,
    /// Resume from the position in FILE and keep it up to date
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Positions")]
    checkpoint: Option<PathBuf>,
    /// Resume from the position in FILE; a later stage commits
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
          conflicts_with = "checkpoint", help_heading = "Positions")]
    resume: Option<PathBuf>,
    /// Keep the plugin's global data in FILE between runs
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, help_heading = "Positions")]
    preserve: Option<PathBuf>,
    /// Logger of messages that name none
    #[arg(long, value_name = "LOGGER", help_heading = "Messages")]
    logger: Option<String>,
    /// Hostname of messages that name none
    #[arg(long, value_name = "HOSTNAME", help_heading = "Messages")]
    hostname: Option<String>,
    /// Pid of messages that name none
    #[arg(long, value_name = "PID", allow_hyphen_values = true, help_heading = "Messages")]
    message_pid: Option<i32>,
    /// Override logger, host name and PID of all messages
    #[arg(long, help_heading = "Messages")]
    restricted_headers: bool,
    /// Search path of Lua modules, with ? for the name
    #[arg(long, value_name = "TEMPLATES", help_heading = "Modules")]
    path: Option<String>,
    /// Search path of C modules, with ? for the name
    #[arg(long, value_name = "TEMPLATES", help_heading = "Modules")]
    cpath: Option<String>,
    /// Run a decoder module on the messages of standard input
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath,
          conflicts_with_all = ["checkpoint", "resume", "ticker_interval"], help_heading = "Decoders")]
    decoder: Option<PathBuf>,
    /// What to do with messages that cannot be decoded
    #[arg(long, value_name = "forward|drop|FILE", requires = "decoder", help_heading = "Decoders")]
    unparsed: Option<Unparsed>,
    /// Exit with 1 if a message cannot be decoded
    #[arg(long, requires = "decoder", help_heading = "Decoders")]
    strict: bool,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

fn parse_define(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((key, value)) if !key.is_empty() => Ok((key.to_owned(), value.to_owned())),
        _ => Err("expected KEY=VALUE".to_owned()),
    }
}

impl Tool for Cli {
    const NAME: &'static str = "heka-sandbox";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
}

/// The treatment of the plugin's checkpoints.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Keep {
    /// Not kept.
    Nothing,
    /// Kept in this file.
    Here(PathBuf),
    /// Read from this file at the start, and sent with the messages.
    Downstream(PathBuf),
}

/// Settings of decoding.
#[derive(Debug)]
pub(crate) struct Decoding {
    pub(crate) unparsed: Unparsed,
    pub(crate) strict: bool,
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) plugin: PathBuf,
    /// Settings of decoding, if the plugin is a decoder.
    pub(crate) decoding: Option<Decoding>,
    pub(crate) config: Option<PathBuf>,
    /// Hindsight's own configuration.
    pub(crate) defaults: Option<PathBuf>,
    /// Settings of the command line, which override the configuration's.
    pub(crate) settings: Vec<(String, Setting)>,
    pub(crate) check: bool,
    pub(crate) cpu_limit: Option<Duration>,
    pub(crate) keep: Keep,
    pub(crate) preserve: Option<PathBuf>,
    pub(crate) max_count: Option<u64>,
    /// Whether the plugin's `print` output is shown.
    pub(crate) prints: bool,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let settings = self.settings();
        let keep = match (self.checkpoint, self.resume) {
            (Some(file), _) => Keep::Here(file),
            (None, Some(file)) => Keep::Downstream(file),
            (None, None) => Keep::Nothing,
        };
        let decoding = self
            .decoder
            .is_some()
            .then(|| Decoding { unparsed: self.unparsed.unwrap_or_default(), strict: self.strict });
        let plugin = self.decoder.or(self.plugin).unwrap_or_default();
        if plugin.extension().is_some_and(|extension| extension == "cfg") && self.config.is_some() {
            return Err(Stop::usage(
                "a .cfg file is already a configuration: --config does not apply",
            ));
        }
        Ok(Plan {
            plugin,
            decoding,
            config: self.config,
            defaults: self.defaults,
            settings,
            check: self.check,
            cpu_limit: self.cpu_limit.0,
            keep,
            preserve: self.preserve,
            max_count: self.max_count,
            prints: self.common.verbose > 0,
            showing: self.showing,
            color: self.common.color,
            writing: self.writing,
        })
    }

    fn settings(&self) -> Vec<(String, Setting)> {
        let defines = self.defines.iter().map(|(key, value)| (key.clone(), Config::literal(value)));
        let text = |value: &Option<String>| value.as_ref().map(|v| Setting::Text(v.clone().into()));
        #[expect(clippy::cast_precision_loss, reason = "nobody sets 2^53 bytes")]
        let number = |value: Option<u64>| value.map(|value| Setting::Number(value as f64));
        let flags = [
            ("ticker_interval", self.ticker_interval.map(|d| Setting::Number(d.as_secs_f64()))),
            ("memory_limit", number(self.memory_limit)),
            ("instruction_limit", number(self.instruction_limit)),
            ("output_limit", number(self.output_limit)),
            ("max_message_size", number(self.max_message_size.map(|size| size as u64))),
            ("restricted_headers", self.restricted_headers.then_some(Setting::Bool(true))),
            ("Logger", text(&self.logger)),
            ("Hostname", text(&self.hostname)),
            ("Pid", self.message_pid.map(|pid| Setting::Number(pid.into()))),
            ("path", text(&self.path)),
            ("cpath", text(&self.cpath)),
        ];
        let flags = flags.into_iter().filter_map(|(key, value)| Some((key.to_owned(), value?)));
        defines.chain(flags).collect()
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
