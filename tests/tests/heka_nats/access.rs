// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access: users, keys, TLS; and the messages for missing streams and subjects.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::TcpListener;

use heka_tests::{
    Broker as _, Nats, Signal, Tool, accept, certificates, free_port, require, scratch,
};

const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";
const KEY: &str = "UDXU4RCSJNZOIQHZNWXHXORDPRTGNJAHAHFRGZNEEJCPQTT2M7NLCNF4";

fn write(args: &[&str]) -> heka_tests::Outcome {
    Tool::new("heka-nats").args(["--retry", "0"]).args(args).stdin("one\n").run()
}

#[test]
fn what_is_not_there_has_words_and_a_status() {
    let nobody = format!("nats://127.0.0.1:{}/s", free_port());
    write(&[&nobody]).exits(3).stderr_has("Connection refused");
    let sent = Tool::new("heka-send").args(["--retry", "0", &nobody]).stdin("one\n").run();
    sent.exits(3).stderr_has("Connection refused").stderr_has("exit status 3");
    let wrong = Tool::new("heka-send").arg("nats://h/s?colour=red").stdin("one\n").run();
    wrong.exits(2).stderr_has("colour=red: no such option");
    let wrong = Tool::new("heka-listen").arg("nats://h/s").run();
    wrong.exits(2).stderr_has("durable=NAME");
    let Some(nats) = Nats::start("") else { return };
    let missing = write(&[&nats.url("s")]);
    missing
        .exits(3)
        .stderr_has("no stream stores s\nheka-nats: hint: to create one, add create=R1");
    let read = Tool::new("heka-nats").args(["--read", "--retry", "0"]);
    read.arg(nats.url("S?durable=d")).run().exits(3).stderr_has("no stream has the name S");
    let listen = Tool::new("heka-listen").args(["--retry", "0"]);
    listen.arg(nats.url("S?durable=d")).run().exits(3).stderr_has("no stream has the name S");
    let http = Tool::new("heka-nats").args(["--retry", "0", "nats://127.0.0.1:1/s?create=3"]).run();
    http.exits(2).stderr_has("R1 to R5");
}

#[test]
fn a_server_that_is_no_broker_is_recognised() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = listener.local_addr().unwrap().port();
    let server = std::thread::spawn(move || {
        use std::io::Write as _;
        let mut stream = heka_tests::accept(&listener);
        stream.write_all(b"220 mail.example ESMTP\r\n").unwrap();
    });
    write(&[&format!("nats://127.0.0.1:{port}/s")]).exits(3).stderr_has("not a NATS server");
    server.join().unwrap();
}

#[test]
fn users_have_passwords_and_keys() {
    let users = format!(
        "authorization {{ users: [ {{ user: me, password: \"a word\" }}, {{ nkey: {KEY} }} ] }}"
    );
    let Some(nats) = Nats::start(&users) else { return };
    let folder = scratch();
    let file = |name: &str, text: &str| {
        let path = folder.path().join(name);
        fs::write(&path, text).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        fs::set_permissions(&path, mode).unwrap();
        path.display().to_string()
    };
    let (word, wrong, seed) = (file("word", "a word\n"), file("wrong", "x\n"), file("seed", SEED));
    let url = nats.url("s?create=R1&stream=S");
    write(&[&url]).exits(3).stderr_has("Authorization Violation").stderr_has("--creds");
    let refused = write(&[&url, "--user", "me", "--password-file", &wrong]);
    refused.exits(3).stderr_has("Authorization Violation");
    write(&[&url, "--user", "me", "--password-file", &word]).succeeds().stderr_is("");
    write(&[&url, "--nkey", &seed]).succeeds().stderr_is("");
    write(&[&url, "--nkey", &word]).exits(2).stderr_has("not the seed of a user's nkey");
    write(&[&url, "--creds", &seed]).exits(2).stderr_has("not a credentials file");
    // The short form has them in the address.
    let sent = Tool::new("heka-send").args(["--retry", "0", &format!("{url}&nkey={seed}")]);
    sent.stdin("one\n").run().succeeds().stderr_is("");
}

#[test]
fn rights_that_are_missing_are_told() {
    let users = "authorization { users: [ \
                 { user: me, password: word, permissions: { publish: [\"$JS.>\"], subscribe: [\">\"] } }, \
                 { user: other, password: word, permissions: { publish: [s], subscribe: [\">\"] } } ] }";
    let Some(nats) = Nats::start(users) else { return };
    let folder = scratch();
    let word = folder.path().join("word");
    fs::write(&word, "word\n").unwrap();
    let word = word.display().to_string();
    let url = nats.url("s?create=R1&stream=S");
    let refused = write(&[&url, "--user", "me", "--password-file", &word]);
    refused.exits(3).stderr_has("Permissions Violation for Publish to \"s\"");
    // The stream exists now, but this user may not read it.
    for (tool, args) in [("heka-nats", &["-r", "--retry=0"][..]), ("heka-listen", &["--retry=0"])] {
        let url = nats.url(&format!("S?durable=d&user=other&password-file={word}"));
        let read = Tool::new(tool).args(args).arg(url).run();
        read.exits(3).stderr_has("Permissions Violation for Publish to \"$JS.API.");
    }
}

