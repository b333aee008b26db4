// SPDX-License-Identifier: MIT OR Apache-2.0
//! Brokers that die, freeze or start late; readers and writers that are killed.

use std::fs::File;
use std::io::Read as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use heka_tests::{
    Broker as _, Mock, Signal, Tansu, Tool, ceiling, ends_though_frozen, eventually,
    is_not_its_own_broker, lines, outlives_its_helpers, require_kafka, scratch, sh, sorted,
    written_all_the_same,
};

const COUNT: u32 = 20_000;

/// Returns the numbers without repetitions.
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
        let writer = Tool::new(tool).args(["-v", &mock.url(&topic)]).stdin_open().spawn();
        let both = |order: &'static str| {
            move |mock: &mut Mock| (1..3).for_each(|number| mock.tell(&format!("{order} {number}")))
        };
        let all = lines(COUNT);
        written_all_the_same(
            &mut mock,
            writer,
            (&all, 100),
            both("down"),
            "waiting for it",
            both("up"),
        );
        // The mock does not recognise repetitions.
        assert_eq!(once(&mock.payloads(&topic)), lines(COUNT));
    }
}

#[test]
fn a_frozen_broker_delays_and_doubles_nothing() {
    let Some(mut tansu) = Tansu::start() else { return };
    let url = tansu.url("t?partition=0&socket.timeout.ms=4000");
    let writer = Tool::new("heka-kafka").args(["-v", &url]).stdin_open().spawn();
    let all = lines(COUNT);
    let stop = |tansu: &mut Tansu| tansu.signal(Signal::SIGSTOP);
    let go = |tansu: &mut Tansu| tansu.signal(Signal::SIGCONT);
    // Requests time out, and the connection is made anew.
    written_all_the_same(&mut tansu, writer, (&all, 100), stop, "waiting for it", go);
    assert_eq!(tansu.payloads("t"), all);
}

#[test]
fn a_helper_that_is_killed_loses_nothing() {
    if let Some(tansu) = Tansu::start() {
        // The broker does not recognise what another producer sends again.
        assert_eq!(once(&outlives_its_helpers(&tansu, COUNT)), lines(COUNT));
    }
}

#[test]
fn heka_kafka_is_not_its_own_broker() {
    if require_kafka() {
        is_not_its_own_broker::<Mock>("kafka://127.0.0.1:40001/t");
    }
}

#[test]
fn a_frozen_broker_keeps_nobody_from_ending() {
    if let Some(mut tansu) = Tansu::start() {
        ends_though_frozen(&mut tansu);
    }
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
    // The last one may have left half a message.
    let read = sh(&format!(
        "heka-kafka --read --no-follow '{url}' | heka-decode -o heka --write all.heka && \
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

#[test]
fn a_reader_that_nobody_reads_stays_in_its_group() {
    const COUNT: usize = 3000;
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    let long: String = (1..=COUNT).map(|number| format!("{number:0300}\n")).collect();
    Tool::new("heka-kafka").arg(mock.to_write()).stdin(long.clone()).run().succeeds();
    let folder = scratch();
    let (mut near, far) = UnixStream::pair().unwrap();
    let url = mock.to_read("g");
    let reader = Tool::new("heka-kafka")
        .args(["-r", "-v", "--in-flight=64K", "--metrics=metrics,100ms"])
        .arg(format!("{url}&max.poll.interval.ms=6000"))
        .dir(folder.path())
        .stdout_file(File::from(OwnedFd::from(far)))
        .spawn();
    eventually("it is stuck for longer than a reader may be silent", || {
        let text = std::fs::read_to_string(folder.path().join("metrics")).unwrap_or_default();
        let line = text.lines().find(|line| line.starts_with("heka_blocked_seconds{"))?;
        let seconds: f64 = line.rsplit_once(' ')?.1.parse().ok()?;
        (seconds > 8.0).then_some(())
    });
    let last = format!("{COUNT:0300}");
    let (mut all, mut block) = (Vec::new(), [0; 65536]);
    near.set_read_timeout(Some(ceiling())).unwrap();
    while !all.windows(last.len()).any(|at| at == last.as_bytes()) {
        let len = near.read(&mut block).unwrap();
        all.extend_from_slice(&block[..len]);
    }
    let ended = reader.end_by(Signal::SIGTERM);
    assert!(!ended.err().contains("given back"), "{}", ended.err());
    near.read_to_end(&mut all).unwrap();
    let decode = Tool::new("heka-decode").args(["-o", "payload"]).stdin(all).run();
    decode.succeeds().stdout_is(long);
    let rest = Tool::new("heka-kafka").args(["-r", "--no-follow", &url]).run();
    rest.succeeds().stdout_is("");
}
