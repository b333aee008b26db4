// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any answer to the opening request of a WebSocket, in any pieces: it is refused with a message
//! that is printable and short.

use crate::websocket::{Peer, shake};
use heka_core::net::ws::Failure;

/// See the module.
pub fn run(input: &[u8]) {
    let Some((piece, answer)) = input.split_first() else { return };
    // A delayed answer arrives at once, or never.
    let words = |piece: usize| match shake(Peer::new(answer, piece)) {
        Ok(_) => panic!("nobody can know the key"),
        Err(Failure::Refused(refusal)) => {
            let _ = (refusal.retry_after(), refusal.location());
            refusal.to_string()
        }
        Err(Failure::Failed(fault)) => fault.cause,
        Err(Failure::Stopped(stop)) => panic!("{stop:?}"),
    };
    let whole = words(usize::MAX);
    assert!(whole.len() <= answer.len() * 3 + 1000, "{whole}");
    words(usize::from(*piece).max(1));
}
