// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server that sends prepared bytes, whatever is requested.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};

use data_encoding::BASE64;
use heka_core::net::ws::{Endpoint, Failure, Options, Request, Socket};
use sha1::{Digest as _, Sha1};

/// Maximum size of a message in bytes.
pub const LIMIT: usize = 1 << 16;

/// A server that sends prepared bytes, in which `%KEY%` is replaced by the answer to the client's
/// key.
pub struct Peer {
    said: Vec<u8>,
    /// Number of bytes read so far.
    at: usize,
    piece: usize,
    asked: Vec<u8>,
    fd: File,
}

impl Peer {
    /// Creates a server that sends `said` in pieces of `piece` bytes, and closes.
    pub fn new(said: &[u8], piece: usize) -> Self {
        let fd = File::open("/dev/null").expect("/dev/null");
        Self { said: said.to_vec(), at: 0, piece, asked: Vec::new(), fd }
    }

    fn answer_key(&mut self) {
        let asked = std::mem::take(&mut self.asked);
        let text = String::from_utf8_lossy(&asked);
        let key = text.split("Sec-WebSocket-Key: ").nth(1).and_then(|rest| rest.lines().next());
        let Some(key) = key else { return };
        let mut sha1 = Sha1::new();
        sha1.update(key);
        sha1.update("258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
        let answer = BASE64.encode(&sha1.finalize());
        if let Some(at) = self.said.windows(5).position(|window| window == b"%KEY%") {
            self.said.splice(at..at + 5, answer.into_bytes());
        }
    }
}

impl Read for Peer {
    fn read(&mut self, to: &mut [u8]) -> io::Result<usize> {
        if self.at == 0 {
            self.answer_key();
        }
        let rest = &self.said[self.at..];
        let len = rest.len().min(to.len()).min(self.piece);
        to[..len].copy_from_slice(&rest[..len]);
        self.at += len;
        Ok(len)
    }
}

impl Write for Peer {
    fn write(&mut self, from: &[u8]) -> io::Result<usize> {
        if self.at == 0 {
            self.asked.extend_from_slice(from);
        }
        Ok(from.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl AsFd for Peer {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.fd.as_fd()
    }
}

/// Performs the handshake with the server.
pub fn shake(peer: Peer) -> Result<Socket<Peer>, Failure> {
    let endpoint = Endpoint::parse("ws://h/").expect("an address");
    let options = Options { max_message: LIMIT, ..Options::default() };
    heka_core::net::ws::shake(peer, &Request::new(&endpoint), options, None)
}
