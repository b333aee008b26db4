// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notifies the parent process that the tool is listening: `--ready-fd`.

use std::fs::File;
use std::io::Write as _;
use std::os::fd::{BorrowedFd, RawFd};

use nix::fcntl::{FcntlArg, OFlag, fcntl};

use super::listen::inherited_numbers;
use crate::report::{Cause as _, Stop};

/// The descriptor for the notification. It is checked as soon as the flag is parsed, when the tool
/// has not opened anything; as it stays open, its number is not reused.
#[derive(Clone, Copy, Debug)]
pub struct ReadyFd(RawFd);

/// Parses the number of a descriptor that is open for writing, at least 3 (a value parser).
///
/// # Errors
/// A description of what is wrong.
pub fn parse_ready_fd(text: &str) -> Result<ReadyFd, String> {
    let number = text.parse().ok().filter(|number| *number >= 3);
    let number: RawFd = number.ok_or("expected the number of a descriptor, 3 or more")?;
    if inherited_numbers().contains(&number) {
        return Err("is one of LISTEN_FDS".to_owned());
    }
    let flags = fcntl(borrow(number), FcntlArg::F_GETFL).map_err(|_| "not open")?;
    if OFlag::from_bits_truncate(flags) & OFlag::O_ACCMODE == OFlag::O_RDONLY {
        return Err("not open for writing".to_owned());
    }
    Ok(ReadyFd(number))
}

impl ReadyFd {
    /// Writes the listening addresses, one per line, and closes the descriptor.
    ///
    /// # Errors
    /// `--ready-fd N: CAUSE`, status 2, if the descriptor cannot be written to.
    pub fn announce(self, places: impl IntoIterator<Item = String>) -> Result<(), Stop> {
        let lines: String = places.into_iter().map(|place| place + "\n").collect();
        let told = borrow(self.0)
            .try_clone_to_owned()
            .and_then(|own| File::from(own).write_all(lines.as_bytes()))
            .and_then(|()| Ok(nix::unistd::close(self.0)?));
        told.map_err(|error| Stop::usage(format_args!("--ready-fd {}: {}", self.0, error.cause())))
    }
}

fn borrow(number: RawFd) -> BorrowedFd<'static> {
    #[expect(unsafe_code, reason = "a descriptor that a flag gives us has only a number")]
    // SAFETY: it is only asked about and duplicated, which fails if it is not open.
    unsafe {
        BorrowedFd::borrow_raw(number)
    }
}

#[cfg(test)]
mod tests {
    use std::os::fd::AsRawFd as _;

    use super::*;

    #[test]
    fn only_what_is_open_for_writing_is_taken() {
        let (reader, writer) = nix::unistd::pipe().unwrap();
        assert!(parse_ready_fd(&writer.as_raw_fd().to_string()).is_ok());
        let refused = |text: &str| parse_ready_fd(text).unwrap_err();
        assert_eq!(refused(&reader.as_raw_fd().to_string()), "not open for writing");
        assert_eq!(refused("987654"), "not open");
        for text in ["2", "-1", "x", ""] {
            assert_eq!(refused(text), "expected the number of a descriptor, 3 or more");
        }
    }
}
