// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-encode.

use crate::structure::field_arg::{self, FieldArg};
use crate::structure::time_format::TimeFormat;
use bytes::Bytes;
use clap::{Args, Parser, ValueEnum};
use heka_core::cli::signing::SignerArgs;
use heka_core::cli::{
    self, Common, Files, Showing, Tool, When, Writing, parse_buffer_size, parse_byte,
    parse_severity,
};
use heka_core::codec::severity::SeverityMap;
use heka_core::os::clock;
use heka_core::record::Oversize;
use heka_core::report::Stop;
use heka_core::report::stats::Metric;
use heka_core::wire::{Field, Message, Signer, Template};

use crate::structure::Structure;
use crate::structure::capture::Captures;
use crate::structure::map::JsonMap;

/// Turn text into Heka messages
///
/// Reads FILEs, or standard input, and writes one framed message per record to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    files: Files,
    /// Input format
    #[arg(short, long, value_name = "INPUT", default_value = "lines")]
    input: InputForm,
    #[command(flatten)]
    showing: Showing,
    /// Byte that ends a record [default: \n]
    #[arg(short, long, value_name = "BYTE", value_parser = parse_byte)]
    delimiter: Option<u8>,
    /// Records end with NUL
    #[arg(short = '0', long, conflicts_with = "delimiter")]
    null: bool,
    /// Keep the delimiter at the end of the payload
    #[arg(long)]
    no_chomp: bool,
    /// Skip empty records
    #[arg(long)]
    skip_empty: bool,
    /// Stop after NUM records
    #[arg(short = 'n', long, value_name = "NUM")]
    max_count: Option<u64>,
    #[command(flatten)]
    head: Head,
    #[command(flatten)]
    parsing: Parsing,
    /// Longest message to write
    #[arg(long, alias = "max-message-size", value_name = "SIZE", default_value = "64K", value_parser = parse_buffer_size)]
    max_record: usize,
    /// What to do with longer messages [default: split]
    #[arg(long, value_name = "HOW")]
    oversize: Option<Oversize>,
    /// Write messages without frames
    #[arg(long)]
    no_framing: bool,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Flags that fill in the message.
#[derive(Args, Debug)]
#[command(next_help_heading = "Message")]
struct Head {
    /// Type of the messages
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<String>,
    /// Logger of the messages [default: heka-encode]
    #[arg(short, long, value_name = "LOGGER")]
    logger: Option<String>,
    /// Hostname of the messages [default: this host's]
    #[arg(short = 'H', long, value_name = "HOSTNAME")]
    hostname: Option<String>,
    /// Severity, a number or a name such as err [default: 7]
    #[arg(short = 'S', long, value_name = "SEVERITY", value_parser = parse_severity,
          allow_negative_numbers = true)]
    severity: Option<i32>,
    /// Pid of the messages
    #[arg(long, value_name = "PID", allow_negative_numbers = true)]
    message_pid: Option<i32>,
    /// Environment version of the messages
    #[arg(long, value_name = "VERSION")]
    env_version: Option<String>,
    /// Add a field (repeatable)
    #[arg(short = 'F', long, value_name = "NAME[:TYPE][@REPR]=VALUE", value_parser = FieldArg::parse)]
    field: Vec<FieldArg>,
    /// Time of the messages: now, RFC 3339 or nanoseconds
    #[arg(long, value_name = "TIME", default_value = "now", value_parser = parse_time,
          allow_negative_numbers = true)]
    timestamp: Time,
    /// UUID of the messages: random or 32 hexadecimal digits
    #[arg(long, value_name = "UUID", default_value = "random", value_parser = parse_uuid)]
    uuid: Uuid,
}

