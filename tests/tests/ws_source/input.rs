// SPDX-License-Identifier: MIT OR Apache-2.0
//! Init messages and ws-source --stdin: what is sent, how long answers are awaited, and what is
//! reported.

use std::sync::mpsc;
use std::time::Duration;

use heka_tests::ws::{WsServer, frame};
use heka_tests::{Tool, scratch, sh};

fn ws(args: &[&str]) -> Tool {
    Tool::new("ws-source").args(args).args(["--retry", "0"])
}

fn echo() -> WsServer {
    WsServer::start(|_, mut peer| {
        peer.accept();
        peer.echo();
    })
}

/// Waits long enough for a client to fill all buffers on the way.
fn rest(duration: Duration) {
    let (_keep, never) = mpsc::channel::<()>();
    assert!(never.recv_timeout(duration).is_err());
}

#[test]
fn standard_input_is_sent_record_by_record_and_answers_are_waited_for() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        let mut got = Vec::new();
        while got.len() < 3 {
            let frame = peer.receive().expect("three messages");
            if frame.opcode == 1 {
                got.push(frame.payload);
            }
        }
        // The input has ended long before the answers arrive.
        for payload in got.iter().rev() {
            peer.text(payload);
        }
        peer.close(1000, "");
    });
    Tool::new("ws-source")
        .args(["--stdin", &server.url("/")])
        .stdin("a\n\nlast")
        .run()
        .succeeds()
        .stdout_is("last\n\na\n");
}

#[test]
fn standard_input_is_not_read_unless_asked_for() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.text("x");
        peer.close(1000, "");
    });
    sh("printf 'keep' | { ws-source --retry 0 \"$URL\"; cat; }")
        .env("URL", server.url("/"))
        .run()
        .stdout_is("x\nkeep");
}

#[test]
fn linger_ends_the_wait_and_other_framings_are_read_too() {
    let server = echo();
    let args = ["--stdin", "--linger", "300ms", "--framing", "len32", "--send", "binary"];
    ws(&[&server.url("/")])
        .args(args)
        .stdin(*b"\0\0\0\x02\xff\n\0\0\0\0")
        .run()
        .succeeds()
        .stdout_is(b"\0\0\0\x02\xff\n\0\0\0\0");
    ws(&[&server.url("/")])
        .args(["--stdin", "--linger", "300ms"])
        .stdin(*b"good\n\xff\nalso\n")
        .run()
        .exits(1)
        .stdout_is("good\nalso\n")
        .stderr_has("not UTF-8");
}

#[test]
fn a_record_that_is_too_long_costs_no_other() {
    let server = echo();
    let run = |framing: &str, input: &[u8], out: &[u8], lost: usize| {
        let outcome = ws(&[&server.url("/")])
            .args([
                "--stdin",
                "--linger",
                "300ms",
                "--max-message",
                "10",
                "--stats",
                "--framing",
                framing,
            ])
            .stdin(input)
            .run();
        outcome.exits(1).stdout_is(out);
        outcome.stderr_has("record longer than 10 bytes, dropped");
        outcome.stderr_has(&format!("{lost} skipped"));
    };
    let long = vec![b'0'; 300_000];
    // The last record, which needs no end; one in the middle; one that is too long by a byte.
    run("lines", &[b"a\n", &long[..100]].concat(), b"a\n", 1);
    run(
        "lines",
        &[b"a\n", &long[..], b"\nb\n", &long[..11], b"\n", &long[..10]].concat(),
        b"a\nb\n0000000000\n",
        2,
    );
    run("null", &[&long[..], b"\0b\0", &long[..]].concat(), b"b\0", 2);
    let counted = |record: &[u8]| {
        let len = u32::try_from(record.len()).unwrap();
        [&len.to_be_bytes()[..], record].concat()
    };
    let records =
        [counted(b"a"), counted(&long), counted(b"b"), counted(&long[..11]), counted(b"")];
    let expected = [counted(b"a"), counted(b"b"), counted(b"")].concat();
    run("len32", &records.concat(), &expected, 2);
}

#[test]
fn a_large_message_of_ours_goes_out_while_others_come_in() {
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        let len = loop {
            peer.text("tick");
            if let Some(frame) = peer.receive()
                && frame.opcode == 1
            {
                break frame.payload.len();
            }
        };
        peer.text(format!("{len}"));
        peer.close(1000, "");
    });
    let outcome =
        ws(&["--stdin", "--retry", "0", &server.url("/")]).stdin(vec![b'x'; 20_000_000]).run();
    outcome.succeeds();
    assert!(outcome.stdout.ends_with(b"20000000\n"));
}

