// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-tail. The letters of tail(1) win over those that all tools share.

use std::path::PathBuf;
use std::time::Duration;

use clap::{ArgAction, Parser, ValueEnum};
use heka_core::cli::{
    Common, Tool, Writing, parse_buffer_size, parse_byte, parse_duration, parse_severity,
    parse_size,
};
use heka_core::clock;
use heka_core::exit::Stop;
use heka_core::tail::{Options, Start};
use heka_core::wire::Message;

/// Follow log files, line by line, whatever happens to them
///
/// Writes every line of each FILE, and of what it is rotated into, to standard output: once, as
/// one framed Heka message, for ever.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Files to follow
    #[arg(value_name = "FILE", required = true, value_hint = clap::ValueHint::FilePath)]
    files: Vec<PathBuf>,
    /// Start before the last NUM lines, or at line NUM with +
    #[arg(short = 'n', long, value_name = "[+]NUM", allow_hyphen_values = true)]
    lines: Option<String>,
    /// Start before the last NUM bytes, or at byte NUM with +
    #[arg(
        short = 'c',
        long,
        value_name = "[+]NUM",
        allow_hyphen_values = true,
        conflicts_with = "lines"
    )]
    bytes: Option<String>,
    /// Follow by name, as is the default
    #[arg(short = 'f', long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "name")]
    follow: Option<How>,
    /// Follow by name and wait for files, as is the default
    #[arg(short = 'F')]
    follow_name: bool,
    /// End at the end of the files
    #[arg(long, conflicts_with_all = ["follow", "follow_name"])]
    no_follow: bool,
    /// Time between looks at files that cannot be watched
    #[arg(short = 's', long, value_name = "DURATION", default_value = "250ms", value_parser = parse_duration)]
    sleep_interval: Duration,
    /// How long a rotated file is kept open for late lines
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    rotate_wait: Duration,
    /// Byte that ends a line
    #[arg(short = 'd', long, value_name = "BYTE", default_value = "\\n", value_parser = parse_byte)]
    delimiter: u8,
    /// Lines end with NUL
    #[arg(
        short = '0',
        short_alias = 'z',
        long,
        visible_alias = "zero-terminated",
        conflicts_with = "delimiter"
    )]
    null: bool,
    /// Leave the line end out of the payload
    #[arg(long, overrides_with = "no_chomp")]
    chomp: bool,
    /// Keep the line end in the payload, as is the default
    #[arg(long, overrides_with = "chomp")]
    no_chomp: bool,
    /// Longest line; a longer one is split
    #[arg(long, value_name = "SIZE", default_value = "60K", value_parser = parse_buffer_size)]
    max_line: usize,
    /// Deliver an unterminated last line at the end
    #[arg(long, overrides_with = "no_incomplete")]
    incomplete: bool,
    /// Leave an unterminated last line for the next time
    #[arg(long, overrides_with = "incomplete")]
    no_incomplete: bool,
    /// Type of the messages
    #[arg(long = "type", value_name = "TYPE", default_value = "logfile")]
    type_: String,
    /// Logger of the messages; the file's name if absent
    #[arg(long, value_name = "LOGGER")]
    logger: Option<String>,
    /// Hostname of the messages; this host's if absent
    #[arg(long, value_name = "HOSTNAME")]
    hostname: Option<String>,
    /// Severity, a number or a name such as err
    #[arg(long, value_name = "SEVERITY", default_value = "7", value_parser = parse_severity)]
    severity: i32,
    /// Form of what is written
    #[arg(short = 'o', long, value_name = "FORM")]
    output: Option<Form>,
    #[command(flatten)]
    writing: Writing,
    /// Never show which file lines come from (`--no-headers`)
    #[arg(short = 'q', long, overrides_with = "headers")]
    no_headers: bool,
    /// Show which file lines come from, with -o payload
    #[arg(short = 'v', long, action = ArgAction::SetTrue, overrides_with = "no_headers")]
    headers: bool,
    #[command(flatten)]
    common: Common,
}

/// How to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// Whatever file has the name.
    Name,
    /// The file that had the name at the start.
    Descriptor,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Framed messages.
    Heka,
    /// The lines themselves.
    Payload,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-tail";
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        command
            .mut_arg("quiet", |quiet| quiet.short(None))
            .mut_arg("verbose", |verbose| verbose.short(None))
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) options: Options,
    pub(crate) sleep_interval: Duration,
    pub(crate) chomp: bool,
    pub(crate) max_line: usize,
    pub(crate) incomplete: bool,
    pub(crate) logger: Option<String>,
    /// What all messages have in common, but the logger.
    pub(crate) message: Message,
    pub(crate) form: Option<Form>,
    pub(crate) headers: bool,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let start = match (&self.lines, &self.bytes) {
            (Some(lines), _) => parse_start(lines, Start::Line, Start::LastLines, "--lines")?,
            (_, Some(bytes)) => parse_start(bytes, Start::Byte, Start::LastBytes, "--bytes")?,
            (None, None) => Start::default(),
        };
        let delimiter = if self.null { 0 } else { self.delimiter };
        let follow = !self.no_follow;
        let message = Message {
            r#type: Some(self.type_.into()),
            severity: Some(self.severity),
            hostname: Some(self.hostname.unwrap_or_else(clock::hostname).into()),
            ..Message::default()
        };
        Ok(Plan {
            files: self.files,
            options: Options {
                start,
                delimiter,
                follow,
                rotate_wait: self.rotate_wait,
                timeout: None,
                gzip: true,
            },
            sleep_interval: self.sleep_interval,
            chomp: self.chomp,
            max_line: self.max_line,
            incomplete: self.incomplete || (!follow && !self.no_incomplete),
            logger: self.logger,
            message,
            form: self.output,
            headers: self.headers,
            writing: self.writing,
        })
    }
}

fn parse_start(
    text: &str,
    from: fn(u64) -> Start,
    last: fn(u64) -> Start,
    flag: &str,
) -> Result<Start, Stop> {
    let (make, number) = match text.strip_prefix('+') {
        Some(number) => (from, number),
        None => (last, text.strip_prefix('-').unwrap_or(text)),
    };
    parse_size(number)
        .map(make)
        .map_err(|cause| Stop::usage(format_args!("invalid value '{text}' for '{flag}': {cause}")))
}
