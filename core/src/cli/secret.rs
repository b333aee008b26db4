// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files with secrets: keys, passwords, tokens. Secrets are never arguments, which every user of
//! the system can read.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::poll::PollFlags;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use zeroize::Zeroizing;

use crate::os::{Exposed, SecretBytes, read_secret, wait_for};
use crate::report::{self, Explain as _, Status, Stop};

/// Maximum length of a line on a terminal, with its end (`N_TTY_BUF_SIZE`).
const MAX_LINE: usize = 4096;

/// Reads a file, or standard input for `-`; warns if other users can read it.
///
/// # Errors
/// As [`read_secret`].
pub fn read(path: &Path) -> Result<SecretBytes, Stop> {
    read_secret(path, Exposed::Warn)
}

/// Reads a file whose only line is the secret; `what`, e.g. a key, is its name in messages.
/// Conceals the secret on stderr from then on.
///
/// # Errors
/// As [`read`], and if the file does not have exactly one line.
pub fn line(path: &Path, what: &str) -> Result<SecretBytes, Stop> {
    let text = local_line(path, what)?;
    if let Ok(text) = std::str::from_utf8(&text) {
        report::conceal(text);
    }
    Ok(text)
}

/// Like [`line`], without concealing it: for a secret that is never sent to a peer, so that no peer
/// can quote it. Concealing could only damage our own messages.
///
/// # Errors
/// As [`line`].
pub fn local_line(path: &Path, what: &str) -> Result<SecretBytes, Stop> {
    report::keep_from_core_dumps();
    let mut text = read(path)?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    if text.ends_with(b"\r") {
        text.pop();
    }
    if text.is_empty() {
        return Err(unusable(path, &format!("contains no {what}")));
    }
    if text.contains(&b'\n') {
        return Err(unusable(path, "more than one line"));
    }
    if has_blank_end(&text) {
        report::warning(format_args!("{}: the {what} begins or ends with a blank", path.display()));
    }
    Ok(text)
}

/// Converts a secret to text.
///
/// # Errors
/// If it is not UTF-8; status 2.
pub fn text(path: &Path, mut secret: SecretBytes) -> Result<Zeroizing<String>, Stop> {
    if secret.contains(&0) || std::str::from_utf8(&secret).is_err() {
        return Err(unusable(path, "not text"));
    }
    Ok(Zeroizing::new(String::from_utf8(std::mem::take(&mut *secret)).unwrap_or_default()))
}

/// Whether the first or last byte is a blank, which is invisible in an editor.
pub(super) fn has_blank_end(secret: &[u8]) -> bool {
    let is_blank = |byte: Option<&u8>| byte.is_some_and(u8::is_ascii_whitespace);
    is_blank(secret.first()) || is_blank(secret.last())
}

/// Asks for a line on the controlling terminal, with echo disabled; `None` if there is no terminal.
///
/// # Errors
/// [`Stop::Signal`] if INT or TERM ends the wait; echo is enabled again.
pub fn ask(question: &str) -> Result<Option<Zeroizing<String>>, Stop> {
    let Ok(terminal) = OpenOptions::new().read(true).write(true).open("/dev/tty") else {
        return Ok(None);
    };
    let Ok(before) = tcgetattr(&terminal) else { return Ok(None) };
    let mut silent = before.clone();
    silent.local_flags.remove(LocalFlags::ECHO);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &silent).at("/dev/tty")?;
    let answer = ask_on(&terminal, question);
    tcsetattr(&terminal, SetArg::TCSAFLUSH, &before).at("/dev/tty")?;
    answer.map(Some)
}

fn ask_on(mut terminal: &File, question: &str) -> Result<Zeroizing<String>, Stop> {
    terminal.write_all(question.as_bytes()).at("/dev/tty")?;
    let waited = wait_for(terminal.as_fd(), PollFlags::POLLIN, None);
    let mut line = Zeroizing::new([0; MAX_LINE]);
    // A readable terminal has a whole line.
    let read = waited.and_then(|_| read_once(terminal, &mut *line).at("/dev/tty"));
    terminal.write_all(b"\n").at("/dev/tty")?;
    let line = std::str::from_utf8(line.get(..read?).unwrap_or_default());
    let line = line.map_err(|_| Stop::usage("/dev/tty: not text"))?;
    let line = line.trim_end_matches(['\n', '\r']);
    report::conceal(line);
    Ok(Zeroizing::new(line.to_owned()))
}

fn read_once(mut terminal: &File, to: &mut [u8]) -> std::io::Result<usize> {
    loop {
        match terminal.read(to) {
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            outcome => return outcome,
        }
    }
}

/// Reports an unusable file that the user named, which is treated like a wrong flag: status 2.
pub fn unusable(path: &Path, cause: &str) -> Stop {
    Stop::Error { status: Status::Usage, text: format!("{}: {cause}", path.display()) }
}
