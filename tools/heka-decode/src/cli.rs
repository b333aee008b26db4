// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-decode.

use clap::{Parser, ValueEnum};
use heka_core::cli::WriteArgs;
use heka_core::cli::choices;
use heka_core::cli::signing::{KeysArgs, Verifier};
use heka_core::cli::{Common, Files, Tool, Writing, parse_buffer_size, parse_size};
use heka_core::codec::template::Template;
use heka_core::codec::{Matcher, Newlines, Payload, Prefix};
use heka_core::os::clock;
use heka_core::report::Stop;

/// How Heka's payload encoder writes times.
const TIMESTAMPS: &str = "[%Y/%b/%d:%H:%M:%S %z]";

/// Turn Heka messages into text
///
/// Reads framed messages from FILEs, or standard input, selects some of them and writes their
/// payloads, or what else is asked for, to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    files: Files,
    /// Form of the output [default: payload]
    #[arg(short, long, value_name = "FORM")]
    output: Option<FormName>,
    /// The same as -o json
    #[arg(short, long, conflicts_with_all = ["output", "text"])]
    json: bool,
    /// The same as -o text
    #[arg(short, long, conflicts_with = "output")]
    text: bool,
    /// Fill in TEMPLATE for each message (implies -o template)
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["json", "text"])]
    template: Option<String>,
    /// Print only the number of messages
    #[arg(short, long)]
    count: bool,
    /// Select messages that EXPR is true of
    #[arg(short = 'm', long = "match", value_name = "EXPR")]
    expression: Option<String>,
    /// Stop after NUM messages
    #[arg(short = 'n', long, value_name = "NUM", conflicts_with = "last")]
    max_count: Option<u64>,
    /// Only the last NUM messages
    #[arg(long, value_name = "NUM")]
    last: Option<usize>,
    /// Begin at that byte of the FILE
    #[arg(long, value_name = "BYTES", value_parser = parse_size)]
    offset: Option<u64>,
    /// Wait for more at the end of the FILE
    #[arg(short, long, conflicts_with_all = ["no_framing", "last", "count"])]
    follow: bool,
    /// When a line end is put behind a payload [default: auto]
    #[arg(long, value_name = "WHEN")]
    newlines: Option<Newlines>,
    /// Payloads end with NUL instead of a line end
    #[arg(short = '0', long)]
    null: bool,
    /// Time in front of each payload, as strftime(3) FORMAT
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          default_missing_value = TIMESTAMPS)]
    timestamps: Option<String>,
    /// Which time --timestamps shows
    #[arg(long, value_name = "WHICH", default_value = "message", requires = "timestamps")]
    ts_from: TimeOf,
    /// Each FILE is one message without a frame
    #[arg(long)]
    no_framing: bool,
    /// Longest message taken
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = parse_buffer_size)]
    max_message_size: usize,
    /// Stop at the first damage
    #[arg(long)]
    strict: bool,
    /// Drop messages whose Uuid is among the last NUM
    #[arg(long, value_name = "NUM", num_args = 0..=1, require_equals = true,
          default_missing_value = "1M", value_parser = parse_buffer_size)]
    dedup: Option<usize>,
    #[command(flatten)]
    keys: KeysArgs,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FormName {
    /// Payloads, one a line
    Payload,
    /// JSON, one object a line
    Json,
    /// Blocks of text, as heka-cat writes them
    Text,
    /// reStructuredText, as Heka's encoder writes it
    Rst,
    /// Blocks of text, as the Lua sandbox writes them
    SandboxText,
    /// The frames, unchanged
    Heka,
    /// As --template says
    Template,
}

/// Which time stands in front of a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeOf {
    /// The message's
    Message,
    /// The time of writing
    Now,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-decode";
    fn common(&self) -> &Common {
        &self.common
    }
}

