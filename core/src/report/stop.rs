// SPDX-License-Identifier: MIT OR Apache-2.0
//! How a tool ends: one meaning for each exit status in all tools, and real deaths by signal.
//!
//! A tool's `run` returns `Result<Status, Stop>`. `Ok` is an orderly end, [`Status::Failed`]
//! included, when single records were lost or invalid and lines on stderr have said so. [`Stop`]
//! is what ended the tool early; it is made where the error is understood, with the status that
//! belongs to it, by [`Explain::at`] and [`Explain::stop`].

use std::fmt::Display;

use nix::sys::signal::Signal;

use super::refused::is_refused;
/// Exit statuses, the same in all tools.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub enum Status {
    /// Everything asked was done.
    #[default]
    Done,
    /// An error stopped the tool, or at least one record was lost or invalid.
    Failed,
    /// Wrong flags or values; nothing was read or written.
    Usage,
    /// The other side could not be reached or went away: worth trying again later.
    Unreachable,
    /// Nothing was output, and `--exit-status` asked.
    Nothing,
    /// The other side rejects our token, and there is no other one (only cf-tail distinguishes
    /// this and the following from [`Status::Unreachable`]).
    Unauthorized,
    /// The other side does not have what was asked for.
    NotFound,
    /// The other side's answer makes no sense.
    BadResponse,
    /// The other side did not understand the question.
    BadRequest,
}

impl Status {
    /// The one to end with when two things happened: the larger, but 4 only if there is no other.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, Self::Done) | (Self::Done, Self::Nothing) => Self::Nothing,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            _ => self.max(other),
        }
    }

    /// [`Status::Failed`] if something was lost or invalid, else [`Status::Done`].
    pub fn failed_if(lost: bool) -> Self {
        if lost { Self::Failed } else { Self::Done }
    }
}

/// What ended a tool early.
#[derive(Debug)]
pub enum Stop {
    /// Stdout has no reader left: die of SIGPIPE, as cat and tail do.
    BrokenPipe,
    /// A signal asked for the end; what had to be finished is finished.
    Signal(Signal),
    /// An error that has not been reported yet.
    Error {
        /// The status to exit with.
        status: Status,
        /// `SUBJECT: CAUSE`.
        text: String,
    },
    /// Everything has been said on stderr already.
    Said(Status),
}

impl Stop {
    /// An error in this tool's own work: status 1.
    pub fn failed(text: impl Display) -> Self {
        Self::Error { status: Status::Failed, text: text.to_string() }
    }

    /// A wrong flag, value or combination: status 2, with a pointer to `--help`.
    pub fn usage(text: impl Display) -> Self {
        Self::Error { status: Status::Usage, text: text.to_string() }
    }

    /// The other side's fault, worth another try later: status 3.
    pub fn unreachable(text: impl Display) -> Self {
        Self::Error { status: Status::Unreachable, text: text.to_string() }
    }
}

/// Words for an error, without decoration such as `(os error 2)`.
pub trait Cause {
    /// What went wrong, for people.
    fn cause(&self) -> String;

    /// The status of a tool that ends of it, unless the place where it happened knows better.
    fn status(&self) -> Status {
        Status::Failed
    }
}

impl Cause for std::io::Error {
    fn cause(&self) -> String {
        let text = self.to_string();
        match (self.raw_os_error(), text.rfind(" (os error ")) {
            (Some(_), Some(end)) => text.get(..end).unwrap_or(&text).to_owned(),
            _ => text,
        }
    }

    fn status(&self) -> Status {
        if is_refused(self) { Status::Usage } else { Status::Failed }
    }
}

impl Cause for nix::Error {
    fn cause(&self) -> String {
        std::io::Error::from(*self).cause()
    }
}

impl Cause for crate::codec::Unfit {
    fn cause(&self) -> String {
        self.to_string()
    }
}

impl From<crate::codec::Unfit> for Stop {
    fn from(unfit: crate::codec::Unfit) -> Self {
        Self::failed(unfit)
    }
}

impl Cause for String {
    fn cause(&self) -> String {
        self.clone()
    }
}

/// Turns an error into a [`Stop`] by saying what it happened to.
pub trait Explain<T> {
    /// `SUBJECT: CAUSE`, with the status of the error: mostly 1.
    fn at(self, subject: impl Display) -> Result<T, Stop>;
    /// `SUBJECT: CAUSE` with that status.
    fn stop(self, status: Status, subject: impl Display) -> Result<T, Stop>;
}

impl<T, E: Cause> Explain<T> for Result<T, E> {
    fn at(self, subject: impl Display) -> Result<T, Stop> {
        self.map_err(|error| stop(error.status(), &subject, &error))
    }

    fn stop(self, status: Status, subject: impl Display) -> Result<T, Stop> {
        self.map_err(|error| stop(status, &subject, &error))
    }
}

fn stop(status: Status, subject: &impl Display, error: &impl Cause) -> Stop {
    Stop::Error { status, text: format!("{subject}: {}", error.cause()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_worse_status_wins_and_nothing_is_the_mildest() {
        assert_eq!(Status::Done.and(Status::Nothing), Status::Nothing);
        assert_eq!(Status::Nothing.and(Status::Failed), Status::Failed);
        assert_eq!(Status::Unreachable.and(Status::Failed), Status::Unreachable);
        assert_eq!(Status::Nothing.and(Status::NotFound), Status::NotFound);
    }

    #[test]
    fn causes_carry_no_error_numbers() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(error.cause(), "No such file or directory");
    }
}
