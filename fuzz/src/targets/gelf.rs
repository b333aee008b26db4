// SPDX-License-Identifier: MIT OR Apache-2.0
//! GELF datagrams, each after its length in a byte: chunks, compressed or not, in any order. The
//! stored chunks are limited, complete messages are decoded, and split messages are reassembled.

use std::time::Instant;

use heka_core::decode::preset;
use heka_core::os::unpack_record;
use heka_core::record::gelf::{self, Chunks};

use crate::decode;

const LIMIT: usize = 1 << 14;

/// Decodes a message as heka-listen does.
fn read(message: &[u8]) {
    if let Ok(record) = unpack_record(message.into(), true, LIMIT) {
        assert!(record.len() <= LIMIT.max(message.len()), "over the limit");
        decode(preset("gelf").expect("it is in the list"), &record);
    }
}

fn split_and_join(chunks: &mut Chunks<u8>, message: &[u8], now: Instant) {
    if message.len() > gelf::LONGEST_MESSAGE || message.starts_with(&[0x1e, 0x0f]) {
        return;
    }
    let parts = gelf::split(message, *b"identity");
    let mut whole = None;
    for part in &parts {
        assert!(whole.is_none(), "whole before its last part");
        whole = chunks.take(7, part, now).expect("it was just written");
    }
    assert_eq!(whole.as_deref(), Some(message));
}

/// See the module.
pub fn run(input: &[u8]) {
    let mut chunks = Chunks::new(LIMIT);
    let now = Instant::now();
    let (mut rest, mut given) = (input, 0);
    while let Some((&len, behind)) = rest.split_first() {
        let (datagram, behind) = behind.split_at(usize::from(len).min(behind.len()));
        rest = behind;
        if let Ok(Some(message)) = chunks.take(len % 2, datagram, now) {
            given += message.len();
            read(&message);
        }
        chunks.expire(now);
    }
    assert!(given <= input.len(), "more than came");
    chunks.end();
    read(input);
    split_and_join(&mut chunks, &input.repeat(40), now);
    split_and_join(&mut chunks, input, now);
}
