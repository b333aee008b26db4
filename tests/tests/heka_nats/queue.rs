// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of heka-send before a broker, and a broker among several addresses.

use heka_tests::{
    Nats, Peer, Signal, Tool, each_once, eventually, flows, free_port, lines, queue_before,
    require, scratch,
};

const COUNT: u32 = 4000;

#[test]
fn a_queue_before_a_server_that_is_not_there_keeps_everything_once() {
    if !require("nats-server") {
        return;
    }
    let port = free_port();
    let url = format!("nats://127.0.0.1:{port}/s?create=R1&stream=S&form=framed&batch=2K");
    let nats = queue_before(&url, COUNT, || Nats::on_port(port, ""));
    each_once(&nats.payloads("S"), COUNT);
}

#[test]
fn another_address_takes_over_when_the_server_dies_and_the_queue_waits_for_each() {
    let Some(mut nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let standby = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let retry = ["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0"];
    let send =
        |flags: &[&str]| Tool::new("heka-send").args(retry).args(flags).args([&url, &standby.addr]);
    // The first that answers.
    let mut sender = send(&[]).stdin_open().spawn();
    sender.write(lines(COUNT / 2));
    flows(&sender, u64::from(COUNT / 2));
    nats.signal(Signal::SIGKILL);
    let all = lines(COUNT);
    sender.write(&all[lines(COUNT / 2).len()..]);
    let rest = COUNT - COUNT / 2;
    let came = |bytes: &[u8]| bytes.iter().filter(|byte| **byte == b'\n').count();
    let rest = usize::try_from(rest).expect("a number");
    standby.wait_stdout("the rest", |bytes| came(bytes) >= rest);
    sender.finish().succeeds();
    nats.restart();
    let both = nats.payloads("S") + &String::from_utf8(standby.stdout()).unwrap();
    each_once(&both, COUNT);
    // To all: one that is away holds up nobody, and gets its own later.
    nats.signal(Signal::SIGKILL);
    let folder = scratch();
    let sender = send(&["--to=all", "--queue=spool"]).dir(folder.path()).stdin_open();
    let mut sender = sender.spawn();
    sender.write("new\n");
    standby.wait_stdout("the new one", |bytes| bytes.ends_with(b"new\n"));
    nats.restart();
    sender.finish().succeeds();
    eventually("the server has it", || nats.payloads("S").ends_with("new\n").then_some(()));
}
