// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `--progress` meter: a row of the terminal with the progress of a tool.
//!
//! The tools of a pipeline share a terminal without knowing of each other, so the terminal itself
//! keeps the order: the tool that holds a lock on byte N, counted from its process group, owns row
//! N below the cursor, which all tools leave in place. A tool that prints a line or exits clears
//! all rows; the others redraw theirs within a second.

use std::fs::{File, OpenOptions};
use std::io::Write as _;
use std::os::unix::fs::OpenOptionsExt as _;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::libc;

use super::stats;
use super::words::{Short, Size, Span};

/// Interval between updates.
const PERIOD: Duration = Duration::from_secs(1);
/// Further tools of a pipeline draw over each other.
const MOST_ROWS: i64 = 16;
/// Assumed width of a terminal of unknown width.
const WIDTH: usize = 80;
/// Clears all rows below the cursor.
const CLEAR: &str = "\r\x1b[J";

static IS_DRAWN: AtomicBool = AtomicBool::new(false);
/// Locked while drawing, so that nothing is drawn after the end.
static HAS_ENDED: Mutex<bool> = Mutex::new(false);

/// Starts drawing, if stderr is a terminal.
pub fn start() {
    #[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
    if nix::unistd::isatty(std::io::stderr()).unwrap_or(false) {
        std::thread::spawn(draw_all);
    }
}

/// Clears the meter and stops drawing.
pub fn finish() {
    let mut has_ended = HAS_ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    if !std::mem::replace(&mut *has_ended, true) && IS_DRAWN.load(Ordering::SeqCst) {
        write(CLEAR);
        IS_DRAWN.store(false, Ordering::SeqCst);
    }
}

/// Returns what to write before a line, so that it does not follow the meter.
pub(super) fn clearing() -> &'static str {
    if IS_DRAWN.load(Ordering::SeqCst) { CLEAR } else { "" }
}

fn draw_all() {
    let row = Row::take();
    let mut before = stats::Sample::take();
    loop {
        #[expect(clippy::disallowed_methods, reason = "this thread dies with the process")]
        std::thread::sleep(PERIOD);
        let now = stats::Sample::take();
        let text = text(&before, &now);
        let has_ended = HAS_ENDED.lock().unwrap_or_else(PoisonError::into_inner);
        if *has_ended {
            return;
        }
        IS_DRAWN.store(true, Ordering::SeqCst);
        write(&row.drawn(&text));
        drop(has_ended);
        before = now;
    }
}

#[expect(clippy::disallowed_methods, reason = "the meter is on stderr, and not a line of it")]
fn write(text: &str) {
    // A failure of stderr cannot be reported.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// Formats the meter from the previous and the current numbers.
fn text(before: &stats::Sample, now: &stats::Sample) -> String {
    let seconds = now.at.duration_since(before.at).as_secs_f64().max(1e-3);
    let messages = now.messages.saturating_sub(before.messages) as f64 / seconds;
    let bytes = now.bytes.saturating_sub(before.bytes) as f64 / seconds;
    let mut text = format!(
        "{}: {} messages, {}, {}/s, {}/s",
        super::program(),
        Short(now.messages as f64),
        Size(now.bytes as f64),
        Short(messages),
        Size(bytes)
    );
    if let Some((percent, left)) = now.outlook() {
        text += &format!(", {percent:.0}%, {} left", Span(left));
    }
    text
}

/// A row of the terminal, owned as long as the lock is held.
#[derive(Debug)]
struct Row {
    number: i64,
    _lock: Option<File>,
}

impl Row {
    /// Takes the first row that no other tool of this process group owns.
    fn take() -> Self {
        // Opens the terminal anew: the open file description of stderr is shared by the whole
        // pipeline.
        let terminal = OpenOptions::new()
            .read(true)
            .write(true)
            .custom_flags((OFlag::O_NOCTTY | OFlag::O_NONBLOCK).bits())
            .open("/proc/self/fd/2");
        let Ok(terminal) = terminal else { return Self { number: 0, _lock: None } };
        let base = i64::from(nix::unistd::getpgrp().as_raw()) * MOST_ROWS;
        let is_free = |number: &i64| {
            let range = libc::flock {
                l_type: libc::c_short::try_from(libc::F_WRLCK).unwrap_or_default(),
                l_whence: libc::c_short::try_from(libc::SEEK_SET).unwrap_or_default(),
                l_start: base + number,
                l_len: 1,
                l_pid: 0,
            };
            fcntl(&terminal, FcntlArg::F_OFD_SETLK(&range)).is_ok()
        };
        let number = (0..MOST_ROWS).find(is_free).unwrap_or(0);
        Self { number, _lock: Some(terminal) }
    }

    /// Returns the output that draws `text` on this row and restores the cursor. Line ends create
    /// rows where there are none.
    fn drawn(&self, text: &str) -> String {
        #[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
        let size = terminal_size::terminal_size_of(std::io::stderr());
        let width = size.map_or(WIDTH, |(width, _)| usize::from(width.0));
        let text: String = text.chars().take(width.saturating_sub(1)).collect();
        match usize::try_from(self.number).unwrap_or(0) {
            0 => format!("\r\x1b[K{text}\r"),
            down => format!("\r{}\x1b[K{text}\r\x1b[{down}A", "\n".repeat(down)),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Instant;

    use super::*;

    #[test]
    fn a_row_is_drawn_below_the_cursor_which_stays() {
        let row = |number| Row { number, _lock: None }.drawn("x");
        assert_eq!(row(0), "\r\x1b[Kx\r");
        assert_eq!(row(2), "\r\n\n\x1b[Kx\r\x1b[2A");
    }

    #[test]
    fn a_known_size_gives_the_time_left() {
        let start = Instant::now();
        let sample = |bytes, seconds| stats::Sample {
            at: start + Duration::from_secs(seconds),
            since: start,
            messages: 0,
            bytes,
            read: bytes,
            expected: 400,
        };
        assert_eq!(sample(100, 10).outlook(), Some((25.0, Duration::from_secs(30))));
        assert_eq!(sample(0, 10).outlook(), None);
        assert_eq!(sample(500, 10).outlook(), None);
        let text = text(&sample(0, 0), &sample(100, 10));
        assert!(text.ends_with(": 0 messages, 100 B, 0/s, 10 B/s, 25%, 30 s left"), "{text}");
    }
}
