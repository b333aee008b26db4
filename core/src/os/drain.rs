// SPDX-License-Identifier: MIT OR Apache-2.0
//! Waits until the reader of a pipe has read everything.

use std::os::fd::AsRawFd as _;
use std::time::{Duration, Instant};

use super::{Output, wait};
use crate::os::signal;
use crate::report::Stop;

/// Time limit for the reader once a signal has requested the end.
const GRACE: Duration = Duration::from_secs(1);
/// Polling interval; there is no event for an empty pipe.
const SHORT: Duration = Duration::from_millis(1);
const LONG: Duration = Duration::from_millis(50);

nix::ioctl_read_bad!(unread_len, nix::libc::FIONREAD, nix::libc::c_int);

/// Waits until the reader of this pipe has read everything. Returns `false` if a signal has
/// requested the end and the reader takes too long. Anything but a pipe counts as read.
///
/// # Errors
/// [`Stop::BrokenPipe`] if the reader exits before.
pub fn drain(out: &Output) -> Result<bool, Stop> {
    let Some(watch) = out.reader_watch() else { return Ok(true) };
    let mut pause = SHORT;
    let mut limit = None;
    loop {
        if unread(out) == 0 {
            return Ok(true);
        }
        if signal::pending().is_some() {
            let limit = *limit.get_or_insert_with(|| Instant::now() + GRACE);
            if Instant::now() >= limit {
                return Ok(false);
            }
            // `wait` would return at once because of a pending signal.
            let mut fds = [nix::poll::PollFd::new(watch.0, watch.1)];
            let _ = nix::poll::poll(&mut fds, 10u8);
        } else if let Ok(ready) = wait(&[watch], Some(Instant::now() + pause))
            && ready.iter().any(|ready| !ready.is_empty())
            && unread(out) > 0
        {
            return Err(Stop::BrokenPipe);
        }
        pause = (pause * 2).min(LONG);
    }
}

/// Returns the number of unread bytes in the pipe.
fn unread(out: &Output) -> usize {
    let mut len: nix::libc::c_int = 0;
    #[expect(unsafe_code, reason = "there is no safe FIONREAD")]
    // SAFETY: the descriptor is open and the ioctl writes one int into `len`.
    let told = unsafe { unread_len(out.fd().as_raw_fd(), &raw mut len) };
    told.map_or(0, |_| usize::try_from(len).unwrap_or(0))
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Read as _;

    use super::*;

    #[test]
    fn what_is_taken_is_told_from_what_is_left() {
        let (read, write) = nix::unistd::pipe().unwrap();
        let mut out = Output::file(File::from(write), "pipe");
        out.put(b"abc");
        out.flush().unwrap();
        let mut read = File::from(read);
        let reader = std::thread::spawn(move || {
            let mut bytes = [0; 3];
            read.read_exact(&mut bytes).unwrap();
            read
        });
        assert!(drain(&out).unwrap());
        let read = reader.join().unwrap();
        out.put(b"d");
        out.flush().unwrap();
        drop(read);
        assert!(matches!(drain(&out), Err(Stop::BrokenPipe)));
    }
}
