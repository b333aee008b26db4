// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of heka-sandbox(1), run as written except for the address.

use std::fs;
use std::path::Path;

use heka_tests::page::{example, examples};
use heka_tests::{Peer, TempDir, Tool, scratch, sh};

/// Creates a folder with the plugins of `examples` and the files that the page names.
fn folder() -> TempDir {
    let folder = scratch();
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for entry in fs::read_dir(plugins).unwrap() {
        let path = entry.unwrap().path();
        fs::copy(&path, folder.path().join(path.file_name().unwrap())).unwrap();
    }
    let decoder = "local inject_message = inject_message local M = {} setfenv(1, M)
        function decode(data) inject_message({Payload = data .. ' decoded'}) end
        return M";
    fs::create_dir(folder.path().join("decoders")).unwrap();
    fs::write(folder.path().join("decoders/syslog.lua"), decoder).unwrap();
    let plugin = "function process_message() inject_message({Payload = 'parsed'}) return 0 end";
    fs::write(folder.path().join("parse.lua"), plugin).unwrap();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").unwrap();
    folder
}

/// Returns a listener, and the example that contains `part`, with the listener's address.
fn to_listener(part: &str, folder: &TempDir) -> (Peer, Tool) {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let line = example("heka-sandbox.1", part);
    assert!(line.contains("aggregator:5565"), "{line}");
    let tool = sh(&line.replace("aggregator:5565", &listener.addr)).dir(folder.path());
    (listener, tool)
}

#[test]
fn the_page_has_no_other_examples() {
    assert_eq!(examples("heka-sandbox.1").len(), 7);
}

#[test]
fn plugins_are_shown_and_checked() {
    let folder = folder();
    let run = |part: &str| sh(&example("heka-sandbox.1", part)).dir(folder.path()).run();
    run("hello.lua -o text").succeeds().stderr_is("").stdout_has("Type: hello\n");
    run("hello.cfg --check").succeeds().stdout_has("called once");
    let outcome = run("parse.lua --path");
    let decode = Tool::new("heka-decode").stdin(outcome.succeeds().stdout.clone()).run();
    decode.succeeds().stdout_is("parsed\n");
    let plugin = example("heka-sandbox.1", "answer = 42");
    fs::write(folder.path().join("answer.lua"), plugin).unwrap();
    let answer = sh("heka-sandbox answer.lua -o logfmt").dir(folder.path()).run();
    answer.succeeds().stdout_has("answer=42");
}

#[test]
fn messages_are_sent_as_they_are_injected() {
    if !heka_tests::require("uptime") {
        return;
    }
    let folder = folder();
    let (listener, tool) = to_listener("heartbeat.cfg", &folder);
    let _running = tool.spawn();
    listener.wait_stdout("uptime's output", |bytes| bytes.windows(4).any(|text| text == b"load"));
}

#[test]
fn a_file_is_read_from_where_delivery_ended() {
    let folder = folder();
    for (text, whole) in [("one\ntwo\n", "one\ntwo\n"), ("one\ntwo\nthree\n", "three\n")] {
        fs::write(folder.path().join("app.log"), text).unwrap();
        let (listener, tool) = to_listener("lines.cfg", &folder);
        tool.run().succeeds();
        listener.wait_stdout_is(whole);
    }
}

#[test]
fn a_decoder_keeps_the_position() {
    let folder = folder();
    let (listener, tool) = to_listener("--decoder", &folder);
    let _running = tool.spawn();
    listener.wait_stdout_is("one decoded\ntwo decoded\n");
    heka_tests::eventually("the position is stored", || {
        fs::read(folder.path().join("app.pos")).ok().filter(|text| !text.is_empty())
    });
}
