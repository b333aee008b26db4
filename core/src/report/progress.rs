// SPDX-License-Identifier: MIT OR Apache-2.0
//! The `--progress` meter: a row of the terminal that says how far a tool is.
//!
//! The tools of a pipeline share a terminal and know nothing of each other, so the terminal itself
//! keeps the order: the tool that holds a lock on byte N of it, counted from its process group, has
//! row N below the cursor, which everybody leaves where it was. Whoever prints a line or ends
//! clears the rows; who still runs draws its own again within a second.

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

/// Between two looks at the counters.
const PERIOD: Duration = Duration::from_secs(1);
/// More tools of one pipeline than this draw over each other.
const MOST_ROWS: i64 = 16;
/// Columns of a terminal of unknown width.
const WIDTH: usize = 80;
/// What clears all rows: the cursor is above them.
const CLEAR: &str = "\r\x1b[J";

static IS_DRAWN: AtomicBool = AtomicBool::new(false);
/// Held while drawing, so that nothing is drawn after the end.
static HAS_ENDED: Mutex<bool> = Mutex::new(false);

/// Draws from now on, if stderr is a terminal.
pub fn start() {
    #[expect(clippy::disallowed_methods, reason = "asks about stderr, does not write")]
    if nix::unistd::isatty(std::io::stderr()).unwrap_or(false) {
        std::thread::spawn(draw_all);
    }
}

/// Clears what was drawn, for good.
pub fn finish() {
    let mut has_ended = HAS_ENDED.lock().unwrap_or_else(PoisonError::into_inner);
    if !std::mem::replace(&mut *has_ended, true) && IS_DRAWN.load(Ordering::SeqCst) {
        write(CLEAR);
        IS_DRAWN.store(false, Ordering::SeqCst);
    }
}

/// What is to be written before a line, so that it does not stand behind the meter.
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
    // There is nowhere to report that stderr fails.
    drop(std::io::stderr().write_all(text.as_bytes()));
}

/// What the meter says, given what was so far and is now.
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

/// A row of the terminal, ours as long as the lock is.
#[derive(Debug)]
struct Row {
    number: i64,
    _lock: Option<File>,
}

impl Row {
    /// The first one that no other tool of this process group has.
    fn take() -> Self {
        // A description of its own: that of stderr is shared by the whole pipeline.
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

    /// `text` on this row, and the cursor where it was. Line ends make rows where there are none.
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
