// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-decode.

use std::path::PathBuf;

use std::num::NonZeroU64;
use std::time::Duration;

use clap::builder::TypedValueParser;
use clap::{Parser, ValueEnum};
use heka_core::cli;
use heka_core::cli::signing::{KeysArgs, Verifier};
use heka_core::cli::{CommitArgs, Help, WriteArgs};
use heka_core::cli::{
    Common, Files, Showing, Tool, When, Writing, choice, forms, parse_buffer_size, parse_duration,
    parse_size, parse_when,
};
use heka_core::codec::json::FieldsAs;
use heka_core::codec::short::Look;
use heka_core::codec::template::TextTemplate;
use heka_core::codec::{Form, Matcher, Newlines, Payload, Prefix, Selector, Settings};
use heka_core::os::clock;
use heka_core::report::Stop;

/// Format of times in Heka's payload encoder.
const TIMESTAMPS: &str = "[%Y/%b/%d:%H:%M:%S %z]";

/// Turn Heka messages into text
///
/// Reads framed messages from FILEs, or standard input, selects some of them and writes their
/// payloads, or another form of them, to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    #[command(flatten)]
    files: Files,
    #[command(flatten)]
    showing: Showing,
    /// The same as -o text
    #[arg(short, long, conflicts_with_all = ["output", "json"])]
    text: bool,
    /// Fill in TEMPLATE for each message (implies -o template)
    #[arg(long, value_name = "TEMPLATE", conflicts_with_all = ["json", "text"])]
    template: Option<String>,
    /// Whether JSON has fields as an object or as an array
    #[arg(long, value_name = "SHAPE", default_value = "auto", value_parser = parse_fields_as())]
    json_fields: FieldsAs,
    /// When to add a newline to a payload [default: auto]
    #[arg(long, value_name = "WHEN")]
    newlines: Option<Newlines>,
    /// Payloads end with NUL instead of a newline
    #[arg(short = '0', long)]
    null: bool,
    /// Prefix each payload with its time in strftime(3) FORMAT
    #[arg(long, value_name = "FORMAT", num_args = 0..=1, require_equals = true,
          default_missing_value = TIMESTAMPS)]
    timestamps: Option<String>,
    /// Which time --timestamps prints
    #[arg(long, value_name = "WHICH", default_value = "message", requires = "timestamps")]
    ts_from: TimeOf,
    /// Put the name of the FILE in front of each line
    #[arg(short = 'H', long)]
    with_filename: bool,
    /// Print only the number of messages
    #[arg(short, long, conflicts_with = "commit")]
    count: bool,
    /// Print the number of messages for each header or field
    #[arg(long, value_name = "NAME,…", value_delimiter = ',', value_parser = parse_selector,
          conflicts_with_all = ["count", "json", "text", "template", "output", "follow", "commit"])]
    count_by: Vec<Selector>,
    /// With --count-by, only the NUM most frequent
    #[arg(long, value_name = "NUM", requires = "count_by")]
    top: Option<usize>,
    /// Sort by time; messages are out of order by less than DURATION
    #[arg(long, value_name = "DURATION", num_args = 0..=1, require_equals = true,
          default_missing_value = "10s", value_parser = parse_duration,
          conflicts_with_all = ["follow", "last", "commit", "no_framing"])]
    sort: Option<Duration>,
    /// Select messages for which EXPR is true
    #[arg(short = 'm', long = "match", value_name = "EXPR", help_heading = "Selection")]
    expression: Option<String>,
    /// Stop after NUM messages
    #[arg(
        short = 'n',
        long,
        value_name = "NUM",
        conflicts_with = "last",
        help_heading = "Selection"
    )]
    max_count: Option<u64>,
    /// Print only the last NUM messages
    #[arg(long, value_name = "NUM", conflicts_with = "commit", help_heading = "Selection")]
    last: Option<usize>,
    /// Select messages from TIME on: 10m, 15:04, 2006-01-02
    #[arg(long, value_name = "TIME", value_parser = parse_when, allow_hyphen_values = true, help_heading = "Selection")]
    since: Option<i64>,
    /// Select messages before TIME
    #[arg(long, value_name = "TIME", value_parser = parse_when, allow_hyphen_values = true, help_heading = "Selection")]
    until: Option<i64>,
    /// Start at byte BYTES of the FILE
    #[arg(long, value_name = "BYTES", value_parser = parse_size, help_heading = "Selection")]
    offset: Option<u64>,
    /// Wait for more data at the end of the FILE
    #[arg(short, long, conflicts_with_all = ["no_framing", "count"], help_heading = "Selection")]
    follow: bool,
    /// Select every Nth message
    #[arg(long, value_name = "1/N", value_parser = parse_sample, help_heading = "Selection")]
    sample: Option<NonZeroU64>,
    /// Drop messages whose UUID is among the last NUM
    #[arg(long, value_name = "NUM", num_args = 0..=1, require_equals = true,
          default_missing_value = "1M", value_parser = parse_buffer_size, help_heading = "Selection")]
    dedup: Option<usize>,
    /// Stop at the first damage
    #[arg(long, help_heading = "Selection")]
    strict: bool,
    /// Each FILE is one message without a frame
    #[arg(long, help_heading = "Selection")]
    no_framing: bool,
    /// Longest message to accept
    #[arg(long, alias = "max-message-size", value_name = "SIZE", default_value = "4M", value_parser = parse_buffer_size, help_heading = "Selection")]
    max_record: usize,
    #[command(flatten)]
    keys: KeysArgs,
    #[command(flatten)]
    write: WriteArgs,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Forms of the output.
