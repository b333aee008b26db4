// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-encode.

use bytes::Bytes;
use clap::{Args, Parser, ValueEnum};
use heka_core::cli::signing::SignerArgs;
use heka_core::cli::{
    Common, Files, Help, Showing, Tool, Unparsed, Writing, parse_buffer_size, parse_byte,
    parse_severity,
};
use heka_core::codec::Selector;
use heka_core::codec::severity::SeverityMap;
use heka_core::os::clock;
use heka_core::record::Oversize;
use heka_core::report::stats::Metric;
use heka_core::wire::{Field, Message, ValueType};

use crate::field_arg::{self, FieldArg};

/// Turn text into Heka messages
///
/// Reads FILEs, or standard input, and writes one framed message per record to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    pub(crate) files: Files,
    /// Input format
    #[arg(short, long, value_name = "INPUT", default_value = "auto")]
    pub(crate) input: InputForm,
    /// Byte that ends a record [default: \n]
    #[arg(short, long, value_name = "BYTE", value_parser = parse_byte)]
    pub(crate) delimiter: Option<u8>,
    /// Records end with NUL
    #[arg(short = '0', long, conflicts_with = "delimiter")]
    pub(crate) null: bool,
    /// Keep the delimiter at the end of the payload
    #[arg(long)]
    pub(crate) no_chomp: bool,
    /// Skip empty records
    #[arg(long)]
    pub(crate) skip_empty: bool,
    /// Stop after NUM records
    #[arg(short = 'n', long, value_name = "NUM")]
    pub(crate) max_count: Option<u64>,
    #[command(flatten)]
    pub(crate) showing: Showing,
    /// Write messages without frames
    #[arg(long)]
    pub(crate) no_framing: bool,
    /// Longest message to write
    #[arg(long, alias = "max-message-size", value_name = "SIZE", default_value = "64K", value_parser = parse_buffer_size)]
    pub(crate) max_record: usize,
    /// What to do with longer messages [default: split]
    #[arg(long, value_name = "HOW")]
    pub(crate) oversize: Option<Oversize>,
    #[command(flatten)]
    pub(crate) head: Head,
    #[command(flatten)]
    pub(crate) parsing: Parsing,
    #[command(flatten)]
    pub(crate) signer: SignerArgs,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Flags for the parts of a message.
#[derive(Args, Debug)]
#[command(next_help_heading = "Message")]
pub(crate) struct Head {
    /// Type of the messages
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    pub(crate) type_: Option<String>,
    /// Logger of the messages [default: heka-encode]
    #[arg(short, long, value_name = "LOGGER")]
    pub(crate) logger: Option<String>,
    /// Hostname of the messages [default: this host's]
    #[arg(short = 'H', long, value_name = "HOSTNAME")]
    pub(crate) hostname: Option<String>,
    /// Severity, a number or a name such as err [default: 7]
    #[arg(short = 'S', long, value_name = "SEVERITY", value_parser = parse_severity,
          allow_negative_numbers = true)]
    pub(crate) severity: Option<i32>,
    /// Pid of the messages
    #[arg(long, value_name = "PID", allow_negative_numbers = true)]
    pub(crate) message_pid: Option<i32>,
    /// Environment version of the messages
    #[arg(long, value_name = "VERSION")]
    pub(crate) env_version: Option<String>,
    /// Add a field (repeatable)
    #[arg(short = 'F', long, value_name = "NAME[:TYPE][@REPR]=VALUE", value_parser = FieldArg::parse)]
    pub(crate) field: Vec<FieldArg>,
    /// Time of the messages: now, RFC 3339 or nanoseconds
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = parse_time,
          allow_negative_numbers = true)]
    pub(crate) timestamp: Time,
    /// UUID of the messages: random or 32 hexadecimal digits
    #[arg(long, value_name = "UUID", default_value = "random", value_parser = parse_uuid)]
    pub(crate) uuid: Uuid,
}

