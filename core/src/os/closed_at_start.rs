// SPDX-License-Identifier: MIT OR Apache-2.0
//! Determines whether standard input and output were open when the process started.
//!
//! Rust's runtime opens `/dev/null` in place of closed ones, so that no other file gets their
//! numbers. Reading would then find the end of input, and output would be lost silently, so this
//! has to be checked earlier.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;

use crate::report::{Explain as _, Stop};

static CLOSED: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// Called by the C library before `main`, and thus before Rust's runtime starts.
#[used]
#[expect(unsafe_code, reason = "there is no other way to run that early")]
// SAFETY: the section holds pointers to functions that the C library calls; this one only calls
// fcntl(2) and touches atomics.
#[unsafe(link_section = ".init_array")]
static LOOK: extern "C" fn() = look;

extern "C" fn look() {
    for (fd, closed) in (0..).zip(&CLOSED) {
        #[expect(unsafe_code, reason = "a descriptor that may not be open is what is asked for")]
        // SAFETY: F_GETFD changes nothing.
        let flags = unsafe { libc::fcntl(fd, libc::F_GETFD) };
        closed.store(flags < 0, Ordering::Relaxed);
    }
}

/// Returns the error that using descriptor `number`, 0 or 1, would have caused if it was closed at
/// the start.
///
/// # Errors
/// `SUBJECT: Bad file descriptor`, status 1.
pub(super) fn check_open(number: usize, subject: &str) -> Result<(), Stop> {
    match CLOSED.get(number).is_some_and(|closed| closed.load(Ordering::Relaxed)) {
        true => Err(io::Error::from(Errno::EBADF)).at(subject),
        false => Ok(()),
    }
}
