// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command-line half of the conventions: flags that every tool has, parsers for values, and
//! the way from `main` to a tool's `run`.

use std::path::Path;
use std::process::ExitCode;
use std::time::Duration;

use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::{ArgAction, Args, ValueEnum};

use crate::codec::Form;
pub use crate::codec::severity::parse_severity;
use crate::diag::{self, Level};
use crate::exit::{Explain as _, Status, Stop, finish};
use crate::io::Output;
use crate::{signal, stats};

/// Flags of every tool.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Tell errors only
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,
    /// Tell more (repeat for even more)
    #[arg(short, long, action = ArgAction::Count, overrides_with = "quiet")]
    pub verbose: u8,
    /// Colour what is told on a terminal
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Tell statistics at the end
    #[arg(long)]
    pub stats: bool,
    /// Show a live rate on a terminal
    #[arg(long)]
    pub progress: bool,
}

/// When to use colour.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, ValueEnum)]
pub enum When {
    /// On a terminal, unless the environment says otherwise.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

impl When {
    /// Decides for a stream that is a terminal or not: `NO_COLOR`, then `CLICOLOR_FORCE`, then
    /// `TERM=dumb`, then the terminal.
    #[expect(clippy::disallowed_methods, reason = "the environment is read here for all tools")]
    pub fn decide(self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR") => false,
            Self::Auto if set("CLICOLOR_FORCE") => true,
            Self::Auto => is_terminal && std::env::var_os("TERM").is_none_or(|term| term != "dumb"),
        }
    }
}

/// Flags of every tool that writes records.
#[derive(Args, Clone, Debug, Default)]
pub struct Writing {
    /// Write each record at once
    #[arg(short, long)]
    pub unbuffered: bool,
    /// Exit with 4 if nothing was written
    #[arg(short, long)]
    pub exit_status: bool,
}

impl Writing {
    /// The status to end with, given that so many records were written.
    pub fn status(&self, records: u64) -> Status {
        if self.exit_status && records == 0 { Status::Nothing } else { Status::Done }
    }
}

/// What a filter reads.
#[derive(Args, Clone, Debug, Default)]
pub struct Files {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<String>,
}

impl Files {
    /// The files in order, standard input if none is named. `other` is a file that is read too.
    ///
    /// # Errors
    /// Status 2 if standard input is named twice.
    pub fn names(self, other: Option<&Path>) -> Result<Vec<String>, Stop> {
        let mut names = self.files;
        if names.is_empty() {
            names.push("-".to_owned());
        }
        let is_stdin = |path: &Path| path.as_os_str() == "-";
        let paths = names.iter().map(Path::new).chain(other);
        if paths.filter(|path| is_stdin(path)).count() > 1 {
            return Err(Stop::usage("standard input can be read only once"));
        }
        Ok(names)
    }
}

/// Flags of tools that write messages in the common forms.
#[derive(Args, Clone, Debug, Default)]
pub struct Showing {
    /// Form of the output
    #[arg(short, long, value_name = "FORM")]
    pub output: Option<Form>,
    /// The same as -o json
    #[arg(short, long, conflicts_with = "output")]
    pub json: bool,
}

impl Showing {
    /// What was asked for, if anything was.
    pub fn form(&self) -> Option<Form> {
        if self.json { Some(Form::Json) } else { self.output }
    }

    /// Settles the form that `out` gets, and makes `out` ready for it.
    ///
    /// # Errors
    /// As [`settle_form`].
    pub fn open(&self, default: Form, out: Output) -> Result<(Form, Output), Stop> {
        settle_form(self.form(), default, out)
    }
}

/// Settles the form of a tool's records: what was `chosen`, else the tool's default; but a terminal
/// gets text where framed messages are the default. Text is made harmless for terminals.
///
/// # Errors
/// As [`refuse_terminal`], if framed messages were asked for.
pub fn settle_form(
    chosen: Option<Form>,
    default: Form,
    out: Output,
) -> Result<(Form, Output), Stop> {
    let form = match chosen {
        Some(form) => form,
        None if default.is_binary() && out.is_terminal() => Form::Text,
        None => default,
    };
    if form.is_binary() {
        refuse_terminal(&out)?;
    }
    let out = if form.is_binary() { out } else { out.text() };
    Ok((form, out))
}

/// Refuses to write framed messages to a terminal.
///
/// # Errors
/// If `out` is one; that and what helps has been said then.
pub fn refuse_terminal(out: &Output) -> Result<(), Stop> {
    if out.is_terminal() {
        diag::error("framed messages are not for a terminal");
        diag::hint("… | cat");
        return Err(Stop::Said(Status::Usage));
    }
    Ok(())
}

