// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a reader, the limits of records, reconnects, and a stream that is full.

use std::fs::File;
use std::io::{BufRead as _, BufReader, Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use heka_tests::{
    Broker as _, Nats, Signal, Tool, accept, ceiling, eventually, lines, reports_damage,
};

fn payloads(frames: Vec<u8>) -> String {
    Tool::new("heka-decode").args(["-o", "payload"]).stdin(frames).run().out()
}

#[test]
fn what_a_reader_did_not_take_before_a_signal_is_not_acknowledged() {
    const COUNT: usize = 1500;
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let long: String = (1..=COUNT).map(|number| format!("{number:2000}\n")).collect();
    Tool::new("heka-nats").arg(&url).stdin(long).run().succeeds();
    for takes_the_rest in [false, true] {
        let url = nats.url(&format!("S?durable=d{takes_the_rest}"));
        let (mut near, far) = UnixStream::pair().unwrap();
        let reader = Tool::new("heka-nats")
            .args(["--read", &url])
            .stdout_file(File::from(OwnedFd::from(far)))
            .spawn();
        let mut taken = vec![0];
        near.read_exact(&mut taken).unwrap();
        reader.signal(Signal::SIGTERM);
        if takes_the_rest {
            near.read_to_end(&mut taken).unwrap();
        }
        reader.finish().killed_by(Signal::SIGTERM);
        near.read_to_end(&mut taken).unwrap();
        let taken = payloads(taken).lines().count() as u64;
        let name = format!("CONSUMER.INFO.S.d{takes_the_rest}");
        let info: serde_json::Value = serde_json::from_str(&asked(&nats, &name)).unwrap();
        let acknowledged = info["ack_floor"]["stream_seq"].as_u64().unwrap();
        assert!(taken > 0 && acknowledged <= taken, "{acknowledged} of {taken}");
        assert!(!takes_the_rest || acknowledged == taken, "{acknowledged} of {taken}");
    }
}

#[test]
fn a_record_over_the_limit_is_refused_and_its_neighbours_are_stored() {
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let input = format!("one\n{}\ntwo\nthree\n", "x".repeat(5_000_000));
    let sent = Tool::new("heka-send")
        .args(["-i", "lines", "--max-record=8M", "--message-limit=8M", "--stats", &url])
        .stdin(input)
        .run();
    sent.exits(1).stderr_has("longer than the receiver's limit").stderr_has("3 acknowledged");
    assert_eq!(nats.payloads("S"), "one\ntwo\nthree\n");
}

#[test]
fn a_stream_has_limits_of_its_own() {
    let Some(nats) = Nats::start("") else { return };
    let stream = r#"{"name":"S","subjects":["s"],"storage":"file","retention":"limits",
        "max_msg_size":1000,"num_replicas":1}"#;
    told(&nats, "STREAM.CREATE.S", stream);
    let long = "x".repeat(2000);
    for form in ["protobuf", "framed"] {
        let url = nats.url(&format!("s?form={form}"));
        let input = format!("one\n{long}\ntwo\n");
        let written = Tool::new("heka-nats").args(["--stats", &url]).stdin(input).run();
        written.exits(1).stderr_has("message 2 dropped: message size exceeds maximum allowed");
        written.stderr_has("2 acknowledged, 1 refused");
    }
    assert_eq!(nats.payloads("S"), "one\ntwo\none\ntwo\n");
}

#[test]
fn text_that_looks_like_a_frame_is_damage() {
    if let Some(nats) = Nats::start("") {
        reports_damage(&nats, "s 2: ");
    }
}

#[test]
fn a_writer_that_lost_count_ends_and_acknowledges_nothing_wrong() {
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let frame = Tool::new("heka-encode").stdin("one\n").run().stdout;
    let place = |number: u8| [0x1e, 5, 0x08, 0, 0xa8, 0x06, number, 0x1f].to_vec();
    for (wrong, words) in [
        (place(7), "(standard input): 1 message came, but 7 were sent"),
        (b"garbage".to_vec(), "not a frame"),
    ] {
        let input = [place(0), frame.clone(), wrong, frame.clone()].concat();
        let written = Tool::new("heka-nats").args(["--ack", &url]).stdin(input).run();
        written.exits(1).stderr_has(words);
    }
    let input = [place(7), frame.clone(), place(8), frame.clone(), place(9)].concat();
    Tool::new("heka-nats").args(["--ack", &url]).stdin(input).run().succeeds();
}

