// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source over TLS: trust, identity, key stores, proxies on the way.

use std::io::Write as _;
use std::os::unix::fs::PermissionsExt;

use heka_tests::ws::{WsPeer, WsServer};
use heka_tests::{Outcome, Signal, TempDir, Tool, eventually, scratch, vector};
use sha1::{Digest as _, Sha1};

fn one_message(_: usize, mut peer: WsPeer) {
    peer.accept();
    peer.text("secret news");
    peer.close(1000, "");
}

/// Creates a folder with the right password of the key stores, and a wrong one.
fn passwords() -> TempDir {
    let dir = scratch();
    for (name, password) in [("pw", "changeit\n"), ("wrong", "guess\n")] {
        let path = dir.path().join(name);
        std::fs::write(&path, password).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(0o600)).unwrap();
    }
    dir
}

fn run(url: &str, args: &[&str]) -> Outcome {
    let dir = passwords();
    let args = args.iter().map(|arg| match arg.strip_prefix("tls/") {
        Some(name) => vector("tls").join(name).into_os_string(),
        None => arg.into(),
    });
    Tool::new("ws-source").args(["--retry", "0", url]).args(args).dir(dir.path()).run()
}

#[test]
fn the_scheme_turns_tls_on_and_the_ca_is_checked() {
    let server = WsServer::tls(false, one_message);
    run(&server.url("/"), &["--ca-file", "tls/ca.pem"]).succeeds().stdout_is("secret news\n");
    run(&server.url("/"), &[])
        .exits(3)
        .stdout_is("")
        .stderr_has("unknown CA")
        .stderr_has("--ca-file");
}

#[test]
fn host_names_are_checked_unless_insecure() {
    let server = WsServer::tls_as("elsewhere", false, one_message);
    let url = server.url("/").replace("127.0.0.1", "localhost");
    run(&url, &["--ca-file", "tls/ca.pem"])
        .exits(3)
        .stderr_has("is for wrong.example, not for localhost");
    run(&url, &["--keystore", "tls/trust.jks", "--keystore-pass-file", "pw"])
        .exits(3)
        .stderr_has("is for wrong.example, not for localhost");
    run(&url, &["--ca-file", "tls/ca.pem", "--server-name", "wrong.example"]).succeeds();
    for flag in ["-k", "--trust-all-certs"] {
        run(&url, &[flag])
            .succeeds()
            .stdout_is("secret news\n")
            .stderr_has("warning: localhost: certificate not verified");
    }
}

#[test]
fn a_server_without_tls_and_a_client_without_it_miss_each_other() {
    let plain = WsServer::start(one_message);
    run(&plain.url("/").replace("ws:", "wss:"), &["-k", "-w", "1s"]).exits(3).stderr_has("TLS");
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("wss://{}/", listener.local_addr().unwrap());
    let server = std::thread::spawn(move || {
        let (mut stream, _) = listener.accept().unwrap();
        stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").unwrap();
        stream
    });
    let refused = run(&url, &["-k"]);
    refused.exits(3).stderr_has("does not speak TLS").stderr_has("use ws:// instead of wss://");
    drop(server.join());
    let tls = WsServer::tls(false, one_message);
    run(&tls.url("/").replace("wss:", "ws:"), &[]).exits(3).stdout_is("");
}

#[test]
fn an_untrusted_server_is_tried_again_until_a_signal_ends_it() {
    let server = WsServer::tls(false, one_message);
    let running = Tool::new("ws-source").args(["--retry-delay", "20ms", &server.url("/")]).spawn();
    eventually("a third attempt", || {
        (running.stderr().matches("unknown CA").count() > 2).then_some(())
    });
    running.signal(Signal::SIGTERM);
    running.finish().killed_by(Signal::SIGTERM).stdout_is("");
}

#[test]
fn key_stores_say_whom_to_trust() {
    let server = WsServer::tls(false, one_message);
    for store in ["tls/trust.jks", "tls/trust.p12", "tls/both.p12"] {
        run(&server.url("/"), &["--keystore", store, "--keystore-pass-file", "pw"])
            .succeeds()
            .stdout_is("secret news\n")
            .stderr_is("");
    }
    run(&server.url("/"), &["--keystore", "tls/ca.pem"]).succeeds();
}

