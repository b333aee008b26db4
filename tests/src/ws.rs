// SPDX-License-Identifier: MIT OR Apache-2.0
//! A WebSocket server controlled by a script, which may violate the protocol.
//!
//! ```no_run
//! use heka_tests::ws::WsServer;
//! let server = WsServer::start(|_nth, mut peer| {
//!     peer.accept();
//!     peer.text("hello");
//!     peer.close(1000, "done");
//! });
//! heka_tests::Tool::new("ws-source").args(["--retry", "0", &server.url("/")]).run();
//! ```

use std::fmt::Debug;
use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustls::{ServerConnection, StreamOwned};
use tungstenite::handshake::derive_accept_key;

use crate::ceiling;
use crate::tls::server_config;

/// The connection of a script.
trait Duplex: Read + Write + Send + Debug {}
impl<T: Read + Write + Send + Debug> Duplex for T {}

/// A listening server; each connection runs the script in a thread of its own.
#[derive(Debug)]
pub struct WsServer {
    /// The port on 127.0.0.1; 0 for a UNIX socket.
    pub port: u16,
    scheme: &'static str,
    connections: Arc<AtomicUsize>,
}

impl WsServer {
    /// Listens on a port of 127.0.0.1. The script receives the number of the connection, from 0.
    ///
    /// # Panics
    /// If the system has no free port.
    pub fn start(script: impl Fn(usize, WsPeer) + Send + Sync + 'static) -> Self {
        Self::listen("ws", script, |tcp| Some(Box::new(tcp)))
    }

    /// Like [`WsServer::start`], with TLS and the certificate `tests/vectors/tls/server.pem`. With
    /// `client_ca`, clients must present a certificate signed with `ca.pem`.
    ///
    /// # Panics
    /// If the vectors are missing.
    pub fn tls(client_ca: bool, script: impl Fn(usize, WsPeer) + Send + Sync + 'static) -> Self {
        Self::tls_as("server", client_ca, script)
    }

    /// Like [`WsServer::tls`], with another certificate of `tests/vectors/tls`.
    ///
    /// # Panics
    /// If the vectors are missing.
    pub fn tls_as(
        name: &str,
        client_ca: bool,
        script: impl Fn(usize, WsPeer) + Send + Sync + 'static,
    ) -> Self {
        let config = Arc::new(server_config(name, client_ca));
        Self::listen("wss", script, move |mut tcp| {
            let mut tls = ServerConnection::new(Arc::clone(&config)).expect("a TLS server");
            // A client that rejects the certificate disconnects: there is no script to run.
            while tls.is_handshaking() {
                tls.complete_io(&mut tcp).ok()?;
            }
            Some(Box::new(StreamOwned::new(tls, tcp)))
        })
    }

    fn listen(
        scheme: &'static str,
        script: impl Fn(usize, WsPeer) + Send + Sync + 'static,
        wrap: impl Fn(TcpStream) -> Option<Box<dyn Duplex>> + Send + Sync + 'static,
    ) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no port");
        let port = listener.local_addr().expect("it is bound").port();
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        let (script, wrap) = (Arc::new(script), Arc::new(wrap));
        // These threads end with the test process, because a script may wait for a client that has
        // gone.
        std::thread::spawn(move || {
            for (nth, tcp) in listener.incoming().flatten().enumerate() {
                let (script, wrap, count) =
                    (Arc::clone(&script), Arc::clone(&wrap), Arc::clone(&count));
                std::thread::spawn(move || {
                    tcp.set_nodelay(true).expect("an open socket");
                    tcp.set_read_timeout(Some(ceiling())).expect("an open socket");
                    let raw = tcp.try_clone().expect("a descriptor");
                    count.fetch_add(1, Ordering::SeqCst);
                    if let Some(stream) = wrap(tcp) {
                        script(nth, WsPeer { stream, tcp: Some(raw) });
                    }
                });
            }
        });
        Self { port, scheme, connections }
    }

    /// Listens on a UNIX socket.
    ///
    /// # Panics
    /// If the path cannot be bound.
    pub fn unix(path: &Path, script: impl Fn(usize, WsPeer) + Send + Sync + 'static) -> Self {
        let listener = UnixListener::bind(path).expect("cannot bind the path");
        let connections = Arc::new(AtomicUsize::new(0));
        let count = Arc::clone(&connections);
        std::thread::spawn(move || {
            for (nth, stream) in listener.incoming().flatten().enumerate() {
                count.fetch_add(1, Ordering::SeqCst);
                script(nth, WsPeer { stream: Box::new(stream), tcp: None });
            }
        });
        Self { port: 0, scheme: "ws", connections }
    }

    /// Returns the URL of a path.
    pub fn url(&self, path: &str) -> String {
        format!("{}://127.0.0.1:{}{path}", self.scheme, self.port)
    }

    /// Number of connections so far.
    pub fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

