// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to a stream and from it.

use heka_tests::{
    Broker as _, Nats, Signal, Tool, each_once, eventually, goes_elsewhere, goes_through, lines,
};

fn write(url: &str, input: impl Into<Vec<u8>>) -> heka_tests::Outcome {
    Tool::new("heka-nats").args(["--retry", "0", url]).stdin(input).run()
}

#[test]
fn every_form_comes_back() {
    for nats in Nats::each() {
        each_form_comes_back(&nats);
    }
}

fn each_form_comes_back(nats: &Nats) {
    let frames = Tool::new("heka-encode").args(["-t", "TEST"]).stdin(lines(1000)).run().stdout;
    for form in ["protobuf", "framed", "framed&batch=0", "payload"] {
        let stream = form.replace(['&', '='], "");
        let url = nats.url(&format!("x.{stream}?create=R1&stream={stream}&form={form}"));
        write(&url, frames.clone()).succeeds().stderr_is("");
        let read = Tool::new("heka-nats")
            .args(["--read", "--no-follow", &nats.url(&format!("{stream}?from=begin"))])
            .run();
        if form == "payload" {
            assert_eq!(nats.payloads(&stream), lines(1000));
            let json = Tool::new("heka-decode").args(["-j", "-n1"]).stdin(read.stdout).run();
            json.succeeds().stdout_has(r#""Type":"heka.nats""#);
            json.stdout_has(r#""Subject":"x.payload","Sequence":1"#);
        } else {
            assert_eq!(read.succeeds().stdout, frames, "{form}");
        }
    }
}

#[test]
fn a_batch_is_recognised_by_all_of_its_messages() {
    for nats in Nats::each() {
        let frame = |text: &str| Tool::new("heka-encode").stdin(text).run().stdout;
        let [first, second, next] = ["first\n", "second\n", "next\n"].map(frame);
        let url = nats.url("s?create=R1&stream=S&form=framed");
        let others = [first.clone(), next].concat();
        for batch in [[first, second].concat(), others.clone(), others] {
            write(&url, batch).succeeds();
        }
        // The same batch is not stored again.
        assert_eq!(nats.payloads("S"), "first\nsecond\nfirst\nnext\n");
    }
}

#[test]
fn more_than_one_request_asks_for_is_read() {
    for nats in Nats::each() {
        let long: String = (1..=300).map(|number| format!("{number:50000}\n")).collect();
        Tool::new("heka-nats").arg(nats.url("s?create=R1&stream=S")).stdin(long).run().succeeds();
        let read = Tool::new("heka-nats")
            .args(["--read", "-v", "--in-flight=1M"])
            .arg(nats.url("S?durable=d"))
            .spawn();
        read.wait_stdout("all", |bytes| bytes.len() > 300 * 50_000);
        let outcome = read.end_by(Signal::SIGTERM);
        assert!(!outcome.err().contains("retrying"), "{}", outcome.err());
        let decode = Tool::new("heka-decode").args(["-o", "payload"]).stdin(outcome.stdout).run();
        let numbers: String =
            decode.out().lines().map(|line| format!("{}\n", line.trim_start())).collect();
        each_once(&numbers, 300);
    }
}

#[test]
fn subjects_come_from_messages_and_lines_become_messages() {
    let Some(nats) = Nats::start("") else { return };
    let url = nats.url("logs.{Logger}.{Fields[a]}?create=R1&stream=LOGS");
    write(&url, "by hand\n").succeeds();
    let frames = Tool::new("heka-encode").args(["-l", "a b.c", "-F", "a=x"]).stdin("one\n").run();
    write(&url, frames.stdout).succeeds();
    let read = |args: &[&str]| {
        let read = Tool::new("heka-nats").args(["--read", "--no-follow"]).args(args).run();
        let frames = read.succeeds().stdout.clone();
        let decode = Tool::new("heka-decode").args(["--template", "{Fields[Subject]} {Payload}"]);
        decode.stdin(frames).run().succeeds().out()
    };
    let all = read(&[&nats.url("LOGS?from=begin&origin")]);
    assert_eq!(all, "logs.heka-nats._ by hand\nlogs.a_b_c.x one\n");
    let one = read(&[&nats.url("logs.a_b_c.*?from=begin&origin")]);
    assert_eq!(one, "logs.a_b_c.x one\n");
}

#[test]
fn reading_begins_where_it_is_told_to() {
    let Some(nats) = Nats::start("") else { return };
    write(&nats.url("s?create=R1&stream=S"), lines(9)).succeeds();
    let read = |options: &str| {
        let read = Tool::new("heka-nats").args(["--read", "--no-follow"]);
        let frames = read.arg(nats.url(&format!("S?{options}"))).run().succeeds().stdout.clone();
        let decode = Tool::new("heka-decode").args(["-o", "payload"]).stdin(frames);
        decode.run().succeeds().out().replace('\n', "")
    };
    assert_eq!(read("from=begin"), "123456789");
    assert_eq!(read("from=7"), "789");
    assert_eq!(read("from=-2"), "89");
    assert_eq!(read("from=@2000-01-01T00:00:00Z"), "123456789");
    assert_eq!(read("durable=d"), "123456789");
    assert_eq!(read("durable=d"), "");
    write(&nats.url("s"), "x\n").succeeds();
    assert_eq!(read("durable=d"), "x");
    assert_eq!(read("durable=d&from=8"), "89x");
    assert_eq!(read("durable=d"), "");
}

#[test]
fn heka_send_and_heka_listen_go_through_the_broker() {
    if let Some(nats) = Nats::start("") {
        goes_through(&nats, "&form=framed");
    }
}

#[test]
fn two_readers_share_the_work() {
    let Some(nats) = Nats::start("") else { return };
    write(&nats.url("s?create=R1&stream=S"), lines(3000)).succeeds();
    let readers: Vec<_> = (0..2)
        .map(|_| {
            let listen = Tool::new("heka-listen").args(["-o", "payload"]);
            listen.arg(nats.url("S?durable=both")).spawn()
        })
        .collect();
    let count = |reader: &heka_tests::Running| {
        reader.stdout().iter().filter(|byte| **byte == b'\n').count()
    };
    eventually("all are read", || (readers.iter().map(count).sum::<usize>() >= 3000).then_some(()));
    let mut all = Vec::new();
    for reader in readers {
        let outcome = reader.end_by(Signal::SIGTERM);
        let text = outcome.out();
        all.extend(text.lines().map(|line| line.parse::<u32>().unwrap()));
    }
    all.sort_unstable();
    assert_eq!(all, (1..=3000).collect::<Vec<_>>());
}

#[test]
fn another_address_gets_the_messages_if_there_is_no_stream() {
    let Some(nats) = Nats::start("") else { return };
    // None was requested.
    goes_elsewhere(&nats, &nats.url("s"), "no stream stores s");
}
