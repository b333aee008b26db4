// SPDX-License-Identifier: MIT OR Apache-2.0
//! Terminals get short lines instead of frames, and nothing harmful.

use std::net::TcpStream;

use heka_tests::{Peer, Pty, Tool};

#[test]
fn encode_shows_text() {
    let pty = Pty::open();
    let outcome = Tool::new("heka-encode").stdin("Heka, World2!\n").stdout_file(pty.end()).run();
    outcome.succeeds();
    let screen = pty.wait_screen("the line", |text| text.contains("Heka, World2!"));
    assert!(!screen.contains('\x1e'), "{screen:?}");
}

/// Returns two frames of known content.
fn frames() -> Vec<u8> {
    let script = "heka-encode -H web01 -l app -S err -F n:i=1 --timestamp 1000000000 ; \
                  echo late | heka-encode -H w2 -l nginx -S info --timestamp 1500000000";
    heka_tests::sh(script).stdin("cannot connect\n").run().succeeds().stdout.clone()
}

const LINES: &str = "00:00:01.000 web01 app ERR   cannot connect  n=1\n\
                     00:00:01.500 w2    nginx INFO  late\n";

/// Returns what `tool` displays until it exits.
#[track_caller]
fn shown(tool: Tool, last: &str) -> String {
    let pty = Pty::open();
    tool.stdout_file(pty.end()).run().succeeds();
    pty.wait_screen(last, |text| text.contains(last))
}

#[test]
fn counts_have_bars() {
    let tool = || Tool::new("heka-decode").args(["--count-by", "Severity", "--top", "1"]);
    let frames = [frames(), frames()].concat();
    tool().stdin(frames.clone()).run().succeeds().stdout_is("      2 3\n      2 (other)\n");
    let screen = shown(tool().stdin(frames), "(other)");
    assert_eq!(screen.lines().next(), Some(format!("      2 {} 3", "█".repeat(20)).as_str()));
}

#[test]
fn frames_are_refused_in_the_same_words_by_every_tool() {
    let tools: [(&str, &[&str]); 8] = [
        ("heka-encode", &[]),
        ("heka-decode", &[]),
        ("heka-tail", &["--no-follow", "/dev/null"]),
        ("heka-listen", &["127.0.0.1:0"]),
        ("heka-sandbox", &["plugin.lua"]),
        ("ws-source", &["ws://127.0.0.1:1/"]),
        ("unix-sock", &["-l", "socket"]),
        ("cf-tail", &["--endpoint", "ws://127.0.0.1:1", "app"]),
    ];
    let hint = "choose another format with -o, or pipe them into heka-decode";
    for (name, args) in tools {
        let folder = heka_tests::scratch();
        let plugin = "function process_message() return 0 end";
        std::fs::write(folder.path().join("plugin.lua"), plugin).unwrap();
        let pty = Pty::open();
        let tool = Tool::new(name).dir(folder.path()).args(args).args(["-o", "heka"]);
        tool.stdout_file(pty.end()).run().exits(2).stderr_is(&format!(
            "{name}: framed messages are not written to a terminal\n\
             {name}: hint: {hint}\n"
        ));
    }
    let pty = Pty::open();
    let reader = Tool::new("heka-nats").args(["--read", "nats://127.0.0.1:1/S?from=begin"]);
    reader.stdout_file(pty.end()).run().exits(2).stderr_is(
        "heka-nats: framed messages are not written to a terminal\n\
         heka-nats: hint: pipe them into heka-decode\n",
    );
}

#[test]
fn frames_that_are_payloads_are_refused_too() {
    let folder = heka_tests::scratch();
    let pty = Pty::open();
    let args = ["-l", "socket", "--framing=heka"];
    let tool = Tool::new("unix-sock").dir(folder.path()).args(args);
    tool.stdout_file(pty.end()).run().exits(2).stderr_has("not written to a terminal");
}

#[test]
fn decode_shows_short_lines() {
    assert_eq!(shown(Tool::new("heka-decode").stdin(frames()), "late\n"), LINES);
    let args = ["-m", "Payload =~ /late/"];
    let screen = shown(Tool::new("heka-decode").args(args).stdin(frames()), "late\n");
    assert_eq!(screen, "00:00:01.500 w2 nginx INFO  late\n");
    // Explicit formats take precedence.
    let screen = shown(Tool::new("heka-decode").arg("-0").stdin(frames()), "late");
    assert!(!screen.contains("web01"), "{screen}");
    let screen = shown(Tool::new("heka-decode").arg("-t").stdin(frames()), "late");
    assert!(screen.contains("Severity: 6\n"), "{screen}");
}

