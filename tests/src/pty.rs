// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools on a terminal.

use std::fs::File;
use std::io::Write;

use nix::pty::{Winsize, openpty};

use crate::{Running, Tool};

/// A pseudo-terminal of 80 columns. Give its ends to a [`Tool`] and read its output with
/// [`Pty::screen`].
#[derive(Debug)]
pub struct Pty {
    terminal: File,
    keyboard: File,
    screen: Running,
}

impl Pty {
    /// Opens a pseudo-terminal.
    ///
    /// # Panics
    /// If the system has none left.
    pub fn open() -> Self {
        let size = Winsize { ws_row: 24, ws_col: 80, ws_xpixel: 0, ws_ypixel: 0 };
        let pair = openpty(Some(&size), None).expect("no pseudo-terminal");
        let keyboard = File::from(pair.master);
        let appears = keyboard.try_clone().expect("no descriptor left");
        // cat collects the output, so that all output is captured the same way.
        let screen = Tool::at("/bin/cat").stdin_file(appears).spawn();
        Self { terminal: File::from(pair.slave), keyboard, screen }
    }

    /// Returns an end for [`Tool::stdout_file`], [`Tool::stdin_file`] or [`Tool::stderr_file`].
    ///
    /// # Panics
    /// If no descriptor is left.
    pub fn end(&self) -> File {
        self.terminal.try_clone().expect("no descriptor left")
    }

    /// Types `text` (`\n` ends a line, `\x04` at the start of a line is the end of input).
    ///
    /// # Panics
    /// If the terminal is closed.
    pub fn type_in(&self, text: &str) {
        (&self.keyboard).write_all(text.as_bytes()).expect("the terminal is gone");
    }

    /// Returns everything displayed so far, with the terminal's `\r\n` as `\n`.
    pub fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.stdout()).replace("\r\n", "\n")
    }

    /// Waits until `done` accepts the screen.
    #[track_caller]
    pub fn wait_screen(&self, what: &str, mut done: impl FnMut(&str) -> bool) -> String {
        crate::eventually(what, || Some(self.screen()).filter(|text| done(text)))
    }
}
