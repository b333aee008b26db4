// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source against servers that are slow, abusive or wrong: bytes that drip, frames glued to the
//! answer, half-open connections, resets, ends without a close, masked frames, reserved bits, bad
//! UTF-8, messages that inflate without end. (TLS without `close_notify` is in `tls`, where no
//! server sends one.)
//! server sends one.)

use std::sync::mpsc;

use heka_tests::ws::{WsPeer, WsServer, agreement, frame};
use heka_tests::{Outcome, Tool};

fn run(script: impl Fn(usize, WsPeer) + Send + Sync + 'static, args: &[&str]) -> Outcome {
    let server = WsServer::start(script);
    Tool::new("ws-source").args(["--retry", "0", &server.url("/")]).args(args).run()
}

/// The client must close with this code, after it has printed the valid messages.
#[track_caller]
fn is_refused(frames: Vec<Vec<u8>>, code: u16, words: &str) {
    let (sender, seen) = mpsc::channel();
    let outcome = run(
        move |_, mut peer| {
            peer.accept();
            peer.text("before");
            for frame in &frames {
                peer.send(frame);
            }
            sender.send(peer.receive_opcode(8)).unwrap();
        },
        &[],
    );
    outcome
        .exits(3)
        .stdout_is("before\n")
        .stderr_has(&format!("closed with {code}"))
        .stderr_has(words);
    let close = seen.recv().unwrap().expect("a close frame");
    assert_eq!(close.payload[..2], code.to_be_bytes(), "{outcome}");
}

#[test]
fn what_breaks_the_protocol_is_refused_with_1002() {
    is_refused(vec![frame(0xc1, b"rsv1")], 1002, "eserved bits");
    is_refused(vec![frame(0x91, b"rsv3")], 1002, "eserved bits");
    is_refused(vec![vec![0x81, 0x81, 1, 2, 3, 4, 0x60]], 1002, "masked");
    is_refused(vec![frame(0x83, b"")], 1002, "invalid opcode");
    is_refused(vec![frame(0x8b, b"")], 1002, "invalid opcode");
    is_refused(vec![frame(0x80, b"no beginning")], 1002, "ontinue");
    is_refused(vec![frame(0x01, b"a"), frame(0x81, b"b")], 1002, "fragments");
    is_refused(vec![frame(0x09, b"ping in pieces")], 1002, "ragmented control");
    is_refused(vec![frame(0x89, &[b'x'; 126])], 1002, "ontrol frame too big");
}

#[test]
fn bad_utf8_is_refused_with_1007_and_large_messages_with_1009() {
    is_refused(vec![frame(0x81, b"\xff")], 1007, "not UTF-8");
    is_refused(vec![frame(0x01, b"\xc3"), frame(0x80, b"(")], 1007, "not UTF-8");
    let (sender, seen) = mpsc::channel();
    let outcome = run(
        move |_, mut peer| {
            peer.accept();
            peer.text([b'x'; 1000]);
            peer.text([b'y'; 1001]);
            sender.send(peer.receive_opcode(8)).unwrap();
        },
        &["--max-message", "1000"],
    );
    outcome
        .exits(3)
        .stderr_has("closed with 1009 (too large): message of 1001 bytes, longer than 1000");
    assert_eq!(outcome.stdout.len(), 1001, "{outcome}");
    assert_eq!(seen.recv().unwrap().unwrap().payload[..2], 1009u16.to_be_bytes());
}

#[test]
fn a_claim_of_an_enormous_frame_takes_no_memory() {
    let mut head = vec![0x82, 127];
    head.extend_from_slice(&(1u64 << 62).to_be_bytes());
    is_refused(vec![head], 1009, "longer than 67108864");
}

#[test]
fn fragments_without_end_are_bounded() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x01, &[b'x'; 1000]));
            while peer.send(frame(0x00, &[b'x'; 1000])) {}
        },
        &["--max-message", "64K"],
    );
    outcome.exits(3).stderr_has("1009").stdout_is("");
}

#[test]
fn an_answer_and_frames_that_drip_are_put_together() {
    let outcome = run(
        |_, mut peer| {
            let request = peer.request();
            peer.drip(agreement(&request, "X-Padding: 0123456789\r\n"));
            peer.drip(frame(0x81, "drip drop é".as_bytes()));
            peer.close(1000, "");
        },
        &[],
    );
    outcome.succeeds().stdout_is("drip drop é\n");
}

#[test]
fn frames_glued_to_the_answer_are_not_lost() {
    let outcome = run(
        |_, mut peer| {
            let request = peer.request();
            let mut all = agreement(&request, "").into_bytes();
            all.extend(frame(0x81, b"one"));
            all.extend(frame(0x81, b"two"));
            all.extend(frame(0x88, &1000u16.to_be_bytes()));
            peer.send(all);
            peer.until_end();
        },
        &[],
    );
    outcome.succeeds().stdout_is("one\ntwo\n");
}

