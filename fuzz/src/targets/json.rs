// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as a message in JSON: it is refused or read without a panic; the message is the same
//! after writing and reading it again.

use heka_core::codec::json::{self, Identity, Line};
use heka_core::wire::{MessageView, put_message};

const IDENTITY: Identity = Identity { uuid: [1; 16], timestamp: 1 };

/// See the module.
pub fn run(input: &[u8]) {
    let Ok(Line { message: Some(message), .. }) = json::parse(input, IDENTITY) else { return };
    let (mut bytes, mut line, mut again) = (Vec::new(), Vec::new(), Vec::new());
    put_message(&mut bytes, &message);
    json::put(&mut line, &MessageView::parse(&bytes).expect("it was just written"));
    let read = json::parse(&line, IDENTITY).expect("it was just written");
    let message = read.message.expect("it is no mark");
    put_message(&mut again, &message);
    assert_eq!(again, bytes);
}