#[test]
fn decode_into_a_pipe_writes_payloads() {
    let decode = Tool::new("heka-decode").env("TERM", "xterm").stdin(frames()).run();
    decode.succeeds().stdout_is("cannot connect\nlate\n");
    let short = Tool::new("heka-decode").args(["-o", "short"]).env("TERM", "xterm");
    short.stdin(frames()).run().succeeds().stdout_is(LINES);
}

#[test]
fn tail_shows_short_lines() {
    let folder = heka_tests::scratch();
    std::fs::write(folder.path().join("x.log"), "one\ntwo\n").unwrap();
    let args = ["--no-follow", "--hostname=h", "--severity=warning", "--time=none", "x.log"];
    let screen = shown(Tool::new("heka-tail").dir(folder.path()).args(args), "two\n");
    assert_eq!(screen, "h x.log WARN  one\nh x.log WARN  two\n");
}

#[test]
fn listen_shows_short_lines_as_they_come() {
    let pty = Pty::open();
    let peer = Peer::with("heka-listen", ["127.0.0.1:0"], |tool| tool.stdout_file(pty.end()));
    let mut sender = TcpStream::connect(&peer.addr).unwrap();
    std::io::Write::write_all(&mut sender, &frames()).unwrap();
    assert_eq!(pty.wait_screen("both", |text| text.ends_with("late\n")), LINES);
}

#[test]
fn sandbox_shows_short_lines() {
    let folder = heka_tests::scratch();
    let plugin = "function process_message()
        inject_message({Timestamp = 1e9, Payload = 'hi', Severity = 5, Fields = {n = 1}})
        return 0
    end";
    std::fs::write(folder.path().join("plugin.lua"), plugin).unwrap();
    let args = ["plugin.lua", "--logger=l", "--hostname=h"];
    let screen = shown(Tool::new("heka-sandbox").dir(folder.path()).args(args), "hi");
    assert_eq!(screen, "00:00:01.000 h l NOTE  hi  n=1\n");
}

#[test]
fn what_send_copies_is_harmless() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap().to_string();
    let receiver = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        std::io::copy(&mut stream, &mut std::io::sink()).unwrap();
    });
    let tool = Tool::new("heka-send").args(["--tee", &address]).stdin(frames());
    assert_eq!(shown(tool, "late\n"), LINES);
    receiver.join().unwrap();
}

#[test]
fn colour_follows_the_conventions() {
    let colored = |tool: Tool| {
        let screen = shown(tool.stdin(frames()), "late");
        screen.contains('\x1b')
    };
    let decode = || Tool::new("heka-decode");
    assert!(colored(decode().env("TERM", "xterm")));
    assert!(!colored(decode().env("TERM", "dumb")));
    assert!(!colored(decode().env("TERM", "xterm").env("NO_COLOR", "1")));
    assert!(!colored(decode().env("TERM", "xterm").arg("--color=never")));
    assert!(colored(decode().env("NO_COLOR", "1").arg("--color=always")));
}

#[test]
fn a_line_is_as_wide_as_the_terminal() {
    let payload = format!("{}\n", "word ".repeat(40));
    let frames = Tool::new("heka-encode").args(["-H", "h", "-l", "l"]).stdin(payload).run();
    let screen = shown(Tool::new("heka-decode").stdin(frames.stdout.clone()), "word\n");
    assert!(screen.lines().count() > 3, "{screen}");
    assert!(screen.lines().skip(1).all(|line| line.starts_with("                       word")));
    assert!(screen.lines().all(|line| line.len() <= 80), "{screen}");
    let cut = Tool::new("heka-decode").arg("--no-wrap").stdin(frames.stdout);
    let screen = shown(cut, "…\n");
    assert_eq!(screen.trim_end().chars().count(), 80, "{screen}");
}

#[test]
fn control_characters_in_payloads_are_harmless() {
    let frames = Tool::new("heka-encode").stdin("a\x1b]0;owned\x07b\n").run();
    let pty = Pty::open();
    let decode = Tool::new("heka-decode").stdin(frames.stdout).stdout_file(pty.end()).run();
    decode.succeeds();
    let screen = pty.wait_screen("the line", |text| text.ends_with("b\n"));
    assert!(!screen.contains('\x1b') && !screen.contains('\x07'), "{screen:?}");
}

#[test]
fn a_line_typed_is_answered_at_once() {
    let pty = Pty::open();
    let decode_of_encode = "heka-encode | heka-decode";
    let mut running = heka_tests::sh(decode_of_encode).stdin_file(pty.end()).spawn();
    pty.type_in("typed\n");
    running.wait_stdout_is("typed\n");
    assert!(running.is_running());
    pty.type_in("\x04");
    running.finish().succeeds().stdout_is("typed\n");
}
