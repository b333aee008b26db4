// SPDX-License-Identifier: MIT OR Apache-2.0
//! The protocol of a NATS server, for the fuzz targets.

#![cfg(feature = "fuzzing")]

mod protocol;

use protocol::{Finder, Said, put_message};

/// Parses arbitrary bytes as the server's protocol: every byte is used exactly once, however the
/// input is split.
pub fn protocol(input: &[u8]) {
    const LIMIT: usize = 1 << 10;
    let whole = |data| Finder::default().next(data, LIMIT);
    let (mut start, mut finder) = (0, Finder::default());
    for end in 0..=input.len() {
        let data = &input[start..end];
        match finder.next(data, LIMIT) {
            Ok(Some((said, len))) => {
                assert_eq!(len, data.len(), "more would have been enough, or less");
                if let Said::Message(message) = said {
                    let _ = message.status();
                    assert!(message.payload.len() + message.headers.len() <= len);
                }
                assert_eq!(whole(&input[start..]), Ok(Some((said, len))), "pieces matter");
                start = end;
            }
            Ok(None) => {}
            Err(_) => {
                assert!(whole(&input[start..]).is_err(), "pieces matter");
                break;
            }
        }
    }
    let mut out = Vec::new();
    put_message(&mut out, b"a.b", "", "", input);
    assert!(out.ends_with(b"\r\n"));
}