#[test]
fn heka_nats_is_as_verbose_as_the_tool_that_starts_it() {
    let Some(nats) = Nats::start("") else { return };
    let sent = Tool::new("heka-send").arg("-v").arg(nats.url("s?create=R1&stream=S"));
    sent.stdin("one\n").run().succeeds().stderr_has("heka-nats: note: 127.0.0.1");
    let url = nats.url("S?durable=d&from=begin");
    Tool::new("heka-nats").args(["--read", "--no-follow", &url]).run().succeeds();
    // It would report that the consumer begins again.
    let listener = Tool::new("heka-listen").args(["-q", "-o", "payload", &url]).spawn();
    listener.wait_stdout_is("one\n");
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_is("");
}

#[test]
fn the_end_stays_where_it_was_when_the_connection_comes_again() {
    let Some(mut nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    Tool::new("heka-nats").arg(&url).stdin(lines(5)).run().succeeds();
    let reader = |from: &str| {
        Tool::new("heka-nats")
            .args(["-v", "--retry-delay=50ms", "--retry-max-delay=50ms", "--read"])
            .arg(nats.url(&format!("S?from={from}")))
            .spawn()
    };
    let readers = [reader("end"), reader("-0")];
    eventually("both have begun", || {
        asked(&nats, "STREAM.INFO.S").contains("\"consumer_count\":2").then_some(())
    });
    nats.signal(Signal::SIGKILL);
    for reader in &readers {
        reader.wait_stderr("retrying in");
    }
    nats.restart();
    Tool::new("heka-nats").arg(&url).stdin("new\n").run().succeeds();
    for reader in &readers {
        let frames =
            reader.wait_stdout("the new message", |bytes| bytes.windows(3).any(|at| at == b"new"));
        assert_eq!(payloads(frames), "new\n");
    }
}

/// Returns the server's answer to a request.
fn asked(nats: &Nats, what: &str) -> String {
    told(nats, what, "")
}

/// Returns its answer to a request with a text.
fn told(nats: &Nats, what: &str, text: &str) -> String {
    let mut server = TcpStream::connect(("127.0.0.1", nats.port())).unwrap();
    server.set_read_timeout(Some(ceiling())).unwrap();
    write!(server, "CONNECT {{}}\r\nSUB x 1\r\nPUB $JS.API.{what} x {}\r\n{text}\r\n", text.len())
        .unwrap();
    let mut lines = BufReader::new(server).lines().map_while(Result::ok);
    lines.find(|line| line.starts_with("{\"type\"")).expect("an answer")
}

/// The answer of a simulated server to a message.
enum Said {
    /// An answer, and whether it is the last one.
    Json(&'static str, bool),
    /// A message of the server's protocol, complete except for its subject.
    Message(&'static str),
    /// No answer, and the end.
    End,
}

/// Simulates a server that `says` something to each request, by its subject and text, until the
/// last answer or until the client is gone.
fn play(
    listener: &TcpListener,
    mut says: impl FnMut(&str, &[u8]) -> Said,
) -> (BufReader<TcpStream>, TcpStream) {
    let mut out = accept(listener);
    let mut input = BufReader::new(out.try_clone().unwrap());
    out.write_all(b"INFO {\"headers\":true,\"jetstream\":true,\"max_payload\":1048576}\r\n")
        .unwrap();
    loop {
        let mut line = String::new();
        if input.read_line(&mut line).unwrap() == 0 {
            return (input, out);
        }
        let words: Vec<&str> = line.split_ascii_whitespace().collect();
        match words[..] {
            ["PING"] => out.write_all(b"PONG\r\n").unwrap(),
            ["PUB" | "HPUB", subject, reply, .., len] => {
                let mut payload = vec![0; len.parse::<usize>().unwrap() + 2];
                input.read_exact(&mut payload).unwrap();
                match says(subject, &payload) {
                    Said::Json(answer, is_last) => {
                        write!(out, "MSG {reply} 1 {}\r\n{answer}\r\n", answer.len()).unwrap();
                        if is_last {
                            return (input, out);
                        }
                    }
                    Said::Message(rest) => write!(out, "HMSG {reply} {rest}\r\n").unwrap(),
                    Said::End => return (input, out),
                }
            }
            _ => {}
        }
    }
}

/// Simulates a server whose stream is full, until it has refused a message.
fn refuse_one(listener: &TcpListener) -> (BufReader<TcpStream>, TcpStream) {
    const FULL: &str = r#"{"error":{"code":503,"err_code":10077,"description":"full"}}"#;
    play(listener, |subject, _| match subject {
        "$JS.API.STREAM.NAMES" => Said::Json(r#"{"streams":["S"]}"#, false),
        "s" => Said::Json(FULL, true),
        _ => Said::Json(r#"{"config":{"duplicate_window":120000000000}}"#, false),
    })
}

/// The server that has the consumer does not have the others' messages yet.
#[test]
fn a_consumer_that_lags_behind_is_asked_again() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}/S?from=begin", listener.local_addr().unwrap());
    let read = ["--read", "--no-follow", "--retry=0", &url];
    let reader = Tool::new("heka-nats").args(read).spawn();
    let mut asked = 0;
    let (input, out) = play(&listener, |subject, _| match subject {
        "$JS.API.STREAM.INFO.S" => Said::Json(r#"{"state":{"last_seq":1}}"#, false),
        "$JS.API.CONSUMER.CREATE.S" => Said::Json(r#"{"name":"c"}"#, false),
        "$JS.API.CONSUMER.INFO.S.c" => Said::Json(r#"{"delivered":{"stream_seq":0}}"#, false),
        "$JS.API.CONSUMER.MSG.NEXT.S.c" => {
            asked += 1;
            if asked < 3 {
                return Said::Message("1 28 28\r\nNATS/1.0 404 No Messages\r\n\r\n");
            }
            Said::Message("1 $JS.ACK.S.c.1.1.1.1700000000.0 12 14\r\nNATS/1.0\r\n\r\nhi")
        }
        _ => Said::Json("{}", false),
    });
    drop((input, out));
    assert_eq!(payloads(reader.finish().stdout), "hi\n");
    assert_eq!(asked, 3);
}

/// The connection breaks before the consumer exists, and a message arrives before the next one.
#[test]
fn the_end_is_that_of_the_first_connection() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}/S?from=end", listener.local_addr().unwrap());
    let args = ["--read", "--retry-delay=1ms", "--retry-jitter=0", &url];
    let reader = Tool::new("heka-nats").args(args).spawn();
    drop(play(&listener, |subject, _| match subject {
        "$JS.API.STREAM.INFO.S" => Said::Json(r#"{"state":{"last_seq":5}}"#, false),
        _ => Said::End,
    }));
    let mut config = String::new();
    let _open = play(&listener, |subject, text| match subject {
        "$JS.API.STREAM.INFO.S" => Said::Json(r#"{"state":{"last_seq":6}}"#, false),
        _ => {
            config = String::from_utf8_lossy(text).into_owned();
            Said::End
        }
    });
    assert!(config.contains(r#""opt_start_seq":6"#), "{config}");
    reader.end_by(Signal::SIGTERM);
}

#[test]
fn a_server_is_answered_while_nothing_is_sent_to_a_full_stream() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("nats://{}/s", listener.local_addr().unwrap());
    let mut writer = Tool::new("heka-nats")
        .args(["--retry-delay=1h", "--retry-max-delay=1h", "--retry-jitter=0", &url])
        .stdin_open()
        .spawn();
    writer.write("hello\n");
    let (mut input, mut out) = refuse_one(&listener);
    writer.wait_stderr("full");
    out.write_all(b"PING\r\n").unwrap();
    let mut line = String::new();
    input.read_line(&mut line).expect("an answer during the pause");
    assert_eq!(line, "PONG\r\n");
    writer.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_has("1 message not");
}