/// A form with what it needs.
#[derive(Debug)]
pub(crate) enum Form {
    Payload(Payload),
    Json,
    Text,
    Rst,
    SandboxText,
    Heka,
    Template(Template),
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<String>,
    pub(crate) form: Form,
    pub(crate) count: bool,
    pub(crate) matcher: Option<Matcher>,
    pub(crate) verifier: Verifier,
    pub(crate) max_count: u64,
    pub(crate) last: Option<usize>,
    pub(crate) offset: u64,
    pub(crate) follow: bool,
    pub(crate) framing: bool,
    pub(crate) max_message_size: usize,
    pub(crate) strict: bool,
    pub(crate) dedup: Option<usize>,
    pub(crate) write: WriteArgs,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        let files = std::mem::take(&mut self.files).names(self.keys.hmac_keys.as_deref())?;
        if files.len() > 1 && (self.offset.is_some() || self.follow) {
            return Err(Stop::usage("--offset and --follow take one FILE"));
        }
        if self.write.mode.is_some() && self.write.write.is_none() {
            return Err(Stop::usage("--mode needs --write"));
        }
        let form = self.form()?;
        let matcher = self.expression.as_deref().map(|text| choices::matcher("--match", text));
        Ok(Plan {
            files,
            form,
            count: self.count,
            matcher: matcher.transpose()?,
            verifier: self.keys.load()?,
            max_count: self.max_count.unwrap_or(u64::MAX),
            last: self.last,
            offset: self.offset.unwrap_or(0),
            follow: self.follow,
            framing: !self.no_framing,
            max_message_size: self.max_message_size,
            strict: self.strict,
            dedup: self.dedup,
            write: self.write,
            writing: self.writing,
        })
    }

    fn form_name(&self) -> Result<FormName, Stop> {
        let name = match (self.json, self.text, &self.template) {
            (true, ..) => FormName::Json,
            (_, true, _) => FormName::Text,
            (.., Some(_)) => FormName::Template,
            _ => self.output.unwrap_or(FormName::Payload),
        };
        let of_payloads = self.timestamps.is_some() || self.newlines.is_some();
        let mistake = if self.output.is_some_and(|output| output != name) {
            "--template is for -o template"
        } else if of_payloads && name != FormName::Payload {
            "--timestamps and --newlines are for -o payload"
        } else if self.null && !matches!(name, FormName::Payload | FormName::Template) {
            "--null is for -o payload and -o template"
        } else {
            return Ok(name);
        };
        Err(Stop::usage(mistake))
    }

    fn form(&self) -> Result<Form, Stop> {
        let name = self.form_name()?;
        let wrong = |flag: &'static str| move |why| Stop::usage(format_args!("{flag}: {why}"));
        Ok(match (name, &self.template) {
            (FormName::Payload, _) => Form::Payload(self.payload()?),
            (FormName::Json, _) => Form::Json,
            (FormName::Text, _) => Form::Text,
            (FormName::Rst, _) => Form::Rst,
            (FormName::SandboxText, _) => Form::SandboxText,
            (FormName::Heka, _) => Form::Heka,
            (FormName::Template, Some(text)) => {
                let template = Template::new(text, clock::zone()).map_err(wrong("--template"))?;
                Form::Template(template.ending_with(if self.null { 0 } else { b'\n' }))
            }
            (FormName::Template, None) => {
                return Err(Stop::usage("-o template needs --template"));
            }
        })
    }

    fn payload(&self) -> Result<Payload, Stop> {
        let now: Option<fn() -> i64> = (self.ts_from == TimeOf::Now).then_some(clock::now_ns);
        let prefix = self
            .timestamps
            .as_deref()
            .map(|format| Prefix::new(format, clock::zone(), now))
            .transpose();
        let prefix = prefix.map_err(|why| Stop::usage(format_args!("--timestamps: {why}")))?;
        Ok(Payload { newlines: self.newlines.unwrap_or_default(), null: self.null, prefix })
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
