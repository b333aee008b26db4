// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-tail. The letters of tail(1) take precedence over those common to all
//! tools.

use std::ffi::OsString;
use std::path::PathBuf;
use std::time::Duration;

use crate::select::logstreamer::parse_translation;
use clap::{ArgAction, Args, Parser, ValueEnum, ValueHint};
use heka_core::cli::{
    Common, Help, Showing, Tool, Writing, parse_buffer_size, parse_byte, parse_duration,
    parse_severity,
};
use heka_core::record::Oversize;
use heka_core::report::stats::Metric;

/// Follow log files through every kind of rotation
///
/// Writes every line of each FILE, and of what it is rotated into, to standard output: once, as
/// one framed Heka message.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Files, directories or quoted patterns to follow
    #[arg(value_name = "FILE", value_hint = ValueHint::AnyPath)]
    pub(crate) files: Vec<PathBuf>,
    #[command(flatten)]
    pub(crate) following: Following,
    #[command(flatten)]
    pub(crate) splitting: Splitting,
    #[command(flatten)]
    pub(crate) position: PositionArgs,
    #[command(flatten)]
    pub(crate) selecting: Selecting,
    #[command(flatten)]
    pub(crate) messages: Messages,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Start, waiting and end.
#[derive(Args, Debug)]
pub(crate) struct Following {
    /// Start NUM lines before the end, or at line NUM with +
    #[arg(
        short = 'n',
        long,
        value_name = "[+]NUM",
        allow_hyphen_values = true,
        overrides_with = "bytes"
    )]
    pub(crate) lines: Option<String>,
    /// Start NUM bytes before the end, or at byte NUM with +
    #[arg(
        short = 'c',
        long,
        value_name = "[+]NUM",
        allow_hyphen_values = true,
        overrides_with = "lines"
    )]
    pub(crate) bytes: Option<String>,
    /// Follow by name (default) or by descriptor
    #[arg(short = 'f', long, value_name = "HOW", num_args = 0..=1, require_equals = true, default_missing_value = "name")]
    pub(crate) follow: Option<How>,
    /// Follow by name and wait for missing files (default)
    #[arg(short = 'F')]
    pub(crate) follow_name: bool,
    /// Exit at the end of the files
    #[arg(long, conflicts_with_all = ["follow", "follow_name", "pid"])]
    pub(crate) no_follow: bool,
    /// Wait for missing files (default)
    #[arg(long, overrides_with = "no_retry")]
    pub(crate) retry: bool,
    /// Exit when no file exists
    #[arg(long, overrides_with = "retry")]
    pub(crate) no_retry: bool,
    /// Polling interval when inotify is unavailable
    #[arg(short = 's', long, value_name = "DURATION", default_value = "250ms", value_parser = parse_duration)]
    pub(crate) sleep_interval: Duration,
    /// Interval of scans for new files and moved directories
    #[arg(long, value_name = "DURATION", default_value = "1m", value_parser = parse_duration)]
    pub(crate) rescan_interval: Duration,
    /// How long a rotated file is kept open for late lines
    #[arg(long, value_name = "DURATION", default_value = "5s", value_parser = parse_duration)]
    pub(crate) rotate_wait: Duration,
    /// Poll instead of using inotify
    #[arg(long)]
    pub(crate) use_polling: bool,
    /// Poll busy files above NUM events per second
    #[arg(long, value_name = "NUM", default_value_t = 2000, value_parser = clap::value_parser!(u64).range(1..))]
    pub(crate) busy_rate: u64,
    /// Exit after process PID has died and everything is read
    #[arg(long, value_name = "PID", value_parser = clap::value_parser!(i32).range(1..))]
    pub(crate) pid: Vec<i32>,
    /// Skip files of directories and patterns (repeatable)
    #[arg(long, value_name = "GLOB")]
    pub(crate) exclude: Vec<String>,
    /// Where rotated files are moved to (repeatable)
    #[arg(long, visible_alias = "olddir", value_name = "DIR", value_hint = ValueHint::DirPath)]
    pub(crate) rotated_directory: Vec<PathBuf>,
    /// Skip files not modified within DURATION; 0 is off [default: 0; with --log-directory: 720h]
    #[arg(long, value_name = "DURATION", value_parser = parse_duration)]
    pub(crate) oldest: Option<Duration>,
    /// Forget files of patterns gone for DURATION (0: never)
    #[arg(long, value_name = "DURATION", default_value = "1d", value_parser = parse_duration)]
    pub(crate) forget_after: Duration,
    /// Decompress rotated files (default)
    #[arg(long, overrides_with = "no_gzip_rotated")]
    pub(crate) gzip_rotated: bool,
    /// Read compressed files without decompressing
    #[arg(long, overrides_with = "gzip_rotated")]
    pub(crate) no_gzip_rotated: bool,
}

