// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common command line: flags that every tool has, parsers for values, and the way from `main`
//! to a tool's `run`.

mod arguments;
mod choices;
pub mod exit;
mod help;
#[cfg(feature = "net")]
pub mod net;
mod reporting;
pub mod secret;
#[cfg(feature = "json")]
mod secret_json;
mod showing;
pub mod signing;
#[cfg(feature = "testing")]
pub mod testing;
#[cfg(feature = "transport")]
pub mod transport;
mod unparsed;
mod usage;
mod values;
mod write;

use std::ffi::OsString;
use std::path::Path;
use std::process::ExitCode;

use clap::error::ErrorKind;
use clap::{ArgAction, Args, ValueEnum};

pub use crate::codec::severity::parse_severity;
use crate::os::{Output, clock, pulse, reporter, signal};
use crate::report::stats::{self, Identity, Metric};
use crate::report::{self, Explain as _, Level, Status, Stop, main_thread};
pub use arguments::{Given, given};
#[cfg(feature = "regex")]
pub use choices::{matcher, mistaken, regex, warn_of_quotes};
use exit::finish;
pub use help::Help;
pub use reporting::Reporting;
#[cfg(feature = "json")]
pub use secret_json::SecretJson;
pub use showing::{Showing, choice, describe, forms, settle_form, settle_frames};
pub use unparsed::{UNPARSED, Unparsed};
pub use values::*;
pub use write::{CommitArgs, WriteArgs, parse_octal, parse_rotation};

const VERSION: &str = env!("CARGO_PKG_VERSION");
const REVISION: &str = match option_env!("HEKA_TOOLS_REV") {
    Some(revision) => revision,
    None => "unknown",
};

/// Flags of every tool.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Common {
    /// Print only errors
    #[arg(short, long, overrides_with = "verbose")]
    pub quiet: bool,
    /// Print more detail (repeatable)
    #[arg(short, long, action = ArgAction::Count, overrides_with = "quiet")]
    pub verbose: u8,
    /// When to colour messages
    #[arg(long, value_name = "WHEN", default_value = "auto")]
    pub color: When,
    /// Reports about the tool itself.
    #[command(flatten)]
    pub reporting: Reporting,
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
    /// `TERM` (neither `dumb` nor absent), then the terminal.
    #[expect(clippy::disallowed_methods, reason = "the environment is read here for all tools")]
    pub fn decide(self, is_terminal: bool) -> bool {
        let set = |name| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        match self {
            Self::Always => true,
            Self::Never => false,
            Self::Auto if set("NO_COLOR") => false,
            Self::Auto if set("CLICOLOR_FORCE") => true,
            Self::Auto => {
                is_terminal && std::env::var_os("TERM").is_some_and(|term| term != "dumb")
            }
        }
    }
}

/// Flags of every tool that writes records.
#[derive(Args, Clone, Debug, Default)]
#[command(next_help_heading = "Common options")]
pub struct Writing {
    /// Write each record at once
    #[arg(short, long)]
    pub unbuffered: bool,
    /// Exit with 4 if nothing was written
    #[arg(short, long)]
    pub exit_status: bool,
}

impl Writing {
    /// Returns the exit status after `records` records were written.
    pub fn status(&self, records: u64) -> Status {
        if self.exit_status && records == 0 { Status::Nothing } else { Status::Done }
    }
}

/// The input files of a filter.
#[derive(Args, Clone, Debug, Default)]
pub struct Files {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<String>,
}

impl Files {
    /// Returns the files in order, standard input if there are none. `other` is a further file that
    /// is read.
    ///
    /// # Errors
    /// Status 2 if standard input is given twice.
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

/// A tool's command line.
pub trait Tool: clap::Parser {
    /// The program's name.
    const NAME: &'static str;
    /// The tool's own numbers, after those of all tools.
    const METRICS: &'static [&'static [Metric]] = &[];
    /// The additions to its help.
    const HELP: Help;
    /// Returns the common flags.
    fn common(&self) -> &Common;
    /// Whether the tool is ready only when others can connect, which it reports by
    /// [`pulse::ready`].
    fn listens(&self) -> bool {
        false
    }
    /// Rewrites the arguments, including the program's name, before parsing: for obsolete syntax.
    fn arguments(arguments: Vec<OsString>) -> Vec<OsString> {
        arguments
    }
    /// Adjusts the command, for a tool that needs the letter of a shared flag for itself.
    fn adjust(command: clap::Command) -> clap::Command {
        command
    }
}

/// Runs a tool: parses its arguments, sets up signals, diagnostics and statistics, and converts the
/// result of `run` into the exit of the process.
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
    main_thread::mark();
    if tool.listens() {
        pulse::announce();
    }
    start_reporting::<T>(&common.reporting)?;
    let outcome = exit::explain(run(tool));
    reporter::finish();
    if common.reporting.prints_stats() {
        stats::print();
    }
    outcome
}

fn start_reporting<T: Tool>(reporting: &Reporting) -> Result<(), Stop> {
    stats::init(Identity {
        version: VERSION,
        revision: REVISION,
        metrics: T::METRICS,
        time: u64::try_from(clock::now_ns()).unwrap_or_default(),
    });
    if reporting.is_json() {
        stats::print_as_json();
    }
    if reporting.progress {
        report::progress::start();
    }
    reporting.reporter()?.start().at("threads")
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
    let color = common.color.decide(is_terminal);
    report::init(name, level, common.reporting.format(color));
}

/// Returns a tool's command with its version texts, as it is parsed.
pub fn command<T: Tool>() -> clap::Command {
    let long = format!(
        "{VERSION}\nrevision {REVISION}\nheka message format: proto2, framing 0x1e/0x1f\n\
         licence: MIT OR Apache-2.0"
    );
    let command = T::adjust(T::command())
        .name(T::NAME)
        .version(VERSION)
        .long_version(long)
        .args_override_self(true);
    help::add(command, T::NAME, T::HELP)
}

fn parse<T: Tool>() -> Result<Option<T>, Stop> {
    let command = command::<T>();
    let arguments = arguments::expand(std::env::args_os().collect(), &command);
    let arguments = arguments.inspect_err(|_| init_diag(T::NAME, &Common::default()))?;
    let arguments = T::arguments(arguments);
    let parsed = command
        .clone()
        .try_get_matches_from(&arguments)
        .and_then(|mut matches| T::from_arg_matches_mut(&mut matches));
    if parsed.is_err() {
        // Errors before the flags are parsed need the program's name too.
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
        Err(error) => Err(Stop::usage(usage::describe(&error, &command, &arguments))),
    }
}
