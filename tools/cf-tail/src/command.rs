// SPDX-License-Identifier: MIT OR Apache-2.0
//! A shell command that prints a token. Signals and a time limit end the wait for it.

use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::time::{Duration, Instant};

use heka_core::net::exec::status_words;
use heka_core::os::{SecretBytes, append_secret, wait, wait_for};
use heka_core::report::words::Span;
use heka_core::report::{Cause as _, Stop};
use nix::poll::PollFlags;
use zeroize::Zeroizing;

use crate::failure::Failure;

/// Time limit for a command: somebody may have to answer a prompt.
const LIMIT: Duration = Duration::from_secs(120);
/// Maximum output in bytes.
const MAX_OUTPUT: usize = 1 << 20;
/// Interval of checks whether a command that has closed its output has exited.
const PAUSE: Duration = Duration::from_millis(10);

/// Returns the last line of a command's standard output; some commands print hints before it.
///
/// # Errors
/// If it fails, prints no text or takes too long, or a signal.
pub(crate) fn output(line: &str) -> Result<Zeroizing<String>, Failure> {
    let mut child = Command::new("/bin/sh")
        .args(["-c", line])
        .env_remove("CF_ACCESS_TOKEN")
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::inherit())
        .spawn()
        .map_err(|error| failed(error.cause()))?;
    let gathered = gather(&mut child);
    if gathered.is_err() {
        // It may have exited just now; either way no process is left behind.
        let _ = child.kill();
        let _ = child.wait();
    }
    let (bytes, status) = gathered?;
    if !status.success() {
        return Err(failed(status_words(status)).into());
    }
    let text = std::str::from_utf8(&bytes).map_err(|_| failed("not UTF-8"))?;
    let last = text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default();
    if last.is_empty() {
        return Err(failed("printed no token").into());
    }
    Ok(Zeroizing::new(last.to_owned()))
}

fn gather(child: &mut Child) -> Result<(SecretBytes, ExitStatus), Stop> {
    let deadline = Instant::now() + LIMIT;
    let too_slow = || failed(format_args!("not done after {}", Span(LIMIT)));
    let mut bytes = Zeroizing::new(Vec::new());
    if let Some(mut pipe) = child.stdout.take() {
        let mut block = Zeroizing::new([0; 4096]);
        loop {
            if !wait_for(pipe.as_fd(), PollFlags::POLLIN, Some(deadline))? {
                return Err(too_slow());
            }
            let len = pipe.read(&mut *block).map_err(|error| failed(error.cause()))?;
            if len == 0 {
                break;
            }
            append_secret(&mut bytes, block.get(..len).unwrap_or_default());
            if bytes.len() > MAX_OUTPUT {
                return Err(failed("more than 1 MiB"));
            }
        }
    }
    loop {
        if let Some(status) = child.try_wait().map_err(|error| failed(error.cause()))? {
            return Ok((bytes, status));
        }
        let now = Instant::now();
        if now >= deadline {
            return Err(too_slow());
        }
        wait(&[], Some(now + PAUSE))?;
    }
}

fn failed(cause: impl std::fmt::Display) -> Stop {
    Stop::failed(format_args!("--token-command: {cause}"))
}