/// The definition of a record.
#[derive(Args, Debug)]
#[command(next_help_heading = "Records")]
pub(crate) struct Splitting {
    /// Input format
    #[arg(short, long, value_name = "FORM", default_value = "lines")]
    pub(crate) input: InputForm,
    /// Byte that ends a record
    #[arg(short = 'd', long, value_name = "BYTE", default_value = "\\n", value_parser = parse_byte)]
    pub(crate) delimiter: u8,
    /// Records end with NUL
    #[arg(
        short = '0',
        short_alias = 'z',
        long,
        visible_alias = "zero-terminated",
        conflicts_with = "delimiter"
    )]
    pub(crate) null: bool,
    /// Number of delimiters that end a record
    #[arg(long, value_name = "NUM", default_value_t = 1)]
    pub(crate) delimiter_count: usize,
    /// Regex between records; a capture group stays in the record
    #[arg(long, value_name = "REGEX", conflicts_with_all = ["delimiter", "null", "delimiter_count"])]
    pub(crate) delimiter_regex: Option<String>,
    /// Whether the regex matches the end or start of a record
    #[arg(long, value_name = "WHERE", default_value = "end", requires = "delimiter_regex")]
    pub(crate) delimiter_at: At,
    /// Remove the delimiter from the payload
    #[arg(long, overrides_with = "no_chomp")]
    pub(crate) chomp: bool,
    /// Keep the delimiter in the payload (default)
    #[arg(long, overrides_with = "chomp")]
    pub(crate) no_chomp: bool,
    /// Longest record [default: 60K; with -i heka: 4M; with -o payload: 16M]
    #[arg(long, alias = "max-line", value_name = "SIZE", value_parser = parse_buffer_size)]
    pub(crate) max_record: Option<usize>,
    /// What to do with longer records
    #[arg(long, value_name = "HOW", default_value = "split")]
    pub(crate) oversize: Oversize,
    /// Character encoding of the files
    #[arg(long, value_name = "NAME")]
    pub(crate) encoding: Option<String>,
    /// Start a multi-line message at lines that match
    #[arg(long, value_name = "REGEX")]
    pub(crate) multiline_start: Option<String>,
    /// Add lines that match to the previous message
    #[arg(long, value_name = "REGEX")]
    pub(crate) multiline_continue: Option<String>,
    /// Time to wait for further lines of a message
    #[arg(long, value_name = "DURATION", default_value = "1s", value_parser = parse_duration)]
    pub(crate) multiline_timeout: Duration,
    /// Deliver an unterminated last record at the end
    #[arg(long, overrides_with = "no_incomplete")]
    pub(crate) incomplete: bool,
    /// Leave an unterminated last record for the next run
    #[arg(long, overrides_with = "incomplete")]
    pub(crate) no_incomplete: bool,
}

/// Resumption where an earlier run ended.
#[derive(Args, Debug)]
#[command(next_help_heading = "Position")]
pub(crate) struct PositionArgs {
    /// Resume from the position in FILE and keep it up to date
    #[arg(long, value_name = "FILE", num_args = 0..=1, require_equals = true, value_hint = ValueHint::FilePath)]
    #[expect(clippy::option_option, reason = "the flag may be absent, and its value too")]
    pub(crate) checkpoint: Option<Option<PathBuf>>,
    /// Save after NUM records or after DURATION
    #[arg(long, value_name = "NUM|DURATION", default_value = "1s")]
    pub(crate) checkpoint_every: String,
    /// Resume from the position in FILE; messages carry positions
    #[arg(long, value_name = "FILE", conflicts_with = "checkpoint", value_hint = ValueHint::FilePath)]
    pub(crate) resume: Option<PathBuf>,
    /// Print the positions in a checkpoint file and exit
    #[arg(long, value_name = "FILE", exclusive = true, value_hint = ValueHint::FilePath)]
    pub(crate) show_checkpoint: Option<PathBuf>,
    /// Start from the position in a Logstreamer journal of Heka
    #[arg(long, value_name = "FILE", value_hint = ValueHint::FilePath)]
    pub(crate) import_journal: Vec<PathBuf>,
    /// How to choose message UUIDs
    #[arg(long, value_name = "HOW", default_value = "random")]
    pub(crate) uuid: UuidKind,
}

