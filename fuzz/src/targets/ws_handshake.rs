// SPDX-License-Identifier: MIT OR Apache-2.0
//! Headers of an answer with the right key, in addition to the required ones.

use crate::websocket::{Peer, shake};
use heka_core::net::ws::Failure;

/// See the module.
pub fn run(input: &[u8]) {
    let mut answer = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\
        Connection: Upgrade\r\nSec-WebSocket-Accept: %KEY%\r\n"
        .to_vec();
    answer.extend_from_slice(input);
    let is_open = |piece: usize| match shake(Peer::new(&answer, piece)) {
        Ok(socket) => Ok(socket.headers().len()),
        Err(Failure::Stopped(stop)) => panic!("{stop:?}"),
        Err(_) => Err(()),
    };
    assert_eq!(is_open(usize::MAX), is_open(5), "pieces matter");
}
