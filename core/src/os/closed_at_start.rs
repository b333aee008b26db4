// SPDX-License-Identifier: MIT OR Apache-2.0
//! Whether standard input and output were there when the process began.
//!
//! Rust's start opens `/dev/null` where they were not, so that no file that is opened later gets
//! their numbers. Reading would then find an end, and records that are written would be
//! lost silently; so somebody has to look before.

use std::io;
use std::sync::atomic::{AtomicBool, Ordering};

use nix::errno::Errno;
use nix::libc;

use crate::report::{Explain as _, Stop};

static CLOSED: [AtomicBool; 2] = [AtomicBool::new(false), AtomicBool::new(false)];

/// The C library calls this before `main`, and so before Rust's start.
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

/// What using descriptor `number`, 0 or 1, would have said if it was closed at the start.
///
/// # Errors
/// `SUBJECT: Bad file descriptor`, status 1.
pub(super) fn check_open(number: usize, subject: &str) -> Result<(), Stop> {
    match CLOSED.get(number).is_some_and(|closed| closed.load(Ordering::Relaxed)) {
        true => Err(io::Error::from(Errno::EBADF)).at(subject),
        false => Ok(()),
    }
}