#[test]
fn who_may_only_write_can() {
    let users = "authorization { users: [ { user: me, password: word, permissions: { publish: s } }, \
                 { user: root, password: word } ] }";
    let Some(nats) = Nats::start(users) else { return };
    let folder = scratch();
    let word = folder.path().join("word");
    fs::write(&word, "word\n").unwrap();
    let word = word.display().to_string();
    let url = nats.url("s?stream=S");
    let write_as = |user: &str, url: &str| write(&[url, "--user", user, "--password-file", &word]);
    write_as("me", &url).exits(3).stderr_has("no stream answers");
    write_as("root", &format!("{url}&create=R1")).succeeds();
    write_as("me", &url).succeeds();
}

#[test]
fn tls_is_verified() {
    let Some(folder) = certificates() else { return };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?} }}",
        path("server.pem"),
        path("server.key")
    );
    if !require("nats-server") {
        return;
    }
    let nats = Nats::on_port(free_port(), &config);
    let url = nats.url("s?create=R1&stream=S").replace("nats://", "natss://");
    write(&[&url]).exits(3).stderr_has("127.0.0.1");
    write(&[&url, "--ca-file", &path("ca.pem")]).succeeds().stderr_is("");
    let sent = Tool::new("heka-send").arg(format!("{url}&ca-file={}", path("ca.pem")));
    sent.stdin("one\n").run().succeeds();
    let plain = Nats::on_port(free_port(), "");
    let url = plain.url("s").replace("nats://", "natss://");
    write(&[&url, "-k"]).exits(3).stderr_has("does not speak TLS");
}

/// It would count as received over TLS, whoever sent it.
#[test]
fn clear_text_before_tls_is_refused() {
    for (scheme, tls) in [("natss", "tls_available"), ("nats", "tls_required")] {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("{scheme}://{}/s", listener.local_addr().unwrap());
        let writer = Tool::new("heka-nats").args(["--retry=0", &url]).stdin("one\n").spawn();
        let mut server = accept(&listener);
        write!(server, "INFO {{\"{tls}\":true}}\r\nPONG\r\n").unwrap();
        let mut received = Vec::new();
        server.read_to_end(&mut received).unwrap();
        assert_eq!(received, b"", "TLS does not begin");
        writer.finish().exits(3).stderr_has("clear text where TLS begins: \"PONG\"\n");
    }
}

#[test]
fn a_certificate_is_a_user() {
    let Some(folder) = certificates() else { return };
    let path = |name: &str| folder.path().join(name).display().to_string();
    let config = format!(
        "tls {{ cert_file: {:?}, key_file: {:?}, ca_file: {:?}, verify_and_map: true }}\n\
         authorization {{ users: [ {{ user: \"CN=client\" }} ] }}",
        path("server.pem"),
        path("server.key"),
        path("ca.pem")
    );
    let Some(nats) = Nats::start(&config) else { return };
    let ca = path("ca.pem");
    let (url, all) = (nats.to_write(), nats.to_read_all());
    let [url, all] = [url, all].map(|url| url.replace("nats://", "natss://"));
    let of = |name: &str| [path(&format!("{name}.pem")), path(&format!("{name}.key"))];
    let login = |name: &str| {
        let [cert, key] = of(name);
        write(&[&url, "--ca-file", &ca, "--cert", &cert, "--key", &key])
    };
    login("client").succeeds().stderr_is("");
    login("nameless").exits(3).stderr_has("Authorization Violation");
    login("stranger").exits(3).stderr_has("certificate");
    write(&[&url, "--ca-file", &ca]).exits(3).stderr_has("certificate");
    // The short form has the files in the address, in both directions.
    let [cert, key] = of("client");
    let options = format!("&ca-file={ca}&cert={cert}&key={key}");
    let sent = Tool::new("heka-send").args(["--retry=0", &format!("{url}{options}")]);
    sent.stdin("two\n").run().succeeds().stderr_is("");
    let listen = Tool::new("heka-listen").args(["-o", "payload"]).arg(format!("{all}{options}"));
    let listener = listen.spawn();
    listener.wait_stdout_is("one\ntwo\n");
    listener.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM).stderr_is("");
}
