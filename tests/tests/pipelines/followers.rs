// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools that never end by themselves end in order on request.

use std::fs;

use heka_tests::{Peer, Signal, Tool, free_port, scratch, sh};

#[test]
fn heka_tail_ends_at_once_when_its_reader_does() {
    // No further line arrives: the tool must notice by itself that head has exited.
    let line = "printf 'one\\ntwo\\n' >log; (heka-tail -o payload log; echo $? >status) | head -n 1; cat status";
    sh(line).run().succeeds().stdout_is("one\n141\n").stderr_is("");
}

#[test]
fn heka_listen_ends_at_once_when_its_reader_does() {
    let line =
        "(heka-listen -o payload 127.0.0.1:0 --ready-fd 3 3>ready; echo $? >status) | head -n 1 &
        until [ -s ready ]; do :; done
        printf 'one\\n' | heka-send -q \"$(cat ready)\"
        wait; cat status";
    sh(line).run().succeeds().stdout_is("one\n141\n");
}

#[test]
fn heka_tail_dies_of_the_signal_with_everything_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let folder = scratch();
        fs::write(folder.path().join("log"), "one\ntwo\nincomplete").expect("log");
        let tail = Tool::new("heka-tail").args(["-o", "payload", "log"]).dir(folder.path()).spawn();
        tail.wait_stdout_is("one\ntwo\n");
        tail.end_by(signal).killed_by(signal).stderr_is("");
    }
}

#[test]
fn heka_listen_dies_of_the_signal_with_everything_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let listener = Peer::new("heka-listen", ["-o", "payload", "127.0.0.1:0"]);
        Tool::new("heka-send").arg(&listener.addr).stdin("one\ntwo\n").run().succeeds();
        listener.wait_stdout_is("one\ntwo\n");
        listener.into_running().end_by(signal).killed_by(signal).stdout_is("one\ntwo\n");
    }
}

#[test]
fn heka_listen_removes_its_socket() {
    let folder = scratch();
    let path = folder.path().join("log.sock");
    let addr = format!("unix:{}", path.display());
    let listener = Peer::new("heka-listen", [&addr]);
    assert!(path.exists());
    listener.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert!(!path.exists());
}

#[test]
fn heka_send_gives_up_as_often_as_it_was_told() {
    let port = free_port();
    let addr = format!("127.0.0.1:{port}");
    let args = ["--retry=2", "--retry-delay=10ms", &addr];
    let outcome = Tool::new("heka-send").args(args).stdin("lost\n").run();
    outcome.exits(3).stderr_has(&format!("heka-send: {addr}: Connection refused"));
}
