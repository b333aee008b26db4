// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server that replays recorded answers of a real server: one turn for each request, on any
//! connection.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use data_encoding::BASE64;
use serde_json::Value;
use sha1::{Digest as _, Sha1};

use crate::wait::rest;

/// The answer to one request.
#[derive(Clone, Debug, Default)]
pub struct Turn {
    /// The data, and the time after the request at which to send it.
    pub pieces: Vec<(Duration, Vec<u8>)>,
    /// The end of the connection after the data.
    pub end: End,
}

/// The end of a connection.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum End {
    /// None: the connection stays open.
    #[default]
    Open,
    /// A normal close.
    Eof,
    /// A reset.
    Reset,
}

impl Turn {
    /// Creates a turn that sends `bytes` at once and closes the connection.
    pub fn once(bytes: impl Into<Vec<u8>>) -> Self {
        Self { pieces: vec![(Duration::ZERO, bytes.into())], end: End::Eof }
    }

    /// Creates an HTTP answer.
    pub fn http(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!("HTTP/1.1 {status}\r\nContent-Length: {}\r\n{headers}\r\n", body.len());
        Self::once([head.as_bytes(), body].concat())
    }

    /// Keeps the connection open after the data.
    #[must_use]
    pub fn open(self) -> Self {
        Self { end: End::Open, ..self }
    }

    /// Reads a turn of a recording.
    fn recorded(json: &Value) -> Self {
        let pieces = json["pieces"].as_array().expect("pieces").iter().map(|piece| {
            let bytes = BASE64.decode(piece[1].as_str().expect("bytes").as_bytes());
            (Duration::from_millis(piece[0].as_u64().expect("ms")), bytes.expect("base64"))
        });
        let end = match json["end"].as_str() {
            None => End::Open,
            Some("reset") => End::Reset,
            Some(_) => End::Eof,
        };
        Self { pieces: pieces.collect(), end }
    }
}

/// A recorded run of a real client against a real server.
#[derive(Clone, Debug)]
pub struct Recording {
    /// Name.
    pub case: String,
    /// The client.
    pub client: String,
    /// The client's arguments.
    pub args: Vec<String>,
    /// The client's exit status.
    pub exit: i64,
    /// The turns of the server.
    pub turns: Vec<Turn>,
    /// The client's output to stdout.
    pub printed: Vec<u8>,
}

impl Recording {
    /// Returns the argument of a flag of the client.
    pub fn flag(&self, name: &str) -> Option<&str> {
        let at = self.args.iter().position(|arg| arg == name)?;
        self.args.get(at + 1).map(String::as_str)
    }

    /// Returns the client's lines of JSON.
    pub fn events(&self) -> Vec<Value> {
        let text = String::from_utf8_lossy(&self.printed);
        text.lines().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }
}

/// Returns all recordings of a file in `tests/vectors`.
pub fn recordings(file: &str) -> Vec<Recording> {
    let text = std::fs::read_to_string(crate::vector(file)).expect(file);
    let lines = text.lines().map(|line| {
        let json: Value = serde_json::from_str(line).expect("a recording");
        let text = |name: &str| json[name].as_str().unwrap_or_default().to_owned();
        let printed = match json["printed_base64"].as_str() {
            Some(base64) => BASE64.decode(base64.as_bytes()).expect("base64"),
            None => text("printed").into_bytes(),
        };
        let args = json["args"].as_array().expect("args").iter();
        Recording {
            case: text("case"),
            client: text("client"),
            args: args.map(|arg| arg.as_str().expect("arg").to_owned()).collect(),
            exit: json["exit"].as_i64().unwrap_or_default(),
            turns: json["turns"].as_array().expect("turns").iter().map(Turn::recorded).collect(),
            printed,
        }
    });
    lines.collect()
}

/// The server.
#[derive(Debug)]
pub struct Playback {
    /// Address.
    pub addr: String,
    heard: Arc<Mutex<Vec<Vec<u8>>>>,
    turns: Arc<Mutex<std::vec::IntoIter<Turn>>>,
}

impl Playback {
    /// Plays `turns` in order, one for each request; further requests are answered by closing the
    /// connection.
    ///
    /// # Panics
    /// If the system has no free port.
    pub fn new(turns: Vec<Turn>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("no port");
        let addr = listener.local_addr().expect("no address").to_string();
        let playback =
            Self { addr, heard: Arc::default(), turns: Arc::new(Mutex::new(turns.into_iter())) };
        let (heard, turns) = (Arc::clone(&playback.heard), Arc::clone(&playback.turns));
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (heard, turns) = (Arc::clone(&heard), Arc::clone(&turns));
                std::thread::spawn(move || serve(stream, &heard, &turns));
            }
        });
        playback
    }

    /// Returns the data received on each connection so far, in the order of arrival; a WebSocket's
    /// frames follow its request.
    pub fn heard(&self) -> Vec<Vec<u8>> {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Returns the first lines of all requests.
    pub fn requests(&self) -> Vec<String> {
        let first_line = |bytes: &Vec<u8>| {
            String::from_utf8_lossy(bytes).lines().next().unwrap_or_default().to_owned()
        };
        self.heard().iter().map(first_line).collect()
    }

    /// Replaces the remaining turns.
    pub fn play(&self, turns: Vec<Turn>) {
        *self.turns.lock().unwrap_or_else(PoisonError::into_inner) = turns.into_iter();
    }
}

type Heard = Mutex<Vec<Vec<u8>>>;

