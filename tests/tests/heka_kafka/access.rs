// SPDX-License-Identifier: MIT OR Apache-2.0
//! Errors for absent or forbidden topics and groups; users, TLS, settings.

use std::fs;

use heka_tests::{
    Mock, Signal, Tansu, TempDir, Tool, free_port, require_kafka, sasl_front, scratch, tls_front,
    vector,
};

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
    let path = secret(&file, "settings", "# slow\nlinger.ms = 1\nclient.id=me\n");
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
    let port = free_port();
    let front = tls_front(&format!("127.0.0.1:{port}"), "server", true);
    let (_, front_port) = front.rsplit_once(':').unwrap();
    let Some(tansu) = Tansu::behind(front_port.parse().unwrap(), port, &[]) else { return };
    let url = format!("kafkas://{front}/t");
    let file = |name: &str| vector(&format!("tls/{name}")).display().to_string();
    let folder = scratch();
    let key = fs::read_to_string(file("client.key")).unwrap();
    let key = secret(&folder, "client.key", &key);
    let (ca, cert) = (file("ca.pem"), file("client.pem"));
    let own = ["--cert", &cert, "--key", &key, &url];
    write(&own).exits(3).stderr_has("certificate");
    write(&[&["--ca-file", &ca], &own[..]].concat()).succeeds().stderr_is("");
    write(&[&["-k"], &own[..]].concat()).succeeds().stderr_has("not verified");
    write(&["--ca-file", &ca, &url]).exits(3);
    let options = format!("ca-file={ca}&cert={cert}&cert-key={key}");
    let sent = Tool::new("heka-send").arg(format!("{url}?{options}"));
    sent.stdin("two\n").run().succeeds();
    let listen = Tool::new("heka-listen").args(["-o", "payload"]);
    let listener = listen.arg(format!("{url}?from=begin&{options}")).spawn();
    // In one partition or another.
    let messages = listener.wait_stdout("all", |bytes| bytes.ends_with(b"\n") && bytes.len() == 12);
    assert_eq!(messages.iter().filter(|byte| **byte == b'w').count(), 1);
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_is("");
    write(&[&tansu.url("t"), "--ca-file", &ca]).exits(2).stderr_has("TLS needs kafkas://");
}

/// Creates a file that only its owner can read.
fn secret(folder: &TempDir, name: &str, text: &str) -> String {
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
    fs::set_permissions(&path, mode).unwrap();
    path.display().to_string()
}

#[test]
fn users_have_passwords() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let behind = free_port();
    let Some(_tansu) = Tansu::behind(port, behind, &[]) else { return };
    sasl_front(listener, behind, "a word");
    let folder = scratch();
    let (right, wrong) = (secret(&folder, "right", "a word\n"), secret(&folder, "wrong", "x\n"));
    let url = format!("kafka://127.0.0.1:{port}/t");
    write(&[&url]).exits(3);
    let login = |file: &str, flags: &[&str]| {
        write(&[&["--user", "me", "--password-file", file, &url], flags].concat())
    };
    for flags in [&[][..], &["--sasl=scram-sha-256"], &["--sasl=scram-sha-512"]] {
        login(&right, flags).succeeds().stderr_is("");
        login(&wrong, flags).exits(3).stderr_has("wrong login");
    }
    // The short form has them in the address, or in a file of settings.
    for options in ["", "&sasl=scram-sha-512"] {
        let sent = Tool::new("heka-send").args(["--retry", "0"]);
        let url = format!("{url}?user=me&password-file={right}{options}");
        sent.arg(url).stdin("two\n").run().succeeds().stderr_is("");
    }
    let url = format!("{url}?from=begin");
    let listen = Tool::new("heka-listen").args(["-o", "payload"]);
    let listen = listen.arg(format!("{url}&sasl=scram-sha-256&user=me&password-file={right}"));
    let listener = listen.spawn();
    listener.wait_stdout("all", |bytes| bytes.iter().filter(|byte| **byte == b'\n').count() == 5);
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_is("");
    let settings = "sasl.username=me\nsasl.password=a word\nsecurity.protocol=sasl_plaintext\n\
                    sasl.mechanisms=PLAIN\n";
    let settings = secret(&folder, "settings", settings);
    let read = Tool::new("heka-kafka").args(["-r", "--no-follow", "--client-config", &settings]);
    read.arg(&url).run().succeeds().stdout_has("two");
    write(&["--user", "me", "kafka://h/t"]).exits(2).stderr_has("--password-file");
}

#[test]
fn a_broker_that_knows_only_others_says_so() {
    let Some(tansu) = Tansu::with(&["--authentication"]) else { return };
    let folder = scratch();
    let word = secret(&folder, "word", "a word\n");
    let url = tansu.url("t");
    for mechanism in ["scram-sha-256", "scram-sha-512"] {
        let flags = ["--sasl", mechanism, "--user", "me", "--password-file", &word, &url];
        write(&flags).exits(3).stderr_has("SCRAM authentication failed");
    }
    write(&[&url]).exits(3).stderr_has("isconnected");
}
