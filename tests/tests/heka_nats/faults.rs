// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers that die, freeze or refuse; readers and writers that are killed.

use std::time::Instant;

use heka_tests::{Nats, Running, Signal, Tool, eventually, free_port, require, scratch, sh};

use crate::lines;

const COUNT: u32 = 20_000;

/// All numbers once, in any order.
#[track_caller]
fn each_once(text: &str) {
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    let lost = (1..=COUNT).filter(|number| numbers.binary_search(number).is_err()).count();
    assert_eq!((lost, numbers.len()), (0, COUNT as usize));
}

/// Waits until at least that many messages are acknowledged.
fn flows(writer: &Running, least: u64) {
    writer.wait_stderr("connected");
    eventually("messages are stored", || {
        let line = writer.statistics();
        let words: Vec<_> = line.split([' ', ',']).filter(|word| !word.is_empty()).collect();
        let at = words.iter().position(|word| *word == "acknowledged")?;
        (words[at - 1].parse::<u64>().ok()? >= least).then_some(())
    });
}

#[test]
fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let Some(mut nats) = Nats::start("") else { return };
    for (index, tool) in ["heka-nats", "heka-send"].into_iter().enumerate() {
        let stream = format!("S{index}");
        let url = nats.url(&format!("s{index}?create=R1&stream={stream}"));
        let mut writer = Tool::new(tool)
            .args(["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0", &url])
            .stdin_open()
            .spawn();
        let all = lines(COUNT);
        let (first, second) = all.split_at(all.len() / 2);
        writer.write(first);
        flows(&writer, 500);
        nats.signal(Signal::SIGKILL);
        writer.write(second);
        writer.wait_stderr("retrying in");
        nats.restart();
        writer.finish().succeeds();
        each_once(&nats.payloads(&stream));
    }
}

#[test]
fn a_frozen_server_delays_and_a_signal_ends_all_the_same() {
    let Some(mut nats) = Nats::start("") else { return };
    let url = nats.url("s?create=R1&stream=S");
    let mut writer = Tool::new("heka-nats").args(["-v", &url]).stdin_open().spawn();
    writer.write(lines(100));
    flows(&writer, 100);
    let mut sender = Tool::new("heka-send").args(["-v", &url]).stdin_open().spawn();
    sender.write(lines(100));
    flows(&sender, 100);
    let reader = Tool::new("heka-listen").args(["-o", "payload", &nats.url("S?durable=d")]).spawn();
    reader.wait_stdout("messages", |bytes| bytes.len() > 300);
    nats.signal(Signal::SIGSTOP);
    for running in [&mut writer, &mut sender] {
        running.write(lines(100));
    }
    for running in [writer, sender, reader] {
        let since = Instant::now();
        running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
        let took = since.elapsed();
        // Nobody waits for the library, nor for the server; a loaded machine may take its time.
        assert!(took.as_secs() < 8, "{took:?}");
    }
    nats.signal(Signal::SIGCONT);
}

#[test]
fn what_is_too_long_is_refused_and_its_neighbours_are_stored() {
    let Some(nats) = Nats::start("max_payload: 4096") else { return };
    let input = format!("one\n{}\ntwo\n", "x".repeat(5000));
    for (index, form) in ["protobuf", "framed"].into_iter().enumerate() {
        let url = nats.url(&format!("s{index}?create=R1&stream=S{index}&form={form}"));
        let written = Tool::new("heka-nats").arg(&url).stdin(input.clone()).run();
        written.exits(1).stderr_has("message 2 dropped: longer than the server's limit");
        assert_eq!(nats.payloads(&format!("S{index}")), "one\ntwo\n");
        let sent = Tool::new("heka-send").arg(&url).stdin(input.clone()).run();
        sent.exits(1).stderr_has("longer than the receiver's limit");
        assert_eq!(nats.payloads(&format!("S{index}")), "one\ntwo\none\ntwo\n");
    }
}

#[test]
fn what_a_killed_reader_had_not_written_comes_again() {
    let Some(nats) = Nats::start("") else { return };
    let folder = scratch();
    let url = nats.url("s?create=R1&stream=S");
    Tool::new("heka-nats").arg(&url).stdin(lines(COUNT)).run().succeeds();
    let listen = || {
        let listen = Tool::new("heka-listen").args(["--write", "all.heka", "--fsync"]);
        listen.arg(nats.url("S?durable=d")).dir(folder.path()).spawn()
    };
    let size = || std::fs::metadata(folder.path().join("all.heka")).map_or(0, |file| file.len());
    for _ in 0..3 {
        let before = size();
        let reader = listen();
        eventually("it writes", || (size() > before).then_some(()));
        reader.signal(Signal::SIGKILL);
        let _killed = reader.finish();
    }
    // What the dead had in hand comes when the time for its acknowledgement is up, which nobody
    // waits for here: a consumer of another name begins anew.
    let rest = nats.url("S?durable=e&from=begin");
    let read = sh(&format!(
        "heka-nats --read --no-follow '{rest}' >> all.heka; \
         heka-decode --dedup -o payload all.heka"
    ));
    each_once(&read.dir(folder.path()).run().succeeds().out());
}

/// Three servers, each knowing the others.
pub(crate) fn cluster() -> Vec<Nats> {
    let ports: Vec<_> = (0..3).map(|_| (free_port(), free_port())).collect();
    let routes: Vec<_> = ports.iter().map(|(_, port)| format!("nats://127.0.0.1:{port}")).collect();
    let servers = ports.iter().enumerate().map(|(index, (port, route))| {
        let config = format!(
            "server_name: n{index}\ncluster {{ name: c, listen: 127.0.0.1:{route}, routes: {routes:?} }}"
        );
        Nats::on_port(*port, &config)
    });
    servers.collect()
}

#[test]
fn a_cluster_goes_on_without_one_of_its_servers() {
    if !require("nats-server") {
        return;
    }
    let mut servers = cluster();
    let hosts: Vec<_> = servers.iter().map(|nats| format!("127.0.0.1:{}", nats.port())).collect();
    let url = format!("nats://{}/s?create=R3&stream=S&form=framed&batch=2K", hosts.join(","));
    let mut writer = Tool::new("heka-nats")
        .args(["-v", "--retry-delay=50ms", "--retry-max-delay=500ms", "--retry-jitter=0", &url])
        .stdin_open()
        .spawn();
    let all = lines(COUNT);
    let cut = all.len() / 3;
    writer.write(&all[..cut]);
    flows(&writer, 100);
    servers[0].signal(Signal::SIGKILL);
    writer.write(&all[cut..2 * cut]);
    flows(&writer, u64::from(COUNT / 3));
    servers[0].restart();
    servers[1].signal(Signal::SIGKILL);
    writer.write(&all[2 * cut..]);
    writer.finish().succeeds();
    servers[1].restart();
    eventually("the cluster answers", || {
        let read = Tool::new("heka-nats").args(["--read", "--no-follow", "--retry=0"]);
        let read = read.arg(servers[2].url("S?from=begin")).run();
        let decode = Tool::new("heka-decode").args(["-o", "payload"]).stdin(read.stdout.clone());
        let text = decode.run().out();
        (read.status.success() && text.lines().count() >= COUNT as usize).then_some(text)
    });
    each_once(&servers[2].payloads("S"));
}
