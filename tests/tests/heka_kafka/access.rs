// SPDX-License-Identifier: MIT OR Apache-2.0
//! What is told if something is not there or not permitted; users, TLS, settings.

use std::fs;

use heka_tests::{Mock, Tansu, Tool, certificates, free_port, require_kafka, scratch};

fn write(args: &[&str]) -> heka_tests::Outcome {
    Tool::new("heka-kafka").args(["--retry", "0"]).args(args).stdin("one\n").run()
}

#[test]
fn what_is_not_there_has_words_and_a_status() {
    if !require_kafka() {
        return;
    }
    let nobody = format!("kafka://127.0.0.1:{}/t", free_port());
    write(&[&nobody]).exits(3).stderr_has("Connection refused");
    let sent = Tool::new("heka-send").args(["--retry", "0", &nobody]).stdin("one\n").run();
    sent.exits(3).stderr_has("Connection refused").stderr_has("exit status 3");
    let listen = Tool::new("heka-listen").args(["--retry", "0"]).arg(format!("{nobody}?group=g"));
    listen.run().exits(3).stderr_has("Connection refused");
    let wrong = Tool::new("heka-send").arg("kafka://h/t?colour=red").stdin("one\n").run();
    wrong.exits(2).stderr_has("colour=red: no such option");
    let wrong = Tool::new("heka-listen").arg("kafka://h/t").run();
    wrong.exits(2).stderr_has("group=NAME");
    write(&["kafka://h/t?no.such=1"]).exits(2).stderr_has("No such configuration property");
    write(&["kafka://h/t", "-X", "acks=7"]).exits(2).stderr_has("acks");
    write(&["kafka://h/t", "-X", "sasl.password=x"]).exits(2).stderr_has("--client-config");
    write(&["kafka://h/t", "-X", "group.id=x"]).exits(2).stderr_has("set by heka-kafka itself");
    write(&["kafka://h/a:b"]).exits(2).stderr_has("a topic has letters");
}

#[test]
fn a_topic_that_is_missing_or_forbidden_is_named() {
    let Some(mut mock) = Mock::start(1) else { return };
    let read = |url: &str| Tool::new("heka-kafka").args(["-r", "--retry", "0", url]).run();
    mock.tell("topic-error none unknown-topic");
    write(&[&mock.url("none")])
        .exits(3)
        .stderr_has("none: no such topic")
        .stderr_has("hint: create");
    read(&mock.url("none?from=begin")).exits(3).stderr_has("none: no such topic");
    mock.tell("topic t 2");
    mock.tell("topic-error t topic-rights");
    write(&[&mock.url("t")]).exits(3).stderr_has("t: not permitted to use the topic");
    read(&mock.url("t?from=begin")).exits(3).stderr_has("t: not permitted to use the topic");
    mock.tell("topic-error t none");
    read(&mock.url("t?from=begin&partition=7")).exits(3).stderr_has("t: no partition 7");
    let file = scratch();
    let path = file.path().join("settings");
    fs::write(&path, "# slow\nlinger.ms = 1\nclient.id=me\n").unwrap();
    let path = path.display().to_string();
    write(&[&mock.url("t"), "--client-config", &path]).succeeds().stderr_is("");
    fs::write(&path, "linger.ms = 1\nnothing\n").unwrap();
    write(&[&mock.url("t"), "--client-config", &path]).exits(2).stderr_has("line 2");
}

#[test]
fn a_server_that_is_no_broker_is_recognised() {
    if !require_kafka() {
        return;
    }
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    std::thread::spawn(move || {
        use std::io::Write as _;
        while let Ok((mut stream, _)) = listener.accept() {
            let _written = stream.write_all(b"220 mail.example ESMTP\r\n");
        }
    });
    let written = write(&["-w", "3s", &format!("kafka://127.0.0.1:{port}/t")]);
    written.exits(3);
}

#[test]
fn certificates_are_verified() {
    let Some(folder) = certificates() else { return };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let (cert, key) = (path("server.pem"), path("server.key"));
    let Some(tansu) = Tansu::with(&["--cert", &cert, "--key", &key]) else { return };
    let url = tansu.url("t").replace("kafka://", "kafkas://");
    write(&[&url]).exits(3).stderr_has("certificate");
    write(&[&url, "--ca-file", &path("ca.pem")]).succeeds().stderr_is("");
    write(&[&url, "-k"]).succeeds().stderr_has("not verified");
    let sent = Tool::new("heka-send").arg(format!("{url}?ca-file={}", path("ca.pem")));
    sent.stdin("one\n").run().succeeds();
    let ca = path("ca.pem");
    let all = Tool::new("heka-kafka").args(["-r", "--no-follow", "--ca-file", &ca]);
    all.arg(format!("{url}?from=begin")).run().succeeds().stdout_has("one");
    write(&[&tansu.url("t"), "--ca-file", &ca]).exits(2).stderr_has("TLS needs kafkas://");
}