/// Flags that say how text becomes structure.
#[derive(Args, Debug)]
#[command(next_help_heading = "Structure from text")]
struct Parsing {
    /// Map JSON members to headers, as Payload=msg,Severity=level
    #[arg(long, value_name = "HEADER=MEMBER,…", num_args = 0..=1, require_equals = true,
          default_missing_value = "")]
    json_map: Option<String>,
    /// Parse lines: named groups become headers and fields
    #[arg(long, value_name = "REGEX")]
    regex: Option<String>,
    /// Make a header or field from groups, as Payload=%rest%
    #[arg(long, value_name = "NAME[:TYPE][@REPR]=TEMPLATE", requires = "regex",
          value_parser = FieldArg::parse)]
    regex_field: Vec<FieldArg>,
    /// Format of times in the text
    #[arg(long, value_name = "FORMAT")]
    timestamp_format: Option<String>,
    /// Time zone of times without an offset [default: UTC]
    #[arg(long, value_name = "ZONE")]
    timestamp_zone: Option<String>,
    /// Severity names, as fatal=0,W=warning
    #[arg(long, value_name = "WORD=SEVERITY,…", value_parser = SeverityMap::parse)]
    severity_map: Option<SeverityMap>,
    /// Exit with 1 if a record cannot be parsed
    #[arg(long)]
    strict: bool,
}

/// What the records of the input are.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Payloads
    Lines,
    /// Messages as heka-decode -j writes them; with --json-map any JSON
    Json,
    /// Pairs KEY=VALUE
    Logfmt,
    /// Framed messages: frame and sign them anew
    Heka,
    /// Each FILE is one payload
    Whole,
}

/// The time that messages get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Time {
    Now,
    Fixed(i64),
}