/// A tool's command line.
pub trait Tool: clap::Parser {
    /// The program's name.
    const NAME: &'static str;
    /// What [`Common`] got.
    fn common(&self) -> &Common;
    /// A last word on the command, for a tool that must take a letter away from a shared flag.
    fn adjust(command: clap::Command) -> clap::Command {
        command
    }
}

/// Runs a tool: parses its arguments, sets up signals, diagnostics and statistics, and turns what
/// `run` says into the end of the process.
pub fn main<T: Tool>(run: impl FnOnce(T) -> Result<Status, Stop>) -> ExitCode {
    finish(start(run))
}

fn start<T: Tool>(run: impl FnOnce(T) -> Result<Status, Stop>) -> Result<Status, Stop> {
    let Some(tool) = parse::<T>()? else {
        return Ok(Status::Done);
    };
    let common = tool.common().clone();
    init_diag(T::NAME, &common);
    signal::install().at("signals")?;
    stats::init(common.progress);
    let outcome = run(tool);
    if common.stats {
        stats::print();
    }
    outcome
}

fn init_diag(name: &'static str, common: &Common) {
    let level = match (common.quiet, common.verbose) {
        (true, _) => Level::Error,
        (_, 0) => Level::Warning,
        (_, 1) => Level::Note,
        (_, 2) => Level::Debug,
        _ => Level::Trace,
    };
    #[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
    let is_terminal = nix::unistd::isatty(std::io::stderr()).unwrap_or(false);
    diag::init(name, level, common.color.decide(is_terminal));
}

/// A tool's command with its version texts, as it is parsed.
pub fn command<T: Tool>() -> clap::Command {
    let version = env!("CARGO_PKG_VERSION");
    let revision = option_env!("HEKA_TOOLS_REV").unwrap_or("unknown");
    let long = format!(
        "{version}\nrevision {revision}\nheka message format: proto2, framing 0x1e/0x1f\n\
         licence: MIT OR Apache-2.0"
    );
    T::adjust(T::command())
        .name(T::NAME)
        .version(version)
        .long_version(long)
        .args_override_self(true)
}

fn parse<T: Tool>() -> Result<Option<T>, Stop> {
    let parsed = command::<T>()
        .try_get_matches_from(std::env::args_os())
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    if parsed.is_err() {
        // What goes wrong before the flags are known has a name too.
        init_diag(T::NAME, &Common::default());
    }
    match parsed {
        Ok(tool) => Ok(Some(tool)),
        Err(error)
            if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) =>
        {
            let mut out = Output::stdout()?;
            out.put(error.render().to_string().as_bytes());
            out.flush()?;
            Ok(None)
        }
        Err(error) => Err(Stop::usage(usage_text(&error))),
    }
}

/// clap's first paragraph in one line, without its `error: `.
fn usage_text(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let mut line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(rest) = line.strip_prefix("error: ") {
        line = rest.to_owned();
    }
    if let Some(ContextValue::String(guess)) = error.get(ContextKind::SuggestedArg) {
        line += &format!(" (did you mean '{guess}'?)");
    }
    line
}

/// A size in bytes with the suffixes of tail(1): b=512, kB=1000, K=KiB=1024, MB, M, GB, G, T.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_size(text: &str) -> Result<u64, String> {
    let digits = text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(digits);
    let number: u64 = number.parse().map_err(|_| "expected a size such as 64K".to_owned())?;
    let factor: u64 = match suffix {
        "" | "B" => 1,
        "b" => 512,
        "kB" | "KB" => 1000,
        "k" | "K" | "KiB" => 1 << 10,
        "MB" => 1_000_000,
        "m" | "M" | "MiB" => 1 << 20,
        "GB" => 1_000_000_000,
        "g" | "G" | "GiB" => 1 << 30,
        "TB" => 1_000_000_000_000,
        "t" | "T" | "TiB" => 1 << 40,
        _ => return Err(format!("unknown unit '{suffix}' (K, kB, M, MB, G, GB, …)")),
    };
    number.checked_mul(factor).ok_or_else(|| "too large".to_owned())
}

/// A size that fits memory and is not zero.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_buffer_size(text: &str) -> Result<usize, String> {
    match parse_size(text)? {
        0 => Err("must be more than 0".to_owned()),
        size if size > u64::from(u32::MAX) => Err("must be less than 4G".to_owned()),
        size => usize::try_from(size).map_err(|_| "too large".to_owned()),
    }
}

/// A hundred years, in seconds: no clock gets out of bounds by it.
const LONGEST_DURATION: f64 = 36_500.0 * 86_400.0;

