// SPDX-License-Identifier: MIT OR Apache-2.0
//! Servers that die, freeze or refuse; readers and writers that are killed.

use heka_tests::{
    Broker as _, Nats, Signal, Tool, each_once, ends_though_frozen, eventually, flows,
    is_not_its_own_broker, lines, outlives_its_helpers, scratch, sh, written_all_the_same,
};

const COUNT: u32 = 20_000;

#[test]
fn a_server_that_is_killed_loses_and_doubles_nothing() {
    let Some(mut nats) = Nats::start("") else { return };
    for (index, tool) in ["heka-nats", "heka-send"].into_iter().enumerate() {
        let stream = format!("S{index}");
        let url = nats.url(&format!("s{index}?create=R1&stream={stream}"));
        let writer = Tool::new(tool)
            .args(["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0", &url])
            .stdin_open()
            .spawn();
        let kill = |nats: &mut Nats| nats.signal(Signal::SIGKILL);
        let all = lines(COUNT);
        written_all_the_same(&mut nats, writer, (&all, 500), kill, "retrying in", Nats::restart);
        each_once(&nats.payloads(&stream), COUNT);
    }
}

#[test]
fn a_frozen_server_delays_and_loses_and_doubles_nothing() {
    let Some(mut nats) = Nats::start("") else { return };
    let retry = ["-v", "--retry-delay=50ms", "--retry-max-delay=200ms", "--retry-jitter=0"];
    let writer = Tool::new("heka-nats").args(retry).arg(nats.to_write()).stdin_open().spawn();
    let stop = |nats: &mut Nats| nats.signal(Signal::SIGSTOP);
    let go = |nats: &mut Nats| nats.signal(Signal::SIGCONT);
    // Requests have their time, and the connection is made anew.
    let told = "the broker does not acknowledge; retrying in";
    written_all_the_same(&mut nats, writer, (&lines(COUNT), 500), stop, told, go);
    each_once(&nats.stored(), COUNT);
}

#[test]
fn a_helper_that_is_killed_loses_and_doubles_nothing() {
    if let Some(nats) = Nats::start("") {
        each_once(&outlives_its_helpers(&nats, COUNT), COUNT);
    }
}

#[test]
fn heka_nats_is_not_its_own_server() {
    is_not_its_own_broker::<Nats>("nats://127.0.0.1:40001/s");
}

#[test]
fn a_frozen_server_keeps_nobody_from_ending() {
    if let Some(mut nats) = Nats::start("") {
        ends_though_frozen(&mut nats);
    }
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
    // The dead reader's messages arrive when their acknowledgement is overdue, which is not awaited
    // here: a consumer of another name begins again.
    let rest = nats.url("S?durable=e&from=begin");
    let read = sh(&format!(
        "heka-nats --read --no-follow '{rest}' >> all.heka; \
         heka-decode --dedup -o payload all.heka"
    ));
    each_once(&read.dir(folder.path()).run().succeeds().out(), COUNT);
}

#[test]
fn a_cluster_goes_on_without_one_of_its_servers() {
    let Some(mut servers) = Nats::cluster() else { return };
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
    each_once(&servers[2].payloads("S"), COUNT);
}
