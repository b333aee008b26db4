// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers that die, freeze or come late; readers and writers that are killed.

use heka_tests::{
    Mock, Signal, Tansu, Tool, end_soon, eventually, flows, lines, payloads, scratch, sh, sorted,
};

const COUNT: u32 = 20_000;

/// Numbers, without repetitions.
fn once(text: &str) -> String {
    let sorted = sorted(text);
    let mut numbers: Vec<_> = sorted.lines().collect();
    numbers.dedup();
    numbers.iter().map(|number| format!("{number}\n")).collect()
}

#[test]
fn a_cluster_without_brokers_is_waited_for_and_loses_nothing() {
    let Some(mut mock) = Mock::start(2) else { return };
    mock.tell("topic t 2");
    for tool in ["heka-kafka", "heka-send"] {
        let topic = format!("t{tool}");
        mock.tell(&format!("topic {topic} 2"));
        let mut writer = Tool::new(tool).args(["-v", &mock.url(&topic)]).stdin_open().spawn();
        let all = lines(COUNT);
        let (first, second) = all.split_at(all.len() / 2);
        writer.write(first);
        flows(&writer, 100);
        mock.tell("down 1");
        mock.tell("down 2");
        writer.write(second);
        writer.wait_stderr("waiting for it");
        mock.tell("up 1");
        mock.tell("up 2");
        writer.finish().succeeds();
        // The mock does not recognise what is sent again.
        assert_eq!(once(&payloads(&mock.url(&format!("{topic}?from=begin")))), lines(COUNT));
    }
}

#[test]
fn a_frozen_broker_delays_and_doubles_nothing() {
    let Some(tansu) = Tansu::start() else { return };
    let url = tansu.url("t?partition=0&socket.timeout.ms=4000");
    let mut writer = Tool::new("heka-kafka").args(["-v", &url]).stdin_open().spawn();
    let all = lines(COUNT);
    let (first, second) = all.split_at(all.len() / 2);
    writer.write(first);
    flows(&writer, 100);
    tansu.signal(Signal::SIGSTOP);
    writer.write(second);
    // Requests have their time, and the connection is made anew.
    writer.wait_stderr("waiting for it");
    tansu.signal(Signal::SIGCONT);
    writer.finish().succeeds();
    assert_eq!(tansu.payloads("t"), all);
}

#[test]
fn a_frozen_broker_keeps_nobody_from_ending() {
    let Some(mut tansu) = Tansu::start() else { return };
    let attempt = |tansu: &mut Tansu, number: usize| {
        let start = |tool: &str, args: &[&str], url: &str| {
            Tool::new(tool).args(args).arg(url).stdin_open().spawn()
        };
        let url = tansu.url("t");
        let mut writers = ["heka-kafka", "heka-send"].map(|tool| start(tool, &["-v"], &url));
        for writer in &mut writers {
            writer.write(lines(100));
            flows(writer, 100);
        }
        let of =
            |group: &str| tansu.url(&format!("t?group={group}{number}&session.timeout.ms=6000"));
        let listener = start("heka-listen", &["-o", "payload"], &of("listen"));
        let reader = start("heka-kafka", &["-r"], &of("read"));
        for reader in [&listener, &reader] {
            reader.wait_stdout("messages", |bytes| bytes.len() > 300);
        }
        tansu.signal(Signal::SIGSTOP);
        for writer in &mut writers {
            writer.write(lines(100));
        }
        // Nobody waits for the library, nor for the broker.
        writers.into_iter().chain([listener, reader]).collect()
    };
    end_soon(&mut tansu, attempt, |tansu| tansu.signal(Signal::SIGCONT));
}

#[test]
fn readers_that_are_killed_lose_nothing() {
    let Some(tansu) = Tansu::start() else { return };
    let folder = scratch();
    Tool::new("heka-kafka").arg(tansu.url("t?partition=0")).stdin(lines(COUNT)).run().succeeds();
    let url = tansu.url("t?partition=0&group=g");
    let size = || std::fs::metadata(folder.path().join("all.heka")).map_or(0, |file| file.len());
    for _ in 0..3 {
        let before = size();
        let listen = Tool::new("heka-listen").args(["--write", "all.heka", "--fsync", &url]);
        let reader = listen.dir(folder.path()).spawn();
        eventually("it writes", || (size() > before).then_some(()));
        reader.signal(Signal::SIGKILL);
        let _killed = reader.finish();
    }
    let read = sh(&format!(
        "heka-kafka --read --no-follow '{url}' >> all.heka; \
         heka-decode --dedup -o payload all.heka"
    ));
    assert_eq!(read.dir(folder.path()).run().succeeds().out(), lines(COUNT));
}

#[test]
fn a_sender_that_is_killed_loses_nothing_and_doubles_nothing_with_dedup() {
    let Some(tansu) = Tansu::start() else { return };
    let folder = scratch();
    std::fs::write(folder.path().join("app.log"), lines(COUNT)).unwrap();
    let line = format!(
        "heka-tail --no-follow --uuid=position --resume app.pos app.log | \
         heka-send -v --commit app.pos '{}'",
        tansu.url("t?partition=0")
    );
    for _ in 0..2 {
        let sender = sh(&line).dir(folder.path()).spawn();
        sender.wait_stderr("connected");
        sender.signal(Signal::SIGKILL);
        let _killed = sender.finish();
    }
    sh(&line).dir(folder.path()).run().succeeds();
    let all = tansu.url("t?from=begin");
    let read = sh(&format!("heka-kafka -r --no-follow '{all}' | heka-decode --dedup -o payload"));
    assert_eq!(read.run().succeeds().out(), lines(COUNT));
}