#[test]
fn linger_begins_when_all_is_sent() {
    let (sender, seen) = mpsc::channel();
    let server = WsServer::start(move |_, mut peer| {
        peer.accept();
        // Longer than the linger and the wait for a close together.
        rest(Duration::from_secs(3));
        let mut len = 0;
        while let Some(frame) = peer.receive().filter(|frame| frame.opcode != 8) {
            len += if frame.opcode == 1 { frame.payload.len() } else { 0 };
        }
        sender.send(len).unwrap();
        peer.close(1000, "");
    });
    let args = ["--stdin", "--linger", "100ms", "--retry", "0", &server.url("/")];
    ws(&args).stdin(vec![b'x'; 30_000_000]).run().succeeds().stderr_is("");
    assert_eq!(seen.recv().unwrap(), 30_000_000);
}

#[test]
fn records_that_could_not_be_sent_are_told() {
    let server = WsServer::start(|nth, mut peer| {
        peer.accept();
        assert_eq!(peer.receive_opcode(1).expect("the first record").payload, b"first");
        // The second one is on its way. It is larger than the socket buffers, and smaller than what
        // stops the client from reading.
        assert!(peer.receive_beginning());
        peer.text("enough");
        if nth == 0 {
            peer.send(frame(0x88, &1000u16.to_be_bytes()));
        }
        // Nothing more is read, and the connection stays.
        loop {
            std::thread::park();
        }
    });
    // The server leaves, and so does the client.
    for args in [&[][..], &["-n", "1"]] as [&[&str]; 2] {
        let tool = ws(&["--stdin", "--retry", "0", &server.url("/")]).args(args);
        let outcome = tool.stdin(format!("first\n{}\n", "x".repeat(15_000_000))).run();
        outcome.exits(1).stdout_is("enough\n");
        outcome.stderr_has("(standard input): the connection ended before all of it was sent\n");
    }
}

#[test]
fn part_of_a_record_goes_to_the_next_connection() {
    let server = WsServer::start(|nth, mut peer| {
        peer.accept();
        if nth == 0 {
            assert_eq!(peer.receive_opcode(1).expect("a record").payload, b"one");
            peer.reset();
            return;
        }
        assert_eq!(peer.receive_opcode(1).expect("a record").payload, b"two");
        peer.close(1000, "");
    });
    let mut running = Tool::new("ws-source")
        .args(["--stdin", "--retry-delay", "20ms", &server.url("/")])
        .stdin_open()
        .spawn();
    running.write("one\ntw");
    running.wait_stderr("connected after");
    running.write("o\n");
    running.close_stdin();
    let outcome = running.finish();
    outcome.succeeds();
    assert!(!outcome.err().contains("before all of it was sent"), "{outcome}");
}

#[test]
fn without_framing_bytes_pass_as_they_are_both_ways() {
    let server = echo();
    let bytes: Vec<u8> = (0..=255).cycle().take(1_000_000).collect();
    let args = ["--stdin", "--framing", "none", "--linger", "300ms", &server.url("/")];
    ws(&args).stdin(&*bytes).run().succeeds().stdout_is(&bytes);
    // Records of any size, also beyond the limit of messages.
    ws(&args).args(["--max-record", "1000"]).stdin(&*bytes).run().succeeds().stdout_is(&bytes);
}

#[test]
fn prefixes_mark_the_types_of_payloads_both_ways() {
    let server = echo();
    let args = ["--stdin", "--linger", "300ms", "--text-prefix", "t:", "--binary-prefix", "b:"];
    ws(&[&server.url("/")])
        .args(args)
        .stdin(*b"t:one\nb:\xff\nthree\n")
        .run()
        .succeeds()
        .stdout_is(*b"t:one\nb:\xff\nt:three\n");
    ws(&[&server.url("/"), "-j"]).args(args).run().exits(2).stderr_has("payloads that are framed");
}

#[test]
fn init_messages_go_as_they_are_and_in_order() {
    let server = echo();
    let dir = scratch();
    std::fs::write(dir.path().join("hello"), "{\"token\": \"é\"}\n").unwrap();
    ws(&[&server.url("/")])
        .args(["-p", "", "-p", "-2-", "-n", "3", "--init-file", "hello"])
        .dir(dir.path())
        .run()
        .succeeds()
        .stdout_is("{\"token\": \"é\"}\n\n-2-\n");
}

#[test]
fn init_files_lose_their_last_line_end_and_may_be_binary() {
    let server = echo();
    let dir = scratch();
    std::fs::write(dir.path().join("dos"), "a\r\nb\r\n").unwrap();
    std::fs::write(dir.path().join("bytes"), b"\xff\0\n").unwrap();
    ws(&[&server.url("/")])
        .args(["--init-file", "dos", "--init-binary", "bytes", "-n", "2", "--framing", "len32"])
        .dir(dir.path())
        .run()
        .succeeds()
        .stdout_is(b"\0\0\0\x04a\r\nb\0\0\0\x03\xff\0\n");
    ws(&[&server.url("/")])
        .args(["--init-file", "bytes"])
        .dir(dir.path())
        .run()
        .exits(2)
        .stderr_has("bytes: not UTF-8 (--init-binary sends other bytes)");
}
