// SPDX-License-Identifier: MIT OR Apache-2.0
//! The form of a tool's output, and the one way to open an output for it.

use clap::Args;
use clap::builder::{PossibleValue, PossibleValuesParser, TypedValueParser};

use super::When;
use crate::codec::FieldList;
use crate::codec::short::TimeForm;
use crate::codec::{Encoder, Form, Settings};
use crate::os::{Output, clock};
use crate::report::{self, Status, Stop};

/// The forms of every tool that writes messages.
const OF_MESSAGES: &[Form] =
    &[Form::Heka, Form::Payload, Form::Json, Form::Text, Form::Short, Form::ShortIso, Form::Logfmt];

/// Flags of tools that write messages.
#[derive(Args, Clone, Debug, Default)]
pub struct Showing {
    /// Output format
    #[arg(short, long, value_name = "FORM", value_parser = forms(OF_MESSAGES))]
    pub output: Option<Form>,
    /// The same as -o json
    #[arg(short, long, conflicts_with = "output")]
    pub json: bool,
    /// Fields that -o short and logfmt show: all, none or NAME,…
    #[arg(long, value_name = "LIST", value_parser = parse_field_list)]
    pub fields: Option<FieldList>,
    /// Times of -o short: local, utc, iso, relative or none
    #[arg(long, value_name = "WHICH", value_parser = parse_time_form())]
    pub time: Option<TimeForm>,
    /// Cut lines of -o short that are too long
    #[arg(long)]
    pub no_wrap: bool,
}

impl Showing {
    /// Returns the requested form, if any: flags for one form imply it.
    ///
    /// # Errors
    /// Status 2 if flags for one form were given with another.
    pub fn form(&self) -> Result<Option<Form>, Stop> {
        let chosen = if self.json { Some(Form::Json) } else { self.output };
        let of_short = self.time.is_some() || self.no_wrap;
        let is_short = chosen.is_none_or(Form::is_short);
        if of_short && !is_short {
            return Err(Stop::usage("--time and --no-wrap are for -o short"));
        }
        let has_fields = matches!(chosen, Some(Form::Logfmt | Form::Csv | Form::Tsv));
        if self.fields.is_some() && !is_short && !has_fields {
            return Err(Stop::usage("--fields is for -o short, logfmt, csv and tsv"));
        }
        let is_asked_for = chosen.is_none() && (of_short || self.fields.is_some());
        Ok(if is_asked_for { Some(Form::Short) } else { chosen })
    }

    /// Opens `out` for messages, in the requested form, or otherwise short lines on a terminal and
    /// `default` elsewhere.
    ///
    /// # Errors
    /// As [`Showing::form`] and [`settle_form`].
    pub fn open(&self, default: Form, color: When, out: Output) -> Result<(Encoder, Output), Stop> {
        let settings = Settings { zone: clock::zone(), ..Settings::default() };
        self.open_as(self.form()?, default, color, settings, out)
    }

    /// Like [`Showing::open`], with the form chosen and settings for it.
    ///
    /// # Errors
    /// As [`settle_form`].
    pub fn open_as(
        &self,
        chosen: Option<Form>,
        default: Form,
        color: When,
        mut settings: Settings,
        out: Output,
    ) -> Result<(Encoder, Output), Stop> {
        let is_terminal = out.is_terminal();
        let usual = if is_terminal { Form::Short } else { default };
        let form = chosen.unwrap_or(usual);
        let look = &mut settings.look;
        look.time = self.time;
        look.fields.clone_from(&self.fields);
        look.no_wrap = self.no_wrap;
        look.color = color.decide(is_terminal);
        look.width = is_terminal.then_some(terminal_width);
        look.now = Some(clock::now_ns);
        Ok((Encoder::new(form, settings), settle_form(form, out)?))
    }
}

/// Prepares `out` for a form: text is escaped for a terminal, framed messages are refused there.
///
/// # Errors
/// Status 2 for framed messages on a terminal; this has been reported with a hint.
pub fn settle_form(form: Form, out: Output) -> Result<Output, Stop> {
    let out = if form.is_binary() {
        settle_frames(out, "choose another format with -o, or pipe them into heka-decode")?
    } else {
        out
    };
    // Short lines have colours, and are escaped by their encoder.
    let is_settled = form.is_binary() || form.is_short() || form == Form::Raw;
    Ok(if is_settled { out } else { out.text() })
}

/// Prepares `out` for framed messages, which are refused on a terminal with a hint.
///
/// # Errors
/// Status 2 if `out` is a terminal; this has been reported with the hint.
pub fn settle_frames(out: Output, hint: &str) -> Result<Output, Stop> {
    if !out.is_terminal() {
        return Ok(out);
    }
    report::error("framed messages are not written to a terminal");
    report::hint(hint);
    Err(Stop::Said(Status::Usage))
}

/// Returns the width of the terminal on standard output.
fn terminal_width() -> Option<usize> {
    #[expect(clippy::disallowed_methods, reason = "asks about stdout, does not write")]
    let size = terminal_size::terminal_size_of(std::io::stdout());
    size.map(|(width, _)| usize::from(width.0))
}

/// Returns a value parser for some forms.
pub fn forms(forms: &'static [Form]) -> impl TypedValueParser<Value = Form> {
    choice(forms.iter().map(|&form| (form, form.name(), describe(form))))
}

fn parse_time_form() -> impl TypedValueParser<Value = TimeForm> {
    choice(TimeForm::ALL.into_iter().map(|form| (form, form.name(), "")))
}

/// Returns a value parser for some named values.
pub fn choice<T: Copy + Send + Sync + 'static>(
    values: impl Iterator<Item = (T, &'static str, &'static str)>,
) -> impl TypedValueParser<Value = T> {
    let values: Vec<_> = values.collect();
    let possible = values.iter().map(|&(_, name, help)| {
        let value = PossibleValue::new(name);
        if help.is_empty() { value } else { value.help(help) }
    });
    PossibleValuesParser::new(possible.collect::<Vec<_>>()).try_map(move |text: String| {
        let found = values.iter().find(|(_, name, _)| *name == text);
        found.map(|(value, ..)| *value).ok_or("unknown value")
    })
}

/// Returns the help of a form.
pub fn describe(form: Form) -> &'static str {
    match form {
        Form::Heka => "Framed messages",
        Form::Payload => "Payloads, one a line",
        Form::Json => "JSON, one object a line",
        Form::Text => "Blocks of text, as heka-cat writes them",
        Form::Short => "One line a message, with the time of day",
        Form::ShortIso => "One line a message, with date and time",
        Form::Logfmt => "NAME=VALUE pairs, one message a line",
        Form::Csv => "Comma-separated values, names first",
        Form::Tsv => "Tab-separated values, names first",
        Form::Rst => "reStructuredText, as Heka's encoder writes it",
        Form::SandboxText => "Blocks of text, as the Lua sandbox writes them",
        Form::Template => "The text of --template, filled in",
        Form::Raw => "The bytes unchanged",
        Form::Tag => "The peer's number, a tab, the record",
    }
}

#[expect(clippy::unnecessary_wraps, reason = "a value parser")]
fn parse_field_list(text: &str) -> Result<FieldList, String> {
    Ok(FieldList::parse(text))
}