const FORMS: &[Form] = &[
    Form::Payload,
    Form::Json,
    Form::Text,
    Form::Short,
    Form::ShortIso,
    Form::Logfmt,
    Form::Csv,
    Form::Tsv,
    Form::Rst,
    Form::SandboxText,
    Form::Heka,
    Form::Template,
];

/// Whether a form consists of lines that a file name can precede.
fn has_lines(form: Form) -> bool {
    matches!(form, Form::Payload | Form::Logfmt | Form::Template) || form.is_short()
}

/// Which time precedes a payload.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum TimeOf {
    /// The message's
    Message,
    /// The time of writing
    Now,
}

fn parse_fields_as() -> impl TypedValueParser<Value = FieldsAs> {
    choice(
        [
            (FieldsAs::Auto, "auto", "An object if that loses nothing, else an array"),
            (FieldsAs::Object, "object", "An object, fields of one name put together"),
            (FieldsAs::Array, "array", "An array"),
        ]
        .into_iter(),
    )
}

/// Parses `1/N`.
fn parse_sample(text: &str) -> Result<NonZeroU64, String> {
    let number = text.strip_prefix("1/").and_then(|number| number.parse().ok());
    number.ok_or_else(|| "expected 1/N, such as 1/100".to_owned())
}

fn parse_selector(text: &str) -> Result<Selector, String> {
    Selector::parse(text)
        .ok_or_else(|| "expected a header, a field's name or Fields[name][*]".to_owned())
}

impl Tool for Cli {
    const NAME: &'static str = "heka-decode";
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        let command = command.mut_arg("output", |output| output.value_parser(forms(FORMS)));
        command.mut_args(|arg| match arg.get_id().as_str() {
            "fields" => arg.help("Fields of -o short, logfmt, csv and tsv: all, none or NAME,…"),
            _ => arg,
        })
    }
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<String>,
    pub(crate) form: Option<Form>,
    pub(crate) settings: Settings,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    pub(crate) count: bool,
    pub(crate) count_by: Vec<Selector>,
    pub(crate) top: Option<usize>,
    pub(crate) sort: Option<Duration>,
    pub(crate) sample: Option<NonZeroU64>,
    pub(crate) with_filename: bool,
    pub(crate) since: Option<i64>,
    pub(crate) until: Option<i64>,
    pub(crate) matcher: Option<Matcher>,
    pub(crate) verifier: Verifier,
    pub(crate) max_count: u64,
    pub(crate) last: Option<usize>,
    pub(crate) offset: u64,
    pub(crate) follow: bool,
    pub(crate) framing: bool,
    pub(crate) max_record: usize,
    pub(crate) strict: bool,
    pub(crate) dedup: Option<usize>,
    pub(crate) write: WriteArgs,
    /// File in which positions are stored.
    pub(crate) commit: Option<PathBuf>,
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
        let matcher = self.expression.as_deref().map(|text| cli::matcher("--match", text));
        let matcher = matcher.transpose()?;
        Ok(Plan {
            files,
            form,
            settings: self.settings(matcher.as_ref())?,
            showing: self.showing,
            color: self.common.color,
            count: self.count,
            count_by: self.count_by,
            top: self.top,
            sort: self.sort,
            sample: self.sample,
            with_filename: self.with_filename,
            since: self.since,
            until: self.until,
            matcher,
            verifier: self.keys.load()?,
            max_count: self.max_count.unwrap_or(u64::MAX),
            last: self.last,
            offset: self.offset.unwrap_or(0),
            follow: self.follow,
            framing: !self.no_framing,
            max_record: self.max_record,
            strict: self.strict,
            dedup: self.dedup,
            write: self.write,
            commit: self.commit.commit,
            writing: self.writing,
        })
    }

    /// Returns the requested form, if any: flags for one form imply it.
    fn form(&self) -> Result<Option<Form>, Stop> {
        let of_payloads = self.timestamps.is_some() || self.newlines.is_some();
        let chosen = match (self.text, &self.template, self.showing.form()?) {
            (true, ..) => Some(Form::Text),
            (_, Some(_), None) => Some(Form::Template),
            (_, _, None) if of_payloads || self.null => Some(Form::Payload),
            (.., chosen) => chosen,
        };
        let is = |form| chosen == Some(form);
        let mistake = if self.template.is_some() && !is(Form::Template) {
            "--template is for -o template"
        } else if self.template.is_none() && is(Form::Template) {
            "-o template needs --template"
        } else if of_payloads && !is(Form::Payload) {
            "--timestamps and --newlines are for -o payload"
        } else if self.json_fields != FieldsAs::Auto && !is(Form::Json) {
            "--json-fields is for -o json"
        } else if self.with_filename && !chosen.is_none_or(has_lines) {
            "--with-filename is for -o payload, short, logfmt and template"
        } else if self.null && !is(Form::Payload) && !is(Form::Template) {
            "--null is for -o payload and -o template"
        } else {
            return Ok(chosen);
        };
        Err(Stop::usage(mistake))
    }

    fn settings(&self, matcher: Option<&Matcher>) -> Result<Settings, Stop> {
        let template = self.template.as_deref().map(|text| {
            let template = TextTemplate::new(text, clock::zone())?;
            Ok(template.ending_with(if self.null { 0 } else { b'\n' }))
        });
        let template = template
            .transpose()
            .map_err(|why: String| Stop::usage(format_args!("--template: {why}")))?;
        let fields = template.as_ref().map_or(Vec::new(), TextTemplate::fields);
        cli::warn_of_quotes("--template", fields);
        let highlight = matcher.and_then(Matcher::highlight);
        let look = Look { highlight, ..Look::default() };
        let (zone, payload) = (clock::zone(), self.payload()?);
        Ok(Settings { zone, payload, template, look, fields_as: self.json_fields })
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