/// A connected client.
#[derive(Debug)]
pub struct WsPeer {
    stream: Box<dyn Duplex>,
    tcp: Option<TcpStream>,
}

/// A received frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    /// 1 text, 2 binary, 8 close, 9 ping, 10 pong.
    pub opcode: u8,
    /// The payload, unmasked.
    pub payload: Vec<u8>,
}

impl WsPeer {
    /// Reads the head of the request.
    ///
    /// # Panics
    /// If the request is incomplete.
    pub fn request(&mut self) -> String {
        let mut head = Vec::new();
        let mut byte = [0];
        while !head.ends_with(b"\r\n\r\n") {
            if !matches!(self.stream.read(&mut byte), Ok(1)) {
                return String::from_utf8_lossy(&head).into_owned();
            }
            head.push(byte[0]);
        }
        String::from_utf8_lossy(&head).into_owned()
    }

    /// Reads the request, accepts it, and returns the request.
    pub fn accept(&mut self) -> String {
        self.accept_with("")
    }

    /// Like [`WsPeer::accept`], with additional headers, each with its line ending.
    pub fn accept_with(&mut self, headers: &str) -> String {
        let request = self.request();
        self.send(agreement(&request, headers));
        request
    }

    /// Writes bytes unchanged; returns whether the client accepted them.
    pub fn send(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.stream.write_all(bytes.as_ref()).and_then(|()| self.stream.flush()).is_ok()
    }

    /// Writes bytes one by one, each in its own packet.
    pub fn drip(&mut self, bytes: impl AsRef<[u8]>) {
        for byte in bytes.as_ref() {
            self.send([*byte]);
        }
    }

    /// Sends a text message in one frame.
    pub fn text(&mut self, text: impl AsRef<[u8]>) -> bool {
        self.send(frame(0x81, text.as_ref()))
    }

    /// Sends a binary message in one frame.
    pub fn binary(&mut self, bytes: impl AsRef<[u8]>) -> bool {
        self.send(frame(0x82, bytes.as_ref()))
    }

    /// Sends a ping.
    pub fn ping(&mut self, payload: impl AsRef<[u8]>) -> bool {
        self.send(frame(0x89, payload.as_ref()))
    }

    /// Sends a close frame and waits for the client's answer.
    pub fn close(&mut self, code: u16, reason: &str) -> Option<Frame> {
        self.send(frame(0x88, &[&code.to_be_bytes(), reason.as_bytes()].concat()));
        self.receive_opcode(8)
    }

    /// Reads a frame; `None` at the end of the connection.
    pub fn receive(&mut self) -> Option<Frame> {
        let head = self.take(2)?;
        let len = match head[1] & 0x7f {
            126 => usize::from(u16::from_be_bytes(self.take(2)?.try_into().ok()?)),
            127 => usize::try_from(u64::from_be_bytes(self.take(8)?.try_into().ok()?)).ok()?,
            len => usize::from(len),
        };
        assert!(head[1] & 0x80 != 0, "a client's frame is masked");
        let mask = self.take(4)?;
        let mut payload = self.take(len)?;
        payload.iter_mut().zip(mask.iter().cycle()).for_each(|(byte, mask)| *byte ^= mask);
        Some(Frame { opcode: head[0] & 0x0f, payload })
    }

