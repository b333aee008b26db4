// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to topics and from them.

use heka_tests::{
    Broker as _, Mock, Signal, Tansu, Tool, eventually, free_port, goes_elsewhere, goes_through,
    lines, sorted,
};

/// Frees a dead reader's partitions sooner.
const SESSION: &str = "session.timeout.ms=6000";

fn write(url: &str, input: impl Into<Vec<u8>>) -> heka_tests::Outcome {
    Tool::new("heka-kafka").args(["--retry", "0", url]).stdin(input).run()
}

fn read(url: &str) -> heka_tests::Outcome {
    Tool::new("heka-kafka").args(["--read", "--no-follow", "-X", SESSION, url]).run()
}

fn decoded(frames: Vec<u8>, template: &str) -> String {
    Tool::new("heka-decode").args(["--template", template]).stdin(frames).run().succeeds().out()
}

#[test]
fn every_form_comes_back_compressed_or_not() {
    let Some(tansu) = Tansu::start() else { return };
    let frames = Tool::new("heka-encode").args(["-t", "TEST"]).stdin(lines(1000)).run().stdout;
    for (form, compression) in [
        ("protobuf", "none"),
        ("framed", "lz4"),
        ("payload", "zstd"),
        ("protobuf", "gzip"),
        ("framed", "snappy"),
    ] {
        let topic = format!("{form}-{compression}");
        let options = format!("{topic}?form={form}&compression={compression}&partition=0");
        write(&tansu.url(&options), frames.clone()).succeeds().stderr_is("");
        let back = read(&tansu.url(&format!("{topic}?from=begin")));
        back.succeeds();
        if form == "payload" {
            assert_eq!(tansu.payloads(&topic), lines(1000));
            let json = Tool::new("heka-decode").args(["-j", "-n1"]).stdin(back.stdout).run();
            json.succeeds().stdout_has(r#""Type":"heka.kafka""#);
            json.stdout_has(r#""Topic":"payload-zstd","Partition":0,"Offset":0"#);
        } else {
            assert_eq!(back.stdout, frames, "{topic}");
        }
    }
}

#[test]
fn topics_and_keys_come_from_messages() {
    let Some(tansu) = Tansu::start() else { return };
    let url = tansu.url("logs.{Logger}?key=Fields[a]&timestamp=message");
    let frames = Tool::new("heka-encode").args(["-l", "a b/c", "-F", "a=x"]).stdin(lines(50)).run();
    write(&url, frames.stdout).succeeds();
    write(&url, "by hand\n").succeeds();
    let back = read(&tansu.url("logs.a_b_c?from=begin&origin")).succeeds().stdout.clone();
    let all = decoded(back, "{Fields[Key]} {Fields[Topic]} {Fields[Partition]} {Payload}");
    let first = all.lines().next().unwrap().rsplit_once(' ').unwrap().0.to_owned();
    let expected: String = lines(50).lines().map(|line| format!("{first} {line}\n")).collect();
    assert_eq!(all, expected, "one key, one partition, in order");
    assert!(first.starts_with("x logs.a_b_c "), "{first}");
    assert_eq!(tansu.payloads("logs.heka-kafka"), "by hand\n");
    // Several topics, and all that match.
    let both = read(&tansu.url("logs.heka-kafka,logs.a_b_c?from=begin")).succeeds().stdout.clone();
    assert_eq!(decoded(both, "{Payload}").lines().count(), 51);
    let both = read(&tansu.url("~^logs?group=g")).succeeds().stdout.clone();
    assert_eq!(decoded(both, "{Payload}").lines().count(), 51);
}

#[test]
fn reading_begins_where_it_is_told_to_and_a_group_remembers() {
    let Some(tansu) = Tansu::start() else { return };
    write(&tansu.url("t?partition=0"), lines(9)).succeeds();
    let from = |options: &str| {
        let frames = read(&tansu.url(&format!("t?{options}"))).succeeds().stdout.clone();
        decoded(frames, "{Payload}").replace('\n', "")
    };
    assert_eq!(from("from=begin"), "123456789");
    assert_eq!(from("from=7&partition=0"), "89");
    // This broker reports where the last batch begins, not where a partition ends.
    if let Some(mut mock) = Mock::start(1) {
        mock.tell("topic t 1");
        write(&mock.url("t"), lines(9)).succeeds();
        let last = read(&mock.url("t?from=-3")).succeeds().stdout.clone();
        assert_eq!(decoded(last, "{Payload}"), "7\n8\n9\n");
        read(&mock.url("t?from=end")).succeeds().stdout_is("");
    }
    assert_eq!(from("from=@2000-01-01T00:00:00Z&partition=0"), "123456789");
    assert_eq!(from("group=g"), "123456789");
    assert_eq!(from("group=g"), "");
    write(&tansu.url("t?partition=0"), "x\n").succeeds();
    assert_eq!(from("group=g"), "x");
    let again = read(&tansu.url("t?group=g&from=begin"));
    again.succeeds().stderr_has("t 0: position reset by from=");
    assert_eq!(decoded(again.stdout, "{Payload}").lines().count(), 10);
}

#[test]
fn heka_send_and_heka_listen_go_through_the_broker() {
    if let Some(tansu) = Tansu::start() {
        goes_through(&tansu, "");
    }
}

#[test]
fn two_readers_share_the_partitions() {
    let Some(tansu) = Tansu::start() else { return };
    let writes = |from: u32| {
        let text: String = (from..from + 1000).map(|number| format!("{number}\n")).collect();
        write(&tansu.url("t?key=Payload"), text).succeeds();
    };
    writes(1);
    let reader = || {
        Tool::new("heka-listen")
            .args(["-v", "-o", "payload", &tansu.url(&format!("t?group=g&{SESSION}"))])
            .spawn()
    };
    let count = |reader: &heka_tests::Running| {
        reader.stdout().iter().filter(|byte| **byte == b'\n').count()
    };
    let first = reader();
    eventually("the first reads", || (count(&first) == 1000).then_some(()));
    let second = reader();
    second.wait_stderr("partitions assigned");
    first.wait_stderr("partitions given back");
    eventually("both read", || {
        writes(1001);
        (count(&second) > 0 && count(&first) > 1000).then_some(())
    });
    let ends = [first, second].map(|reader| reader.end_by(Signal::SIGTERM).out());
    let mut rest = read(&tansu.url("t?group=g")).succeeds().stdout.clone();
    rest = Tool::new("heka-decode").args(["-o", "payload"]).stdin(rest).run().stdout;
    let all = ends.concat() + &String::from_utf8(rest).unwrap();
    let first: String = sorted(&all).lines().take(1000).map(|line| format!("{line}\n")).collect();
    assert_eq!(first, lines(1000), "read once");
    let all = sorted(&all);
    let mut all: Vec<_> = all.lines().collect();
    all.dedup();
    assert_eq!(all.len(), 2000, "nothing is lost");
}

#[test]
fn another_address_gets_the_messages_if_the_broker_is_not_there() {
    let Some(tansu) = Tansu::start() else { return };
    let nobody = format!("kafka://127.0.0.1:{}/t", free_port());
    goes_elsewhere(&tansu, &nobody, "Connection refused");
}