fn serve(mut stream: TcpStream, heard: &Heard, turns: &Mutex<std::vec::IntoIter<Turn>>) {
    let mut pending = Vec::new();
    while let Some(request) = read_request(&mut stream, &mut pending) {
        let number = {
            let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
            heard.push(request.clone());
            heard.len() - 1
        };
        let turn = turns.lock().unwrap_or_else(PoisonError::into_inner).next();
        let Some(turn) = turn else { return };
        let is_web_socket =
            String::from_utf8_lossy(&request).to_lowercase().contains("sec-websocket-key");
        if !play(&mut stream, &turn, &request) {
            return;
        }
        match turn.end {
            End::Eof => return linger(stream),
            End::Reset => return reset(stream),
            End::Open if is_web_socket => return listen(stream, heard, number),
            End::Open => {}
        }
    }
}

/// Closes the connection without a reset, which could overtake the data.
fn linger(mut stream: TcpStream) {
    if stream.shutdown(std::net::Shutdown::Write).is_ok() {
        let limit = stream.set_read_timeout(Some(Duration::from_secs(2)));
        let mut block = [0; 4096];
        while limit.is_ok() && matches!(stream.read(&mut block), Ok(len) if len > 0) {}
    }
}

fn reset(stream: TcpStream) {
    let socket = socket2::Socket::from(stream);
    socket.set_linger(Some(Duration::ZERO)).expect("no linger");
}

fn listen(mut stream: TcpStream, heard: &Heard, number: usize) {
    let mut block = [0; 4096];
    while let Ok(len) = stream.read(&mut block) {
        if len == 0 {
            return;
        }
        let mut heard = heard.lock().unwrap_or_else(PoisonError::into_inner);
        heard[number].extend_from_slice(&block[..len]);
        // A client that has sent a close frame waits for the server to close.
        if block[0] == 0x88 {
            return;
        }
    }
}

fn read_request(stream: &mut TcpStream, pending: &mut Vec<u8>) -> Option<Vec<u8>> {
    let mut block = [0; 4096];
    loop {
        if let Some(head) = pending.windows(4).position(|bytes| bytes == b"\r\n\r\n") {
            let text = String::from_utf8_lossy(&pending[..head]).to_lowercase();
            let length = text.lines().find_map(|line| line.strip_prefix("content-length:"));
            let length: usize = length.and_then(|length| length.trim().parse().ok()).unwrap_or(0);
            if pending.len() >= head + 4 + length {
                return Some(pending.drain(..head + 4 + length).collect());
            }
        }
        match stream.read(&mut block) {
            Ok(len) if len > 0 => pending.extend_from_slice(&block[..len]),
            _ => return None,
        }
    }
}

/// Sends a turn; long pauses are shortened, because only the order matters.
fn play(stream: &mut TcpStream, turn: &Turn, request: &[u8]) -> bool {
    const LONGEST: Duration = Duration::from_millis(300);
    let mut before = Duration::ZERO;
    for (at, bytes) in &turn.pieces {
        rest(at.saturating_sub(before).min(LONGEST));
        before = *at;
        if stream.write_all(&with_accept(bytes, request)).is_err() {
            return false;
        }
    }
    true
}

/// Replaces the recorded handshake's answer by the answer to the current key, unless the recorded
/// answer was wrong on purpose.
fn with_accept(bytes: &[u8], request: &[u8]) -> Vec<u8> {
    const HEADER: &[u8] = b"Sec-WebSocket-Accept: ";
    let request = String::from_utf8_lossy(request);
    let key = request.lines().find_map(|line| {
        let (name, value) = line.split_once(": ")?;
        name.eq_ignore_ascii_case("sec-websocket-key").then(|| value.to_owned())
    });
    let at = bytes.windows(HEADER.len()).position(|window| window == HEADER);
    let (Some(key), Some(at)) = (key, at) else { return bytes.to_vec() };
    let start = at + HEADER.len();
    let wrong = |accept: &[u8]| accept.starts_with(b"AAAA") || !accept.ends_with(b"=");
    if bytes.get(start..start + 28).is_none_or(wrong) {
        return bytes.to_vec();
    }
    let accept = accept_of(&key);
    [&bytes[..start], accept.as_bytes(), &bytes[start + 28..]].concat()
}

/// Computes a server's answer to a key (RFC 6455 §4.2.2).
fn accept_of(key: &str) -> String {
    let mut hash = Sha1::new();
    hash.update(key.as_bytes());
    hash.update(b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11");
    BASE64.encode(&hash.finalize())
}

/// Returns the answer that opens a WebSocket, followed by `frames`; the connection stays open.
pub fn web_socket(frames: impl AsRef<[u8]>) -> Turn {
    let head = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
        Sec-WebSocket-Accept: xxxxxxxxxxxxxxxxxxxxxxxxxxx=\r\n\r\n";
    Turn::once([head.as_slice(), frames.as_ref()].concat()).open()
}

/// Encodes a frame of a server.
pub fn frame(opcode: u8, payload: &[u8]) -> Vec<u8> {
    let mut bytes = vec![0x80 | opcode];
    match payload.len() {
        len @ 0..126 => bytes.push(u8::try_from(len).expect("short")),
        len @ 126..65_536 => {
            bytes.push(126);
            bytes.extend_from_slice(&u16::try_from(len).expect("short").to_be_bytes());
        }
        len => {
            bytes.push(127);
            bytes.extend_from_slice(&(len as u64).to_be_bytes());
        }
    }
    bytes.extend_from_slice(payload);
    bytes
}
