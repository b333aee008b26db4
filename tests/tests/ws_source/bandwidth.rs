// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of a busy feed on the wire, compressed and not: updates of an order book, which are
//! small and similar messages.

use std::sync::mpsc;

use flate2::{Compress, Compression, FlushCompress};
use heka_tests::ws::{WsServer, agreement, frame};
use heka_tests::{Random, Tool};
use serde_json::json;

/// Returns updates of an order book, as exchanges send them.
fn updates(count: u64) -> Vec<String> {
    let mut random = Random::new(1);
    let mut price = 6_400_000;
    let update = |seq: u64| {
        price += random.below(1000);
        price -= random.below(1000);
        let change = |random: &mut Random| {
            let at = price + random.below(10_000) - 5000;
            let size = random.below(200_000_000);
            let price = format!("{}.{:02}", at / 100, at % 100);
            let size = format!("{}.{:08}", size / 100_000_000, size % 100_000_000);
            json!([random.one(&["buy", "sell"]), price, size])
        };
        let changes: Vec<_> = (0..=random.below(6)).map(|_| change(&mut random)).collect();
        let micros = random.below(1_000_000);
        let (minute, second) = (seq / 6000 % 60, seq / 100 % 60);
        json!({
            "type": "l2update",
            "product_id": "BTC-USD",
            "sequence": 9_000_000 + seq,
            "changes": changes,
            "time": format!("2026-11-29T18:{minute:02}:{second:02}.{micros:06}Z"),
        })
        .to_string()
    };
    (0..count).map(update).collect()
}

/// Compresses messages one after the other, each with the window that the previous ones left (RFC
/// 7692 §7.2.1).
fn compressed(messages: &[String]) -> Vec<Vec<u8>> {
    let mut deflater = Compress::new(Compression::default(), false);
    let mut compress = |message: &String| {
        let mut out = Vec::with_capacity(message.len() + 64);
        deflater.compress_vec(message.as_bytes(), &mut out, FlushCompress::Sync).unwrap();
        assert_eq!(out.split_off(out.len() - 4), [0, 0, 0xff, 0xff]);
        frame(0xc1, &out)
    };
    messages.iter().map(&mut compress).collect()
}

/// Returns the size of the feed on the wire, in bytes, read with these flags.
fn cost(args: &[&str]) -> usize {
    let messages = updates(2000);
    let expected: String = messages.iter().map(|message| format!("{message}\n")).collect();
    let (sender, cost) = mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        let request = peer.request();
        let (extension, frames) = if request.contains("permessage-deflate") {
            ("Sec-WebSocket-Extensions: permessage-deflate\r\n", compressed(&messages))
        } else {
            let frames = messages.iter().map(|message| frame(0x81, message.as_bytes()));
            ("", frames.collect())
        };
        peer.send(agreement(&request, extension));
        assert!(frames.iter().all(|frame| peer.send(frame)));
        sender.send(frames.iter().map(Vec::len).sum::<usize>()).unwrap();
        peer.close(1000, "");
    });
    let url = server.url("/");
    let outcome = Tool::new("ws-source").args(["--retry", "0", &url]).args(args).run();
    outcome.succeeds().stdout_is(expected);
    cost.recv().unwrap()
}

#[test]
fn compression_saves_two_thirds_of_an_order_book_s_feed() {
    let (plain, compressed) = (cost(&["--no-compression"]), cost(&[]));
    assert!(compressed * 3 <= plain, "{compressed} of {plain} bytes");
}
