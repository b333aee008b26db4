// SPDX-License-Identifier: MIT OR Apache-2.0
//! The operations of every generation of servers.

use crate::failure::Failure;
use crate::intake::Intake;
use crate::parts::Recent;
use crate::session::Session;

/// An open stream. Passes envelopes to the intake until it ends, and returns how it ended.
pub(crate) type Live<'a> = Box<dyn FnOnce(&mut Intake) -> Failure + 'a>;

/// A server with a request.
pub(crate) trait Server {
    /// Returns the kind of server, as its clients call it.
    fn name(&self) -> &'static str;

    /// Returns its URL, for people.
    fn url(&self) -> String;

    /// Opens the stream. What the server sends from now on is not lost, even if it is not read for
    /// a while.
    ///
    /// # Errors
    /// If the server does not open it.
    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure>;

    /// Returns what the server has kept, in its order.
    ///
    /// # Errors
    /// If the server does not answer.
    fn recent(&self, session: &Session) -> Result<Recent, Failure>;

    /// Writes what was missed since the last connection broke, if it is available.
    ///
    /// # Errors
    /// If the server does not answer.
    fn fill(&self, _session: &Session, _intake: &mut Intake) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether [`Server::fill`] is supported.
    fn fills_gaps(&self) -> bool {
        false
    }
}