/// A duration: `250ms`, `5s`, `1m`, `2h`, `1d`, sums of these, or a bare number of seconds.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_duration(text: &str) -> Result<Duration, String> {
    let wrong = || "expected a duration such as 250ms, 5s, 1m or 2h".to_owned();
    let mut total = 0.0;
    let mut rest = text;
    while !rest.is_empty() {
        let digits = rest.find(|c: char| !c.is_ascii_digit() && c != '.').unwrap_or(rest.len());
        let (number, tail) = rest.split_at(digits);
        let letters = tail.find(|c: char| c.is_ascii_digit() || c == '.').unwrap_or(tail.len());
        let (unit, tail) = tail.split_at(letters);
        let number: f64 = number.parse().map_err(|_| wrong())?;
        total += number
            * match unit {
                "ns" => 1e-9,
                "us" | "µs" => 1e-6,
                "ms" => 1e-3,
                "" | "s" => 1.0,
                "m" | "min" => 60.0,
                "h" => 3600.0,
                "d" => 86_400.0,
                _ => return Err(wrong()),
            };
        rest = tail;
    }
    if text.is_empty() {
        Err(wrong())
    } else if total > LONGEST_DURATION {
        Err("expected a duration of at most 36500d".to_owned())
    } else {
        Duration::try_from_secs_f64(total).map_err(|_| wrong())
    }
}

/// A duration, or `none` for no limit.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_timeout(text: &str) -> Result<Timeout, String> {
    match text {
        "none" | "off" | "forever" => Ok(Timeout(None)),
        _ => parse_duration(text).map(|duration| Timeout(Some(duration))),
    }
}

/// A time limit, or none. (A type of its own: to clap, an `Option` is a flag that may be absent.)
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Timeout(pub Option<Duration>);

/// How often to try again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Retries {
    /// Without end.
    #[default]
    Forever,
    /// So many times.
    Times(u64),
}

impl std::fmt::Display for Retries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Forever => f.write_str("forever"),
            Self::Times(count) => count.fmt(f),
        }
    }
}

/// `forever` (or -1, Heka's word for it) or a number.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_retries(text: &str) -> Result<Retries, String> {
    match text {
        "forever" | "-1" => Ok(Retries::Forever),
        _ => text
            .parse()
            .map(Retries::Times)
            .map_err(|_| "expected a number or 'forever'".to_owned()),
    }
}

/// One byte: itself, or an escape such as `\n`, `\t`, `\0`, `\x1e`.
///
/// # Errors
/// Words on what is wrong.
pub fn parse_byte(text: &str) -> Result<u8, String> {
    let wrong = || "expected one byte, such as ';' or '\\t' or '\\x1e'".to_owned();
    match text.as_bytes() {
        [byte] => Ok(*byte),
        [b'\\', letter] => match letter {
            b'n' => Ok(b'\n'),
            b'r' => Ok(b'\r'),
            b't' => Ok(b'\t'),
            b'0' => Ok(0),
            b'\\' => Ok(b'\\'),
            _ => Err(wrong()),
        },
        [b'\\', b'x', digits @ ..] if digits.len() == 2 => {
            let digits = std::str::from_utf8(digits).map_err(|_| wrong())?;
            u8::from_str_radix(digits, 16).map_err(|_| wrong())
        }
        _ => Err(wrong()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_are_those_of_tail() {
        assert_eq!(parse_size("64K"), Ok(65_536));
        assert_eq!(parse_size("1kB"), Ok(1000));
        assert_eq!(parse_size("2b"), Ok(1024));
        assert!(parse_size("K").is_err());
        assert!(parse_size("99999999999T").is_err());
    }

    #[test]
    fn durations_take_units_sums_and_bare_seconds() {
        assert_eq!(parse_duration("250ms"), Ok(Duration::from_millis(250)));
        assert_eq!(parse_duration("1h30m"), Ok(Duration::from_secs(5400)));
        assert_eq!(parse_duration("1.5"), Ok(Duration::from_millis(1500)));
        assert!(parse_duration("").is_err());
        assert!(parse_duration("-1s").is_err());
        assert!(parse_duration("5 parsecs").is_err());
        assert!(parse_duration("36500d").is_ok());
        for long in ["36501d", "200000000000000d", &"9".repeat(400)] {
            assert!(parse_duration(long).unwrap_err().contains("at most"), "{long}");
        }
    }

    #[test]
    fn bytes_can_be_escaped() {
        assert_eq!(parse_byte("\\x1e"), Ok(0x1e));
        assert_eq!(parse_byte("\\n"), Ok(b'\n'));
        assert_eq!(parse_byte(";"), Ok(b';'));
        assert!(parse_byte("ab").is_err());
        assert!(parse_byte("é").is_err());
    }
}
