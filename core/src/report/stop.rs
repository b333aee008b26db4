// SPDX-License-Identifier: MIT OR Apache-2.0
//! How tools exit: each exit status has one meaning in all tools, and a death by signal is a real
//! one.
//!
//! A tool's `run` returns `Result<Status, Stop>`. `Ok` is an orderly end. That includes
//! [`Status::Failed`] when individual records were lost or invalid, which has been reported on
//! stderr. [`Stop`] is the reason why the tool stopped early; [`Explain::at`] and [`Explain::stop`]
//! create it with its status, where the error is understood.

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
    /// The other side could not be reached or closed the connection: worth retrying later.
    Unreachable,
    /// No output, with `--exit-status`.
    Nothing,
    /// The other side rejected the token, and there is no other one (only cf-tail distinguishes
    /// this and the following from [`Status::Unreachable`]).
    Unauthorized,
    /// The other side does not have the requested object.
    NotFound,
    /// The other side sent an invalid answer.
    BadResponse,
    /// The other side rejected the request.
    BadRequest,
}

impl Status {
    /// Combines two statuses: the larger one, except that any other status takes precedence over 4.
    #[must_use]
    pub fn and(self, other: Self) -> Self {
        match (self, other) {
            (Self::Nothing, Self::Done) | (Self::Done, Self::Nothing) => Self::Nothing,
            (Self::Nothing, other) | (other, Self::Nothing) => other,
            _ => self.max(other),
        }
    }

    /// Returns [`Status::Failed`] if something was lost or invalid, otherwise [`Status::Done`].
    pub fn failed_if(lost: bool) -> Self {
        if lost { Self::Failed } else { Self::Done }
    }
}

/// The reason why a tool stopped early.
#[derive(Debug)]
pub enum Stop {
    /// The reader of stdout has gone: die of SIGPIPE, as cat and tail do.
    BrokenPipe,
    /// A signal requested the end; pending work is finished.
    Signal(Signal),
    /// An error that has not been reported yet.
    Error {
        /// Exit status.
        status: Status,
        /// `SUBJECT: CAUSE`.
        text: String,
    },
    /// The error has been reported on stderr.
    Said(Status),
}

impl Stop {
    /// Creates an error in the tool's own work: status 1.
    pub fn failed(text: impl Display) -> Self {
        Self::Error { status: Status::Failed, text: text.to_string() }
    }

    /// Creates an error for a wrong flag, value or combination: status 2, with a pointer to
    /// `--help`.
    pub fn usage(text: impl Display) -> Self {
        Self::Error { status: Status::Usage, text: text.to_string() }
    }

    /// Creates an error of the other side that is worth retrying later: status 3.
    pub fn unreachable(text: impl Display) -> Self {
        Self::Error { status: Status::Unreachable, text: text.to_string() }
    }

    /// Adds an earlier outcome to this one: an error that has not been reported is reported first,
    /// and the worse status counts.
    #[must_use]
    pub fn after<T>(self, earlier: Result<T, Self>) -> Self {
        let before = match earlier {
            Err(Self::Error { status, text }) => {
                super::error(text);
                status
            }
            Err(Self::Said(status)) => status,
            _ => return self,
        };
        match self {
            Self::Error { status, text } => Self::Error { status: before.and(status), text },
            Self::Said(status) => Self::Said(before.and(status)),
            stop => stop,
        }
    }
}

/// Describes an error, without decoration such as `(os error 2)`.
pub trait Cause {
    /// Returns the cause, for people.
    fn cause(&self) -> String;

    /// Returns the exit status for this error, unless the caller knows better.
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

/// Converts an error into a [`Stop`] by naming its subject.
pub trait Explain<T> {
    /// Converts to `SUBJECT: CAUSE`, with the status of the error, usually 1.
    fn at(self, subject: impl Display) -> Result<T, Stop>;
    /// Converts to `SUBJECT: CAUSE` with this status.
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
    fn an_error_is_not_hidden_by_a_later_one() {
        let stop = Stop::failed("b").after::<()>(Err(Stop::unreachable("a")));
        assert!(matches!(stop, Stop::Error { status: Status::Unreachable, text } if text == "b"));
        let stop = Stop::failed("b").after::<()>(Err(Stop::Said(Status::Done)));
        assert!(matches!(stop, Stop::Error { status: Status::Failed, .. }));
        assert!(matches!(Stop::BrokenPipe.after(Ok(())), Stop::BrokenPipe));
    }

    #[test]
    fn causes_carry_no_error_numbers() {
        let error = std::io::Error::from_raw_os_error(2);
        assert_eq!(error.cause(), "No such file or directory");
    }
}
