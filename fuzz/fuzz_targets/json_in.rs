// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes as JSON: refused, or a message that comes back the same through JSON once more.
#![no_main]

use heka_core::codec::json;
use heka_core::wire::{MessageView, put_message};
use libfuzzer_sys::fuzz_target;

/// What a message gets that names none.
const IDENTITY: json::Identity = json::Identity { uuid: [7; 16], timestamp: 1 };

/// The message's JSON, and its bytes.
fn through(text: &[u8]) -> Option<(Vec<u8>, Vec<u8>)> {
    let message = json::parse(text, IDENTITY).ok()?;
    let mut bytes = Vec::new();
    put_message(&mut bytes, &message);
    let view = MessageView::parse(&bytes).expect("what is written can be read");
    let mut again = Vec::new();
    json::put(&mut again, &view);
    Some((again, bytes))
}

fuzz_target!(|input: &[u8]| {
    let Some((text, bytes)) = through(input) else { return };
    let (text_again, bytes_again) = through(&text).expect("what is written is taken back");
    assert_eq!(bytes_again, bytes, "{}", String::from_utf8_lossy(&text));
    assert_eq!(text_again, text);
});
