// SPDX-License-Identifier: MIT OR Apache-2.0
//! What every generation of servers can do.

use crate::failure::Failure;
use crate::intake::Intake;
use crate::parts::Recent;
use crate::session::Session;

/// A stream that has been opened. It takes envelopes until it ends, and returns how.
pub(crate) type Live<'a> = Box<dyn FnOnce(&mut Intake) -> Failure + 'a>;

/// A server, and what is wanted of it.
pub(crate) trait Server {
    /// What kind of server it is, in the words of its clients.
    fn name(&self) -> &'static str;

    /// Where it is, for people.
    fn url(&self) -> String;

    /// Opens the stream. What the server has to say from now on is not lost, even if nobody takes
    /// it for a while.
    ///
    /// # Errors
    /// If the server does not open it.
    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure>;

    /// What the server has kept, in its order.
    ///
    /// # Errors
    /// If the server does not answer.
    fn recent(&self, session: &Session) -> Result<Recent, Failure>;

    /// Writes what was missed since the last connection broke, if that is kept.
    ///
    /// # Errors
    /// If the server does not answer.
    fn fill(&self, _session: &Session, _intake: &mut Intake) -> Result<(), Failure> {
        Ok(())
    }

    /// Whether [`Server::fill`] can.
    fn fills_gaps(&self) -> bool {
        false
    }
}
