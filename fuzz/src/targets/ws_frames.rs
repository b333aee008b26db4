// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any frames after a handshake, with and without compression, in any pieces: the messages are the
//! same, none exceeds the limit, and text is UTF-8.

use crate::websocket::{LIMIT, Peer, shake};
use heka_core::net::ws::{Kind, Step};

type Seen = (Vec<(bool, Vec<u8>)>, String);

fn read(stream: &[u8], piece: usize) -> Seen {
    let Ok(mut socket) = shake(Peer::new(stream, piece)) else { panic!("the handshake is right") };
    let mut seen = Vec::new();
    loop {
        match socket.step() {
            Step::Message(kind) => {
                let data = socket.data().to_vec();
                assert!(data.len() <= LIMIT, "over the limit");
                let is_text = kind == Kind::Text;
                assert!(!is_text || std::str::from_utf8(&data).is_ok(), "text is UTF-8");
                seen.push((is_text, data));
            }
            Step::Again => {}
            Step::Blocked => panic!("nothing is waited for"),
            Step::Closed(closed) => return (seen, format!("{closed:?}")),
        }
    }
}

/// See the module.
pub fn run(input: &[u8]) {
    let &[choice, piece, ref frames @ ..] = input else { return };
    let extension = match choice % 3 {
        0 => "",
        1 => "Sec-WebSocket-Extensions: permessage-deflate\r\n",
        _ => "Sec-WebSocket-Extensions: permessage-deflate; server_no_context_takeover\r\n",
    };
    let mut stream = format!(
        "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n\
         Sec-WebSocket-Accept: %KEY%\r\n{extension}\r\n"
    )
    .into_bytes();
    stream.extend_from_slice(frames);
    let whole = read(&stream, usize::MAX);
    assert_eq!(read(&stream, usize::from(piece).max(1)), whole, "pieces matter");
}
