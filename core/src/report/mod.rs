// SPDX-License-Identifier: MIT OR Apache-2.0
//! Words on stderr: `PROG: SUBJECT: CAUSE`, one write(2) a line.
//!
//! Several tools of a pipeline share one terminal, so every line names its program and no line is
//! torn. What comes from outside (file names, peers' words) is shown with control characters
//! escaped. Libraries' `log` records enter here too, from `-vv` on.

mod conceal;
mod damage;
mod format;
mod limiter;
pub mod main_thread;
pub mod progress;
mod refused;
pub mod stats;
mod stop;
pub mod words;

pub use conceal::{conceal, without_secrets};
pub use damage::{damage, damage_of_peer, damage_to_be_mended, last_damage_of_peer};
pub use format::Format;
pub use limiter::{print_suppressed, repeated, repeated_loss};
pub use refused::Refused;
pub use stop::{Cause, Explain, Status, Stop};

use std::fmt::Display;
use std::io::Write as _;
use std::sync::OnceLock;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Instant;

use anstyle::AnsiColor;

use format::Kind;

/// How much is said.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors only (`-q`).
    Error,
    /// And warnings: the default.
    #[default]
    Warning,
    /// And notes: connected, rotated, reconnecting (`-v`).
    Note,
    /// And what the libraries report (`-vv`).
    Debug,
    /// And all of it (`-vvv`).
    Trace,
}

#[derive(Debug)]
struct Sink {
    program: &'static str,
    level: Level,
    format: Format,
    start: Instant,
}

static SINK: OnceLock<Sink> = OnceLock::new();

/// Sets program name, level and format, once, before anything is said.
pub fn init(program: &'static str, level: Level, format: Format) {
    if SINK.set(Sink { program, level, format, start: Instant::now() }).is_ok()
        && level >= Level::Debug
        && log::set_logger(&LogBridge).is_ok()
    {
        log::set_max_level(if level == Level::Debug {
            log::LevelFilter::Debug
        } else {
            log::LevelFilter::Trace
        });
    }
}

fn sink() -> &'static Sink {
    SINK.get_or_init(|| Sink {
        program: "heka",
        level: Level::Warning,
        format: Format::default(),
        start: Instant::now(),
    })
}

/// Name of this program.
pub fn program() -> &'static str {
    sink().program
}

/// Whether words of that level are wanted: for callers whose words cost something to make.
pub fn wants(level: Level) -> bool {
    level <= sink().level
}

/// Prints an error.
pub fn error(text: impl Display) {
    stats::ERRORS.add_shared(1);
    say(Level::Error, Kind::new("error", "", AnsiColor::Red, 3), &text);
}

/// Reports something that went wrong and was got over.
pub fn warning(text: impl Display) {
    stats::WARNINGS.add_shared(1);
    say(Level::Warning, Kind::new("warning", "warning: ", AnsiColor::Yellow, 4), &text);
}

/// Prints something worth knowing (`-v`).
pub fn note(text: impl Display) {
    say(Level::Note, Kind::new("note", "note: ", AnsiColor::Cyan, 6), &text);
}

/// Says what could help with the error or warning before, if that was printed.
pub fn hint(text: impl Display) {
    if !WAS_SAID.load(Ordering::Relaxed) {
        return;
    }
    say(Level::Error, Kind::new("hint", "hint: ", AnsiColor::Cyan, 5), &text);
}

/// Reports progress whatever the level is, except with `-q`: announcements of retries, say.
pub fn announce(text: impl Display) {
    say(Level::Warning, Kind::new("notice", "", AnsiColor::Cyan, 5), &text);
}

/// Prints details for debugging (`-vv`).
pub fn debug(text: impl Display) {
    say(Level::Debug, Kind::new("debug", "debug: ", AnsiColor::BrightBlack, 7), &text);
}

/// Writes a line for people as it is, without the program's name in front.
pub fn plain(text: impl Display) {
    let sink = sink();
    write_line(&sink.format.plain(sink.program, &text.to_string()));
}

/// Writes a line for programs as it is.
pub(crate) fn raw(text: impl Display) {
    write_line(&format!("{text}\n"));
}

/// The last error or warning was printed.
static WAS_SAID: AtomicBool = AtomicBool::new(true);

fn say(level: Level, kind: Kind, text: &dyn Display) {
    let sink = sink();
    if level <= Level::Warning {
        WAS_SAID.store(level <= sink.level, Ordering::Relaxed);
    }
    if level > sink.level {
        return;
    }
    let after = (sink.level >= Level::Debug).then(|| sink.start.elapsed());
    write_line(&sink.format.line(sink.program, kind, after, &text.to_string()));
}

#[expect(clippy::disallowed_methods, reason = "this is the one place that writes to stderr")]
fn write_line(line: &str) {
    let line = &format!("{}{}", progress::clearing(), without_secrets(line));
    let is_main = main_thread::is_this();
    if is_main {
        IS_SAYING.store(true, Ordering::Relaxed);
    }
    // There is nowhere to report that stderr fails.
    drop(std::io::stderr().write_all(line.as_bytes()));
    if is_main {
        IS_SAYING.store(false, Ordering::Relaxed);
    }
}

/// The main thread writes to stderr.
static IS_SAYING: AtomicBool = AtomicBool::new(false);

/// Whether the main thread writes to stderr, and may wait for whoever reads that.
pub fn is_saying() -> bool {
    IS_SAYING.load(Ordering::Relaxed)
}

/// From now on this process leaves no core dump, and no other process of the user can read
/// its memory. Programs that it starts are not concerned.
pub fn keep_from_core_dumps() {
    // It cannot fail; if it did, nothing would be worse than before.
    let _ = nix::sys::prctl::set_dumpable(false);
}

struct LogBridge;

impl log::Log for LogBridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Dumps of all bytes sent: tokens in pieces, in which nothing could be concealed.
        let dumps = metadata.target().starts_with("ureq_proto");
        metadata.level() <= log::max_level() && !dumps
    }

    fn log(&self, record: &log::Record<'_>) {
        if self.enabled(record.metadata()) {
            debug(format_args!("{}: {}", record.target(), record.args()));
        }
    }

    fn flush(&self) {}
}