#[test]
fn ends_without_a_close_are_losses() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
        },
        &[],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("closed the connection without a close frame\n");
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
            // The client has it when it answers the following ping.
            peer.ping("");
            peer.receive_opcode(10);
            peer.reset();
        },
        &[],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("Connection reset by peer\n");
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x81, b"cut in the middle")[..9].as_ref());
        },
        &[],
    );
    outcome.exits(3).stdout_is("").stderr_has("without a close frame");
}

#[test]
fn a_half_open_connection_is_noticed_by_its_silence() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.text("x");
            // Reads everything and answers nothing.
            peer.until_end();
        },
        &["--ping-interval", "100ms", "--ping-timeout", "300ms"],
    );
    outcome.exits(3).stdout_is("x\n").stderr_has("no answer to a ping for 300 ms\n");
}

#[test]
fn a_server_that_takes_nothing_is_given_up() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            // More than the sockets and the queue behind them hold, and not a byte is read.
            while peer.binary([b'x'; 64 * 1024]) {}
        },
        &["--echo", "--binary", "skip", "--ping-interval", "200ms", "--ping-timeout", "1s"],
    );
    outcome.exits(3).stderr_has("the server takes nothing that is sent for 1 s\n");
}

#[test]
fn a_feed_without_messages_is_given_up_when_asked() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.echo();
        },
        &["--idle-timeout", "300ms", "--ping-interval", "50ms"],
    );
    outcome.exits(3).stderr_has("no message for 300 ms\n");
}

#[test]
fn pings_are_answered_with_what_they_hold() {
    let (sender, seen) = mpsc::channel();
    run(
        move |_, mut peer| {
            peer.accept();
            peer.ping("are you there");
            sender.send(peer.receive_opcode(10).unwrap().payload).unwrap();
            peer.close(1000, "");
        },
        &[],
    )
    .succeeds();
    assert_eq!(seen.recv().unwrap(), b"are you there");
}

#[test]
fn compressed_messages_are_inflated_within_the_limit() {
    let script = |_, mut peer: WsPeer| {
        let request = peer.accept_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        assert!(request.contains("Sec-WebSocket-Extensions: permessage-deflate;"), "{request}");
        peer.send(frame(0xc1, b"\xf2\x48\xcd\xc9\xc9\x07\x00"));
        // With what the first one left in the window, in pieces, a ping between them.
        peer.send(frame(0x41, b"\xf2\x00"));
        peer.ping("");
        peer.drip(frame(0x80, b"\x11\x00\x00"));
        peer.text("as it is");
        peer.send(frame(0xc2, &[0xff; 16]));
        peer.receive_opcode(8);
    };
    run(script, &["--max-record", "1M"])
        .exits(3)
        .stdout_is("Hello\nHello\nas it is\n")
        .stderr_has("closed with 1007 (invalid data): compressed data that cannot be inflated\n");
    let bomb = |_, mut peer: WsPeer| {
        peer.accept_with("Sec-WebSocket-Extensions: permessage-deflate\r\n");
        peer.send(frame(0x42, &zeros(1 << 20)));
        while peer.send(frame(0x00, &zeros(1 << 20))) {}
    };
    run(bomb, &["--max-record", "8M"])
        .exits(3)
        .stdout_is("")
        .stderr_has("closed with 1009 (too large): compressed message of more than 8388608 bytes");
}

/// Compresses this many zeros.
fn zeros(count: usize) -> Vec<u8> {
    let mut out = Vec::with_capacity(count);
    let mut deflater = flate2::Compress::new(flate2::Compression::best(), false);
    deflater.compress_vec(&vec![0; count], &mut out, flate2::FlushCompress::Sync).unwrap();
    out
}

#[test]
fn close_codes_and_reasons_are_told_as_they_came() {
    for (code, told) in [
        (1014u16, "1014 (bad gateway)"),
        (1004, "1004 (reserved)"),
        (1006, "1006 (abnormal)"),
        (1015, "1015 (TLS failure)"),
        (2999, "2999"),
        (4999, "4999"),
        (5000, "5000"),
        (0, "0"),
    ] {
        let (sender, seen) = mpsc::channel();
        let outcome = run(
            move |_, mut peer| {
                peer.accept();
                sender.send(peer.close(code, "upstream gone").unwrap().payload).unwrap();
            },
            &[],
        );
        outcome.exits(3).stderr_has(&format!("the server closed with {told}: upstream gone\n"));
        // An invalid code is answered as a protocol error.
        let is_valid = matches!(code, 1014 | 4999);
        let answer = if is_valid { code } else { 1002 };
        assert_eq!(seen.recv().unwrap()[..2], answer.to_be_bytes(), "{code}");
    }
}

#[test]
fn a_server_that_never_hangs_up_does_not_hold_the_end() {
    let outcome = run(
        |_, mut peer| {
            peer.accept();
            peer.send(frame(0x88, &1000u16.to_be_bytes()));
            // Neither answers nor closes, and sends forever.
            while peer.text("too late") {}
        },
        &[],
    );
    outcome.succeeds().stdout_is("");
}
