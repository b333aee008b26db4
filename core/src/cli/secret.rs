// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files with secrets in them: keys, passwords, tokens. They are never arguments, which every user
//! of the machine can read.

use std::fs::{File, Metadata, OpenOptions};
use std::io::{BufRead as _, BufReader, ErrorKind, Read as _, Write as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use nix::sys::termios::{LocalFlags, SetArg, tcgetattr, tcsetattr};

use crate::os::wait_for;
use crate::report::{self, Cause as _, Explain as _, Status, Stop};

/// Longest file: a mistaken name must not fill the memory.
const MAX_FILE: usize = 1 << 20;

/// Reads a file, or standard input for `-`; warns if other users can read it too.
///
/// # Errors
/// If it cannot be read or is larger than 1 MiB, status 2; or a signal came.
pub fn read(path: &Path) -> Result<Vec<u8>, Stop> {
    let (file, metadata) = open(path)?;
    if metadata.is_file() && metadata.mode() & 0o044 != 0 {
        report::warning(format_args!("{}: others can read this key file", path.display()));
        report::hint(format_args!("chmod 600 {}", path.display()));
    }
    read_all(path, file)
}

/// The same more strictly: a regular file that others can read or write, or that is someone else's,
/// is refused, or with `force` warned of.
///
/// # Errors
/// As [`read`], and that.
pub fn read_private(path: &Path, force: bool) -> Result<Vec<u8>, Stop> {
    let (file, metadata) = open(path)?;
    let trouble = if !metadata.is_file() {
        None
    } else if metadata.mode() & 0o077 != 0 {
        Some("others can read it (chmod 600)")
    } else if metadata.uid() != nix::unistd::geteuid().as_raw() {
        Some("it belongs to someone else")
    } else {
        None
    };
    match trouble {
        Some(trouble) if force => report::warning(format_args!("{}: {trouble}", path.display())),
        Some(trouble) => {
            return Err(unusable(path, &format!("{trouble}; --force takes it all the same")));
        }
        None => {}
    }
    read_all(path, file)
}

/// Opens a file, or standard input for `-`. Neither this nor reading waits blindly for whoever is
/// at the other end of a pipe.
fn open(path: &Path) -> Result<(File, Metadata), Stop> {
    let failed = |error: std::io::Error| unusable(path, &error.cause());
    let file = if path.as_os_str() == "-" {
        File::from(std::io::stdin().as_fd().try_clone_to_owned().map_err(failed)?)
    } else {
        let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
        OpenOptions::new().read(true).custom_flags(flags.bits()).open(path).map_err(failed)?
    };
    let metadata = file.metadata().map_err(failed)?;
    Ok((file, metadata))
}

fn read_all(path: &Path, mut file: File) -> Result<Vec<u8>, Stop> {
    let mut bytes = Vec::new();
    let mut block = [0; 4096];
    loop {
        wait_for(file.as_fd(), PollFlags::POLLIN, None)?;
        match file.read(&mut block) {
            Ok(0) => return Ok(bytes),
            Ok(len) => bytes.extend_from_slice(block.get(..len).unwrap_or_default()),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(unusable(path, &error.cause())),
        }
        if bytes.len() > MAX_FILE {
            return Err(unusable(path, "too large for a key file"));
        }
    }
}

/// Reads a file whose only line is the secret; `what` it is, such as a key, is for messages. From
/// then on nothing on stderr shows it.
///
/// # Errors
/// As [`read`], and if there is no such line or more than one.
pub fn line(path: &Path, what: &str) -> Result<Vec<u8>, Stop> {
    let mut text = read(path)?;
    if text.ends_with(b"\n") {
        text.pop();
    }
    if text.ends_with(b"\r") {
        text.pop();
    }
    if text.is_empty() {
        return Err(unusable(path, &format!("no {what} in it")));
    }
    if text.contains(&b'\n') {
        return Err(unusable(path, "more than one line"));
    }
    if let Ok(text) = std::str::from_utf8(&text) {
        report::conceal(text);
    }
    Ok(text)
}

/// Asks for a line on the controlling terminal, without showing what is typed; none if there is no
/// terminal.
///
/// # Errors
/// [`Stop::Signal`] if INT or TERM ends the wait; the terminal shows again what is typed then.
pub fn ask(question: &str) -> Result<Option<String>, Stop> {
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

fn ask_on(mut terminal: &File, question: &str) -> Result<String, Stop> {
    terminal.write_all(question.as_bytes()).at("/dev/tty")?;
    let waited = wait_for(terminal.as_fd(), PollFlags::POLLIN, None);
    let mut line = String::new();
    // A terminal that has something to read has a whole line.
    let read = waited.and_then(|_| BufReader::new(terminal).read_line(&mut line).at("/dev/tty"));
    terminal.write_all(b"\n").at("/dev/tty")?;
    read?;
    let line = line.trim_end_matches(['\n', '\r']);
    report::conceal(line);
    Ok(line.to_owned())
}

/// A file that the user named and that cannot be used: as wrong as a wrong flag, status 2.
pub fn unusable(path: &Path, cause: &str) -> Stop {
    Stop::Error { status: Status::Usage, text: format!("{}: {cause}", path.display()) }
}
