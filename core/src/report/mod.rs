// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages on stderr: `PROG: SUBJECT: CAUSE`, one write(2) per line.
//!
//! Several tools of a pipeline share one terminal, so every line names its program and lines are
//! never interleaved. Text from outside (file names, messages of peers) is shown with control
//! characters escaped. The `log` records of libraries enter here too, from `-vv` on.

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

/// The level of detail.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// Errors only (`-q`).
    Error,
    /// Errors and warnings: the default.
    #[default]
    Warning,
    /// Also notes: connected, rotated, reconnecting (`-v`).
    Note,
    /// Also reports of the libraries (`-vv`).
    Debug,
    /// Everything (`-vvv`).
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

/// Sets the program's name, the level and the format. Must be called once, before anything is
/// printed.
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

/// Returns the name of this program.
pub fn program() -> &'static str {
    sink().program
}

/// Whether messages of `level` are printed, for callers whose messages are expensive to create.
pub fn wants(level: Level) -> bool {
    level <= sink().level
}

/// Prints an error.
pub fn error(text: impl Display) {
    stats::ERRORS.add_shared(1);
    say(Level::Error, Kind::new("error", "", AnsiColor::Red, 3), &text);
}

/// Prints a warning: something went wrong, but the program continues.
pub fn warning(text: impl Display) {
    stats::WARNINGS.add_shared(1);
    say(Level::Warning, Kind::new("warning", "warning: ", AnsiColor::Yellow, 4), &text);
}

/// Prints something worth knowing (`-v`).
pub fn note(text: impl Display) {
    say(Level::Note, Kind::new("note", "note: ", AnsiColor::Cyan, 6), &text);
}

/// Prints a hint about the last error or warning, if that was printed.
pub fn hint(text: impl Display) {
    if !WAS_SAID.load(Ordering::Relaxed) {
        return;
    }
    say(Level::Error, Kind::new("hint", "hint: ", AnsiColor::Cyan, 5), &text);
}

/// Prints progress at every level except with `-q`, e.g. announcements of retries.
pub fn announce(text: impl Display) {
    say(Level::Warning, Kind::new("notice", "", AnsiColor::Cyan, 5), &text);
}

/// Prints details for debugging (`-vv`).
pub fn debug(text: impl Display) {
    say(Level::Debug, Kind::new("debug", "debug: ", AnsiColor::BrightBlack, 7), &text);
}

/// Prints a line for people unchanged, without the program's name.
pub fn plain(text: impl Display) {
    let sink = sink();
    write_line(&sink.format.plain(sink.program, &text.to_string()));
}

/// Prints a line for programs unchanged.
pub(crate) fn raw(text: impl Display) {
    write_line(&format!("{text}\n"));
}

/// Whether the last error or warning was printed.
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
    // A failure of stderr cannot be reported.
    drop(std::io::stderr().write_all(line.as_bytes()));
    if is_main {
        IS_SAYING.store(false, Ordering::Relaxed);
    }
}

/// Whether the main thread is writing to stderr.
static IS_SAYING: AtomicBool = AtomicBool::new(false);

/// Whether the main thread is writing to stderr, where its reader may block it.
pub fn is_saying() -> bool {
    IS_SAYING.load(Ordering::Relaxed)
}

/// Disables core dumps of this process and access to its memory by other processes of the user.
/// Does not apply to programs that it starts.
pub fn keep_from_core_dumps() {
    // Cannot fail; if it did, nothing would be worse than before.
    let _ = nix::sys::prctl::set_dumpable(false);
}

struct LogBridge;

impl log::Log for LogBridge {
    fn enabled(&self, metadata: &log::Metadata<'_>) -> bool {
        // Dumps of all bytes sent: tokens in pieces, which could not be concealed.
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