/// The Uuid that messages get.
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
    fn common(&self) -> &Common {
        &self.common
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<String>,
    pub(crate) input: InputForm,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    pub(crate) delimiter: u8,
    pub(crate) chomp: bool,
    pub(crate) skip_empty: bool,
    pub(crate) max_count: u64,
    /// What every message has; Uuid, timestamp and payload are left open.
    pub(crate) base: Message,
    pub(crate) time: Time,
    pub(crate) uuid: Uuid,
    pub(crate) structure: Option<Structure>,
    pub(crate) strict: bool,
    pub(crate) max_record: usize,
    pub(crate) oversize: Oversize,
    pub(crate) framing: bool,
    pub(crate) signer: Option<Signer>,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        let files = std::mem::take(&mut self.files).names(self.signer.hmac_key_file.as_deref())?;
        let fields = field_arg::collect(&self.head.field)
            .map_err(|why| Stop::usage(format_args!("--field: {why}")))?;
        self.check_combination(&fields)?;
        let structure = self.structure(&fields)?;
        let base = self.head.base(fields);
        self.check_room(&base)?;
        Ok(Plan {
            files,
            input: self.input,
            showing: self.showing,
            color: self.common.color,
            delimiter: if self.null { 0 } else { self.delimiter.unwrap_or(b'\n') },
            chomp: !self.no_chomp,
            skip_empty: self.skip_empty,
            max_count: self.max_count.unwrap_or(u64::MAX),
            base,
            time: self.head.timestamp,
            uuid: self.head.uuid,
            structure,
            strict: self.parsing.strict,
            max_record: self.max_record,
            oversize: self.oversize.unwrap_or(Oversize::Split),
            framing: !self.no_framing,
            signer: self.signer.load()?,
            writing: self.writing,
        })
    }

    /// Messages must have room for at least one byte of text.
    fn check_room(&self, base: &Message) -> Result<(), Stop> {
        let overhead = Template::new(base, None).overhead(self.max_record);
        if self.input != InputForm::Heka && overhead >= self.max_record {
            return Err(Stop::usage(format_args!(
                "--max-record: headers and fields alone take up to {overhead} bytes"
            )));
        }
        Ok(())
    }

    fn check_combination(&self, fields: &[Field]) -> Result<(), Stop> {
        let wrong = |text: &str| Err(Stop::usage(text));
        let form = self.showing.form()?;
        if self.no_framing && form.is_some_and(|form| !form.is_binary()) {
            return wrong("--no-framing is for -o heka");
        }
        if self.parsing.regex.is_some()
            && !matches!(self.input, InputForm::Lines | InputForm::Whole)
        {
            return wrong("--regex is for -i lines and -i whole");
        }
        if self.parsing.json_map.is_some()
            && !matches!(self.input, InputForm::Json | InputForm::Logfmt)
        {
            return wrong("--json-map is for -i json and -i logfmt");
        }
        if self.input == InputForm::Heka && (self.head.changes() || !fields.is_empty()) {
            return wrong("-i heka leaves messages as they are: no flag can change them");
        }
        self.check_effect(form.is_some_and(|form| !form.is_binary())).map_or(Ok(()), wrong)
    }

    /// What is wrong if a flag was given that has nothing to act on.
    fn check_effect(&self, is_text: bool) -> Option<&'static str> {
        use InputForm::{Heka, Lines, Logfmt, Whole};
        let parsing = &self.parsing;
        let reads_values =
            parsing.regex.is_some() || parsing.json_map.is_some() || self.input == Logfmt;
        let has_values = parsing.timestamp_format.is_some()
            || parsing.timestamp_zone.is_some()
            || parsing.severity_map.is_some();
        let has_ends = self.delimiter.is_some() || self.null || self.no_chomp;
        if has_values && !reads_values {
            Some(
                "--timestamp-format, --timestamp-zone and --severity-map need --regex or --json-map",
            )
        } else if parsing.strict && matches!(self.input, Lines | Whole | Heka) && !reads_values {
            Some("--strict needs records with a structure")
        } else if has_ends && matches!(self.input, Heka | Whole) {
            Some("--delimiter, --null and --no-chomp are for -i lines, json and logfmt")
        } else if self.skip_empty && self.input == Heka {
            Some("--skip-empty is not for -i heka")
        } else if self.input == Heka
            && matches!(self.oversize, Some(Oversize::Split | Oversize::Truncate))
        {
            Some(
                "--oversize split and truncate are not for -i heka, where messages stay as they are",
            )
        } else if self.signer.signer.is_some() && (self.no_framing || is_text) {
            Some("--signer is for -o heka with frames")
        } else {
            None
        }
    }

    fn structure(&self, fields: &[Field]) -> Result<Option<Structure>, Stop> {
        let parsing = &self.parsing;
        let format = parsing.timestamp_format.as_deref();
        let times = TimeFormat::new(format, parsing.timestamp_zone.as_deref())
            .map_err(|why| Stop::usage(format_args!("--timestamp-format: {why}")))?;
        let severities = parsing.severity_map.clone().unwrap_or_default();
        let limit = self.max_record;
        let map = |text: &str| {
            JsonMap::new(text, times.clone(), severities.clone(), limit)
                .map_err(|why| Stop::usage(format_args!("--json-map: {why}")))
        };
        Ok(match (self.input, &parsing.regex, &parsing.json_map) {
            (InputForm::Json, _, None) => {
                Some(Structure::Message(Box::new(self.head.explicit(fields.to_vec()))))
            }
            (InputForm::Json, _, Some(text)) => Some(Structure::Json(map(text)?)),
            (InputForm::Logfmt, _, text) => {
                Some(Structure::Logfmt(map(text.as_deref().unwrap_or_default())?))
            }
            (_, Some(regex), _) => {
                let regex = cli::regex("--regex", regex)?;
                let captures = Captures::new(regex, &parsing.regex_field, times, severities, limit);
                Some(Structure::Captures(
                    captures.map_err(|why| Stop::usage(format_args!("--regex: {why}")))?,
                ))
            }
            _ => None,
        })
    }
}

impl Head {
    fn changes(&self) -> bool {
        self.type_.is_some()
            || self.logger.is_some()
            || self.hostname.is_some()
            || self.severity.is_some()
            || self.message_pid.is_some()
            || self.env_version.is_some()
            || self.timestamp != Time::Now
            || self.uuid != Uuid::Random
    }

    /// What was asked for and nothing else.
    fn explicit(&self, fields: Vec<Field>) -> Message {
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

    /// What was asked for, with what messages have by default.
    fn base(&self, fields: Vec<Field>) -> Message {
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