/// Heka's Logstreamer selection.
#[derive(Args, Debug)]
#[command(next_help_heading = "Selection as in Heka's LogstreamerInput")]
pub(crate) struct Selecting {
    /// Follow files below DIR
    #[arg(long, value_name = "DIR", requires = "file_match", conflicts_with = "files", value_hint = ValueHint::DirPath)]
    pub(crate) log_directory: Option<PathBuf>,
    /// Regex for paths below DIR
    #[arg(long, value_name = "REGEX", requires = "log_directory")]
    pub(crate) file_match: Option<String>,
    /// Capture groups to sort by, oldest first (^ reverses)
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "log_directory")]
    pub(crate) priority: Vec<String>,
    /// Capture groups and texts that make up a stream's name
    #[arg(long, value_name = "LIST", value_delimiter = ',', requires = "log_directory")]
    pub(crate) differentiator: Vec<String>,
    /// Number to sort a group's text by
    #[arg(long, value_name = "GROUP:TEXT=NUM", value_parser = parse_translation, requires = "log_directory")]
    pub(crate) translation: Vec<(String, String, i64)>,
}

/// The messages to write.
#[derive(Args, Debug)]
#[command(next_help_heading = "Messages")]
pub(crate) struct Messages {
    #[command(flatten)]
    pub(crate) showing: Showing,
    /// Type of the messages
    #[arg(long = "type", value_name = "TYPE", default_value = "logfile")]
    pub(crate) type_: String,
    /// Logger of the messages; the stream's name if absent
    #[arg(long, value_name = "LOGGER")]
    pub(crate) logger: Option<String>,
    /// Hostname of the messages; this host's if absent
    #[arg(long, value_name = "HOSTNAME")]
    pub(crate) hostname: Option<String>,
    /// Severity, a number or a name such as err
    #[arg(long, value_name = "SEVERITY", default_value = "7", value_parser = parse_severity)]
    pub(crate) severity: i32,
    /// Add a field to each message
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) field: Vec<String>,
    /// Add a field with the path of the file
    #[arg(long, value_name = "NAME", num_args = 0..=1, require_equals = true, default_missing_value = "Path")]
    pub(crate) path_field: Option<String>,
    /// Add a field for each named group found in the path
    #[arg(long, value_name = "REGEX")]
    pub(crate) path_regex: Option<String>,
    /// Environment version of the messages
    #[arg(long, value_name = "VERSION")]
    pub(crate) env_version: Option<String>,
    /// Print file headers (with -o payload)
    #[arg(short = 'v', long, action = ArgAction::SetTrue, overrides_with = "no_headers")]
    pub(crate) headers: bool,
    /// Do not print file headers (default)
    #[arg(short = 'q', long, visible_alias = "silent", overrides_with = "headers")]
    pub(crate) no_headers: bool,
}

impl Splitting {
    /// Whether any flag is for text and has no effect on frames.
    pub(crate) fn is_for_text(&self) -> bool {
        self.delimiter != b'\n'
            || self.null
            || self.delimiter_count != 1
            || self.delimiter_regex.is_some()
            || self.chomp
            || self.encoding.is_some()
            || self.multiline_start.is_some()
            || self.multiline_continue.is_some()
    }
}

impl Messages {
    /// Whether any flag is for messages created by this tool.
    pub(crate) fn is_for_text(&self) -> bool {
        self.logger.is_some()
            || self.hostname.is_some()
            || self.env_version.is_some()
            || !self.field.is_empty()
            || self.path_field.is_some()
            || self.path_regex.is_some()
    }
}

/// How to follow.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum How {
    /// Whatever file has the name
    Name,
    /// The file that had the name at the start
    Descriptor,
}

/// Forms of files.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Text, one message per record
    Lines,
    /// Framed messages
    Heka,
}

/// The position of a delimiter.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum At {
    /// At the end of a record
    End,
    /// At the start of a record
    Start,
}

/// Where a Uuid comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum UuidKind {
    /// Random numbers
    Random,
    /// The place in the file: the same line always gets the same
    Position,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-tail";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn arguments(arguments: Vec<OsString>) -> Vec<OsString> {
        crate::habits::modern(arguments)
    }
    fn adjust(command: clap::Command) -> clap::Command {
        command
            .infer_long_args(true)
            .mut_arg("quiet", |quiet| quiet.short(None))
            .mut_arg("verbose", |verbose| verbose.short(None))
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
