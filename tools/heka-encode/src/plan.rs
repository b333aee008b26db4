// SPDX-License-Identifier: MIT OR Apache-2.0
//! The validated task.

use heka_core::cli::{self, Showing, Unparsed, When, Writing};
use heka_core::codec::Selector;
use heka_core::decode::{Decoder, start_of_records};
use heka_core::record::Oversize;
use heka_core::report::Stop;
use heka_core::wire::{Field, Message, Signer, Template, put_message};

use regex::bytes::Regex;

use crate::cli::{Cli, InputForm, Time, Uuid};
use crate::field_arg;

/// The separation of text records, if no delimiter was given.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Shape {
    /// By line ends.
    Lines,
    /// By the brackets of JSON.
    Json,
    /// By the rules of the journal's export format, and of JSON.
    Journal,
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    /// Whether to list the presets and do nothing else.
    pub(crate) lists_presets: bool,
    pub(crate) files: Vec<String>,
    pub(crate) input: InputForm,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    /// The byte that ends a record, if given.
    pub(crate) delimiter: Option<u8>,
    pub(crate) chomp: bool,
    pub(crate) skip_empty: bool,
    pub(crate) max_count: u64,
    /// The common parts of all messages, without Uuid, timestamp and payload.
    pub(crate) base: Message,
    /// `base` as bytes.
    pub(crate) base_bytes: Vec<u8>,
    /// Only the requested parts, for existing messages.
    pub(crate) changes: Message,
    /// `changes` as bytes, empty if there are none.
    pub(crate) change_bytes: Vec<u8>,
    pub(crate) time: Time,
    pub(crate) uuid: Uuid,
    /// The decoder of records.
    pub(crate) decoder: Option<Decoder>,
    pub(crate) shape: Shape,
    /// Matches lines that begin a multi-line record.
    pub(crate) start: Option<Regex>,
    pub(crate) from: Option<Selector>,
    pub(crate) unparsed: Unparsed,
    pub(crate) strict: bool,
    pub(crate) max_record: usize,
    pub(crate) oversize: Oversize,
    pub(crate) framing: bool,
    pub(crate) signer: Option<Signer>,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        let lists_presets = self.parsing.take_help();
        let files = std::mem::take(&mut self.files).names(self.signer.hmac_key_file.as_deref())?;
        let fields = field_arg::collect(&self.head.field)
            .map_err(|why| Stop::usage(format_args!("--field: {why}")))?;
        self.check_combination()?;
        let decoder = self.parsing.decoder(self.input, self.max_record)?;
        let (base, changes) = (self.head.base(fields.clone()), self.head.explicit(fields));
        self.check_room(&base)?;
        let shape = self.shape();
        let start = self.start().map(|text| cli::regex("--preset", text)).transpose()?;
        Ok(Plan {
            lists_presets,
            files,
            input: self.input,
            showing: self.showing,
            color: self.common.color,
            delimiter: if self.null { Some(0) } else { self.delimiter },
            chomp: !self.no_chomp,
            skip_empty: self.skip_empty,
            max_count: self.max_count.unwrap_or(u64::MAX),
            base_bytes: bytes_of(&base),
            base,
            change_bytes: bytes_of(&changes),
            changes,
            time: self.head.timestamp,
            uuid: self.head.uuid,
            decoder,
            shape,
            start,
            from: self.parsing.from,
            unparsed: self.parsing.unparsed.unwrap_or_default(),
            strict: self.parsing.strict,
            max_record: self.max_record,
            oversize: self.oversize.unwrap_or(Oversize::Split),
            framing: !self.no_framing,
            signer: self.signer.load()?,
            writing: self.writing,
        })
    }

    /// Checks that messages have room for at least one byte of text.
    fn check_room(&self, base: &Message) -> Result<(), Stop> {
        let overhead = Template::new(base, None).overhead(self.max_record);
        if self.input != InputForm::Heka && overhead >= self.max_record {
            return Err(Stop::usage(format_args!(
                "--max-record: headers and fields alone take up to {overhead} bytes"
            )));
        }
        Ok(())
    }

    fn check_combination(&self) -> Result<(), Stop> {
        let form = self.showing.form()?;
        let is_text = form.is_some_and(|form| !form.is_binary());
        let wrong = if self.no_framing && is_text {
            Some("--no-framing is for -o heka")
        } else {
            self.check_effect(is_text)
        };
        wrong.map_or(Ok(()), |text| Err(Stop::usage(text)))
    }

    /// Returns what is wrong if a flag has no effect.
    fn check_effect(&self, is_text: bool) -> Option<&'static str> {
        use InputForm::{Auto, Heka, Json, Logfmt, Whole};
        let parsing = &self.parsing;
        let has_values = !parsing.timestamp_format.is_empty()
            || parsing.timestamp_zone.is_some()
            || parsing.severity_map.is_some()
            || parsing.year.is_some()
            || !parsing.field_type.is_empty();
        let has_ends = self.delimiter.is_some() || self.null || self.no_chomp;
        let can_fail = self.parses() || self.input == Json;
        if matches!(self.input, Json | Logfmt) && !parsing.regex.is_empty() {
            Some("--regex is not for -i json and -i logfmt")
        } else if has_values && !self.parses() {
            Some(
                "--timestamp-format, --timestamp-zone, --year, --severity-map and --field-type need --regex, --json-map, --logfmt or --preset",
            )
        } else if parsing.strict && !can_fail {
            Some("--strict needs records with a structure")
        } else if parsing.unparsed.is_some() && !can_fail {
            Some("--unparsed needs records with a structure")
        } else if parsing.from.is_some() && !(matches!(self.input, Auto | Heka) && self.parses()) {
            Some("--from is for framed messages that are parsed")
        } else if has_ends && matches!(self.input, Heka | Whole) {
            Some("--delimiter, --null and --no-chomp are for -i lines, json and logfmt")
        } else if self.skip_empty && self.input == Heka {
            Some("--skip-empty is not for -i heka")
        } else if self.input == Heka
            && !self.parses()
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

    /// Returns how records are separated.
    fn shape(&self) -> Shape {
        let parsing = &self.parsing;
        let presets: Vec<_> = parsing.preset.iter().map(String::as_str).collect();
        let has_lines = parsing.logfmt.is_some()
            || !parsing.regex.is_empty()
            || !parsing.access_format.is_empty();
        match presets[..] {
            [] if self.input == InputForm::Json => Shape::Json,
            [] if parsing.json_map.is_some() && self.input != InputForm::Logfmt && !has_lines => {
                Shape::Json
            }
            ["journald"] if !has_lines && parsing.json_map.is_none() => Shape::Journal,
            ["json" | "gelf"] if !has_lines => Shape::Json,
            _ => Shape::Lines,
        }
    }

    /// Returns the expression for lines that begin a multi-line record: only if all presets have
    /// such records.
    fn start(&self) -> Option<&'static str> {
        let parsing = &self.parsing;
        let has_others = parsing.json_map.is_some()
            || parsing.logfmt.is_some()
            || !parsing.regex.is_empty()
            || !parsing.access_format.is_empty()
            || matches!(self.input, InputForm::Logfmt | InputForm::Json);
        let mut starts = parsing.preset.iter().map(|name| start_of_records(name));
        let first = starts.next().flatten().filter(|_| !has_others)?;
        starts.all(|start| start.is_some()).then_some(first)
    }

    /// Whether records are parsed.
    pub(crate) fn parses(&self) -> bool {
        let parsing = &self.parsing;
        !parsing.regex.is_empty()
            || parsing.json_map.is_some()
            || parsing.logfmt.is_some()
            || !parsing.preset.is_empty()
            || !parsing.access_format.is_empty()
            || self.input == InputForm::Logfmt
    }
}

/// Encodes a message; empty if the message is.
fn bytes_of(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_message(&mut bytes, message);
    bytes
}

/// Replaces parts of a message from JSON.
pub(crate) fn change(mut message: Message, changes: &Message) -> Message {
    let replace = |old: &mut Option<bytes::Bytes>, new: &Option<bytes::Bytes>| {
        if new.is_some() {
            old.clone_from(new);
        }
    };
    replace(&mut message.uuid, &changes.uuid);
    replace(&mut message.r#type, &changes.r#type);
    replace(&mut message.logger, &changes.logger);
    replace(&mut message.env_version, &changes.env_version);
    replace(&mut message.hostname, &changes.hostname);
    message.timestamp = changes.timestamp.or(message.timestamp);
    message.severity = changes.severity.or(message.severity);
    message.pid = changes.pid.or(message.pid);
    let fields: &[Field] = &changes.fields;
    message.fields.extend_from_slice(fields);
    message
}
