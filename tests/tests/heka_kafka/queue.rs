// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of heka-send before a broker, and a broker among several addresses.

use heka_tests::{
    Mock, Peer, Tansu, Tool, each_once, eventually, flows, free_port, lines, payloads,
    queue_before, require, require_kafka, scratch,
};

const COUNT: u32 = 4000;

#[test]
fn a_queue_before_a_broker_that_is_not_there_keeps_everything_once() {
    if !require_kafka() || !require("tansu") {
        return;
    }
    let port = free_port();
    let url = format!("kafka://127.0.0.1:{port}/t?key=Payload");
    let tansu = queue_before(&url, COUNT, || Tansu::behind(port, port, &[]).expect("a broker"));
    each_once(&tansu.payloads("t"), COUNT);
}

#[test]
fn another_address_takes_over_when_the_brokers_die_and_the_queue_waits_for_each() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    // A request has half a second, and the brokers three times that to come back.
    let url = mock.url("t?socket.timeout.ms=500");
    let standby = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let retry = ["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0"];
    let send =
        |flags: &[&str]| Tool::new("heka-send").args(retry).args(flags).args([&url, &standby.addr]);
    // The first that answers.
    let mut sender = send(&[]).stdin_open().spawn();
    sender.write(lines(COUNT / 2));
    flows(&sender, u64::from(COUNT / 2));
    mock.tell("down 1");
    let all = lines(COUNT);
    sender.write(&all[lines(COUNT / 2).len()..]);
    let came = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let rest = usize::try_from(COUNT - COUNT / 2).expect("a number");
    standby.wait_stdout("the rest", |bytes| came(bytes) >= rest);
    sender.finish().succeeds();
    mock.tell("up 1");
    let stored = || payloads(&mock.url("t?from=begin"));
    each_once(&(stored() + &String::from_utf8(standby.stdout()).unwrap()), COUNT);
    // To all: one that is away holds up nobody, and gets its own later.
    mock.tell("down 1");
    let folder = scratch();
    let sender = send(&["--to=all", "--queue=spool"]).dir(folder.path()).stdin_open();
    let mut sender = sender.spawn();
    sender.write("new\n");
    standby.wait_stdout("the new one", |bytes| bytes.ends_with(b"new\n"));
    mock.tell("up 1");
    sender.finish().succeeds();
    let stored = || payloads(&mock.url("t?from=begin"));
    eventually("the broker has it", || stored().ends_with("new\n").then_some(()));
}