/// Flags for parsing text.
#[derive(Args, Debug)]
#[command(next_help_heading = "Structure from text")]
pub(crate) struct Parsing {
    /// Map JSON members to headers, as Payload=msg,Severity=level
    #[arg(long, value_name = "HEADER=MEMBER,…", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub(crate) json_map: Option<String>,
    /// Parse pairs KEY=VALUE; map keys to headers as --json-map
    #[arg(long, value_name = "HEADER=KEY,…", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    pub(crate) logfmt: Option<String>,
    /// Parse records of known programs; help lists them
    #[arg(long, value_name = "NAME,…", value_delimiter = ',')]
    pub(crate) preset: Vec<String>,
    /// Parse an access log by the format of the server
    #[arg(long, value_name = "FORMAT")]
    pub(crate) access_format: Vec<String>,
    /// Parse records: named groups become headers and fields
    #[arg(long, value_name = "REGEX")]
    pub(crate) regex: Vec<String>,
    /// Make a header or field from groups, as Payload=%rest%
    #[arg(long, value_name = "NAME[:TYPE][@REPR]=TEMPLATE", requires = "regex",
          value_parser = FieldArg::parse)]
    pub(crate) regex_field: Vec<FieldArg>,
    /// Of framed messages, parse this field or header
    #[arg(long, value_name = "NAME", value_parser = parse_selector)]
    pub(crate) from: Option<Selector>,
    /// Type of a parsed field, s, b, i, d or t (repeatable)
    #[arg(long, value_name = "NAME:TYPE,…", value_delimiter = ',',
          value_parser = field_arg::parse_type)]
    pub(crate) field_type: Vec<(Vec<u8>, ValueType)>,
    /// Format of times in the text (repeatable)
    #[arg(long, value_name = "FORMAT")]
    pub(crate) timestamp_format: Vec<String>,
    /// Time zone of times without an offset [default: UTC]
    #[arg(long, value_name = "ZONE")]
    pub(crate) timestamp_zone: Option<String>,
    /// Year of times without one [default: the nearest]
    #[arg(long, value_name = "YEAR", value_parser = clap::value_parser!(i16).range(1..=9999))]
    pub(crate) year: Option<i16>,
    /// Severity names, as fatal=0,W=warning
    #[arg(long, value_name = "WORD=SEVERITY,…", value_parser = SeverityMap::parse)]
    pub(crate) severity_map: Option<SeverityMap>,
    /// What to do with records that cannot be parsed
    #[arg(long, value_name = "forward|drop|FILE")]
    pub(crate) unparsed: Option<Unparsed>,
    /// Exit with 1 if a record cannot be parsed
    #[arg(long)]
    pub(crate) strict: bool,
}

/// The records of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Framed messages if it begins with one, else lines
    Auto,
    /// Payloads
    Lines,
    /// Messages as heka-decode -j writes them; with --json-map any JSON
    Json,
    /// Pairs KEY=VALUE
    Logfmt,
    /// Framed messages: parse, change or sign them
    Heka,
    /// Each FILE is one payload
    Whole,
}

/// The time of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Now,
    Fixed(i64),
}

/// The Uuid of messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Uuid {
    Random,
    Fixed([u8; 16]),
}

fn parse_time(text: &str) -> Result<Time, String> {
    if text == "now" {
        return Ok(Time::Now);
    }
    let time = || text.parse::<jiff::Timestamp>().ok()?.as_nanosecond().try_into().ok();
    text.parse()
        .ok()
        .or_else(time)
        .map(Time::Fixed)
        .ok_or_else(|| "expected now, 2006-01-02T15:04:05Z or nanoseconds".to_owned())
}

fn parse_selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text).ok_or_else(|| "expected a header or the name of a field".to_owned())
}

fn parse_uuid(text: &str) -> Result<Uuid, String> {
    if text == "random" {
        return Ok(Uuid::Random);
    }
    clock::parse_uuid(text)
        .map(Uuid::Fixed)
        .ok_or_else(|| "expected random or 32 hexadecimal digits".to_owned())
}

impl Tool for Cli {
    const NAME: &'static str = "heka-encode";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
}

impl Head {
    /// Returns a message with only the requested parts.
    pub(crate) fn explicit(&self, fields: Vec<Field>) -> Message {
        let uuid = match self.uuid {
            Uuid::Random => None,
            Uuid::Fixed(uuid) => Some(Bytes::copy_from_slice(&uuid)),
        };
        let timestamp = match self.timestamp {
            Time::Now => None,
            Time::Fixed(time) => Some(time),
        };
        Message {
            uuid,
            timestamp,
            r#type: self.type_.clone().map(Into::into),
            logger: self.logger.clone().map(Into::into),
            severity: self.severity,
            env_version: self.env_version.clone().map(Into::into),
            pid: self.message_pid,
            hostname: self.hostname.clone().map(Into::into),
            fields,
            ..Message::default()
        }
    }

    /// Returns a message with the requested parts and the defaults.
    pub(crate) fn base(&self, fields: Vec<Field>) -> Message {
        let mut message = self.explicit(fields);
        message.logger.get_or_insert_with(|| "heka-encode".into());
        message.severity.get_or_insert(heka_core::wire::DEFAULT_SEVERITY);
        message.hostname.get_or_insert_with(|| clock::hostname().into());
        message
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