#[test]
fn key_stores_say_who_we_are() {
    let server = WsServer::tls(true, one_message);
    let ca = ["--ca-file", "tls/ca.pem"];
    // With TLS 1.3, the server reports it only after the handshake.
    run(&server.url("/"), &ca).exits(3).stdout_is("").stderr_has("--cert");
    run(
        &server.url("/"),
        &["--ca-file", "tls/ca.pem", "--cert", "tls/client.pem", "--key", "tls/client.key"],
    )
    .succeeds();
    for store in ["tls/client.p12", "tls/client-legacy.p12", "tls/client.jks"] {
        let args = ["--keystore", store, "--keystore-pass-file", "pw", ca[0], ca[1]];
        run(&server.url("/"), &args).succeeds().stdout_is("secret news\n");
    }
    // One store for both, as the Java plugin has it.
    run(&server.url("/"), &["--keystore", "tls/both.p12", "--keystore-pass-file", "pw"]).succeeds();
}

#[test]
fn a_self_signed_pair_is_trusted_by_whoever_has_it() {
    let server = WsServer::tls_as("own", false, one_message);
    run(&server.url("/"), &["--keystore", "tls/own.p12", "--keystore-pass-file", "pw"]).succeeds();
    run(&server.url("/"), &["--keystore", "tls/own.pem"]).succeeds();
}

/// A JKS store with a matching digest and a certificate with a claimed size of 4 GB.
fn store_with_a_wrong_length() -> Vec<u8> {
    let mut store = vec![0xfe, 0xed, 0xfe, 0xed, 0, 0, 0, 2, 0, 0, 0, 1];
    store.extend(b"\0\0\0\x02\0\x01a\0\0\0\0\0\0\0\0\0\x05X.509\xff\xff\xff\xff");
    let mut digest = Sha1::new();
    digest.update("changeit".encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>());
    digest.update(b"Mighty Aphrodite");
    digest.update(&store);
    store.extend(digest.finalize());
    store
}

#[test]
fn the_lengths_in_a_key_store_are_not_trusted() {
    let dir = passwords();
    std::fs::write(dir.path().join("store"), store_with_a_wrong_length()).unwrap();
    std::fs::write(dir.path().join("pass"), "changeit\n").unwrap();
    Tool::new("ws-source")
        .args(["--retry=0", "--keystore=store", "--keystore-pass-file=pass", "wss://127.0.0.1:1/"])
        .dir(dir.path())
        .run()
        .exits(2)
        .stderr_has("ws-source: store: JKS: a length in it is wrong\n");
}

#[test]
fn a_password_hides_no_words_of_ours() {
    let dir = passwords();
    std::fs::write(dir.path().join("pw"), "wrong\n").unwrap();
    let store = vector("tls").join("trust.jks");
    Tool::new("ws-source")
        .args(["--keystore-pass-file=pw", "wss://127.0.0.1:1/", "--keystore"])
        .arg(&store)
        .dir(dir.path())
        .run()
        .exits(2)
        .stderr_has("the password is wrong, or the file is damaged\n");
}

#[test]
fn the_content_tells_the_type_and_wrong_ones_get_words() {
    let dir = passwords();
    let renamed = dir.path().join("store.jks");
    std::fs::copy(vector("tls").join("trust.p12"), &renamed).unwrap();
    let server = WsServer::tls(false, one_message);
    let renamed = renamed.display().to_string();
    let url = server.url("/");
    run(&url, &["--keystore", &renamed, "--keystore-type", "JKS", "--keystore-pass-file", "pw"])
        .succeeds();
    for (args, words) in [
        (&["--keystore", "tls/client.jceks", "--keystore-pass-file", "pw"][..], "JCEKS key store"),
        (
            &["--keystore", "tls/trust.jks", "--keystore-pass-file", "wrong"],
            "the password is wrong",
        ),
        (
            &["--keystore", "tls/trust.p12", "--keystore-pass-file", "wrong"],
            "the password is wrong",
        ),
        (&["--keystore", "tls/trust.jks"], "has a password (--keystore-pass-file)"),
        (&["--keystore", "tls/ca.pem", "--keystore-type", "pkcs12"], "another type (PEM)"),
        (&["--keystore", "pw"], "not a key store"),
        (&["--keystore", "absent"], "absent: No such file"),
        (&["--keystore-type", "jks"], "--keystore"),
    ] {
        let outcome = run(&url, args);
        outcome.exits(2).stdout_is("").stderr_has(words);
        assert!(!outcome.err().contains("changeit") && !outcome.err().contains("guess"));
    }
}
