// SPDX-License-Identifier: MIT OR Apache-2.0
//! A local address where nobody answers, as if the machine did not exist.

use std::io::ErrorKind;
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use socket2::{Domain, Socket, Type};

/// A port with a full accept queue: attempts to connect last until the client gives up.
#[derive(Debug)]
pub struct DeadEnd {
    /// The address.
    pub addr: String,
    _socket: Socket,
    _waiting: Vec<TcpStream>,
}

impl DeadEnd {
    /// Opens a port and fills its accept queue.
    ///
    /// # Panics
    /// If the system has no free port.
    #[expect(clippy::new_without_default, reason = "like the other peers")]
    pub fn new() -> Self {
        let socket = Socket::new(Domain::IPV4, Type::STREAM, None).expect("a socket");
        socket.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).expect("no port left");
        socket.listen(0).expect("a queue");
        let addr = socket.local_addr().expect("an address").as_socket().expect("an address");
        let mut waiting = Vec::new();
        loop {
            match TcpStream::connect_timeout(&addr, Duration::from_millis(200)) {
                Ok(stream) => waiting.push(stream),
                Err(error) if error.kind() == ErrorKind::TimedOut => break,
                Err(error) => panic!("{error}"),
            }
        }
        Self { addr: addr.to_string(), _socket: socket, _waiting: waiting }
    }
}