    /// Reads the first two bytes of a frame and no more; returns whether they arrived.
    pub fn receive_beginning(&mut self) -> bool {
        self.take(2).is_some()
    }

    /// Reads frames until there is one with this opcode.
    pub fn receive_opcode(&mut self, opcode: u8) -> Option<Frame> {
        loop {
            let frame = self.receive()?;
            if frame.opcode == opcode {
                return Some(frame);
            }
        }
    }

    /// Sends every message back and answers pings until the client closes, then answers the close
    /// frame.
    pub fn echo(&mut self) {
        while let Some(Frame { opcode, payload }) = self.receive() {
            match opcode {
                8 => {
                    self.send(frame(0x88, &payload));
                    return;
                }
                9 => self.send(frame(0x8a, &payload)),
                10 => true,
                _ => self.send(frame(0x80 | opcode, &payload)),
            };
        }
    }

    /// Waits until the client disconnects; returns its close frame, if it sent one.
    pub fn until_end(&mut self) -> Option<Frame> {
        let mut close = None;
        while let Some(frame) = self.receive() {
            if frame.opcode == 8 {
                close = Some(frame);
            }
        }
        close
    }

    /// Ends the connection with a reset.
    ///
    /// # Panics
    /// On a UNIX socket.
    pub fn reset(self) {
        let tcp = self.tcp.expect("a TCP connection");
        let linger = nix::libc::linger { l_onoff: 1, l_linger: 0 };
        nix::sys::socket::setsockopt(&tcp, nix::sys::socket::sockopt::Linger, &linger)
            .expect("an open socket");
    }

    /// Ends writing but continues reading.
    ///
    /// # Panics
    /// On a UNIX socket.
    pub fn half_close(&self) {
        self.tcp.as_ref().expect("a TCP connection").shutdown(Shutdown::Write).expect("it is open");
    }

    /// Sets the timeout of reads.
    ///
    /// # Panics
    /// On a UNIX socket.
    pub fn patience(&self, limit: Duration) {
        let tcp = self.tcp.as_ref().expect("a TCP connection");
        tcp.set_read_timeout(Some(limit)).expect("it is open");
    }

    /// Sets the timeout of writes.
    ///
    /// # Panics
    /// On a UNIX socket.
    pub fn write_patience(&self, limit: Duration) {
        let tcp = self.tcp.as_ref().expect("a TCP connection");
        tcp.set_write_timeout(Some(limit)).expect("it is open");
    }

    fn take(&mut self, len: usize) -> Option<Vec<u8>> {
        let mut bytes = vec![0; len];
        self.stream.read_exact(&mut bytes).ok()?;
        Some(bytes)
    }
}

/// Returns the answer that accepts a request.
pub fn agreement(request: &str, headers: &str) -> String {
    let key = header(request, "Sec-WebSocket-Key").unwrap_or_default();
    let accept = derive_accept_key(key.as_bytes());
    format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: {accept}\r\n{headers}\r\n"
    )
}

/// Returns the value of a request's header.
pub fn header(request: &str, name: &str) -> Option<String> {
    request.lines().find_map(|line| {
        let (known, value) = line.split_once(':')?;
        known.eq_ignore_ascii_case(name).then(|| value.trim().to_owned())
    })
}

/// Encodes a server's frame from its first byte (FIN, RSV, opcode) and an unmasked payload.
pub fn frame(first: u8, payload: &[u8]) -> Vec<u8> {
    let mut frame = vec![first];
    match payload.len() {
        len @ 0..=125 => frame.push(u8::try_from(len).unwrap_or_default()),
        len @ 126..=0xffff => {
            frame.push(126);
            frame.extend_from_slice(&u16::try_from(len).unwrap_or_default().to_be_bytes());
        }
        len => {
            frame.push(127);
            frame.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    frame.extend_from_slice(payload);
    frame
}
