// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS between heka-send and heka-listen, and with OpenSSL at either end.

use heka_tests::{Outcome, Peer, Running, TempDir, Tool, certificates, free_port, require, sh};

fn listen(folder: &TempDir, args: &[&str]) -> Peer {
    let args = ["tls://127.0.0.1:0", "-opayload"].iter().chain(args);
    Peer::with("heka-listen", args, |tool| tool.dir(folder.path()))
}

fn send(folder: &TempDir, listener: &Peer, args: &[&str]) -> Outcome {
    let tool = Tool::new("heka-send").dir(folder.path()).args(["--retry=0", &listener.addr]);
    tool.args(args).stdin("over TLS\n").run()
}

#[test]
fn a_certificate_of_the_named_ca_is_believed() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    send(&folder, &listener, &["--ca-file=ca.pem"]).succeeds();
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn confirmations_come_over_tls_too() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key", "--ack"]);
    send(&folder, &listener, &["--ca-file=ca.pem", "--ack=peer"]).succeeds();
    listener.wait_stdout_is("over TLS\n");
}

/// The tools use version 1.3 with each other, so socat stands between them and uses the older
/// version with both.
#[test]
fn confirmations_come_over_either_version() {
    let Some(folder) = certificates() else { return };
    if !require("socat") {
        return;
    }
    let text: String = (0..20_000).map(|number| format!("{number}\n")).collect();
    let own = ["--cert=server.pem", "--key=server.key", "--ack"];
    for version in ["TLS1.2", "TLS1.3"] {
        let version =
            format!("openssl-min-proto-version={version},openssl-max-proto-version={version}");
        // For the side that listens with TLS, and for the side that sends with it.
        for sends_tls in [false, true] {
            let port = free_port();
            let (listener, line, address) = if sends_tls {
                let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
                let from = "cert=server.pem,key=server.key,verify=0";
                let line = format!(
                    "OPENSSL-LISTEN:{port},bind=127.0.0.1,fork,{from},{version} TCP:{}",
                    listener.addr
                );
                (listener, line, format!("tls://127.0.0.1:{port}"))
            } else {
                let listener = listen(&folder, &own);
                let to = format!("OPENSSL:{},cafile=ca.pem,{version}", listener.bare());
                let line = format!("TCP-LISTEN:{port},bind=127.0.0.1,fork {to}");
                (listener, line, format!("127.0.0.1:{port}"))
            };
            let _socat = sh(&format!("exec socat {line}")).dir(folder.path()).spawn();
            let tls: &[&str] = if sends_tls { &["--ca-file=ca.pem"] } else { &[] };
            let tool = Tool::new("heka-send").dir(folder.path()).args(tls).arg(address);
            let sent = tool.args(["--ack=peer", "-v", "--retry-delay=20ms"]).stdin(text.clone());
            sent.run().succeeds().stderr_has(": 20000 messages acknowledged");
            listener.wait_stdout("all lines", |out| out == text.as_bytes());
        }
    }
}

#[test]
fn much_goes_over_tls() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let tool = Tool::new("heka-send").dir(folder.path()).args(["--ca-file=ca.pem", &listener.addr]);
    tool.stdin(text.clone()).run().succeeds();
    listener.wait_stdout("all lines", |out| out == text.as_bytes());
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_what_helps() {
    let Some(folder) = certificates() else { return };
    let cases = [
        ("server", "", "signed by an unknown CA", "--ca-file names"),
        ("other", "--ca-file=ca.pem", "is for other.example, not for 127.0.0.1", "--server-name"),
        ("nameless", "--ca-file=ca.pem", "names no host", "subjectAltName"),
        ("expired", "--ca-file=ca.pem", "expired", "clock"),
    ];
    for (name, arg, cause, hint) in cases {
        let cert = format!("--cert={name}.pem");
        let listener = listen(&folder, &[&cert, &format!("--key={name}.key")]);
        let args: &[&str] = if arg.is_empty() { &[] } else { &[arg] };
        let said = send(&folder, &listener, args);
        said.exits(3).stderr_has(cause).stderr_has(hint);
    }
}

#[test]
fn an_unchecked_certificate_is_warned_of() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=expired.pem", "--key=expired.key"]);
    send(&folder, &listener, &["-k"]).succeeds().stderr_has("certificate not verified");
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let Some(folder) = certificates() else { return };
    let args = ["--cert=server.pem", "--key=server.key", "--client-ca=ca.pem"];
    let listener = listen(&folder, &args);
    let said = send(&folder, &listener, &["--ca-file=ca.pem"]);
    said.exits(3).stderr_has("requires a client certificate").stderr_has("--cert");
    listener.wait_stderr("showed no certificate");
    let cert = ["--ca-file=ca.pem", "--cert=client.pem", "--key=client.key"];
    send(&folder, &listener, &cert).succeeds();
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn a_file_that_is_none_is_a_wrong_argument() {
    let Some(folder) = certificates() else { return };
    for (args, words) in [
        (["--ca-file=absent", "--retry=0"], "absent: No such file or directory"),
        (["--ca-file=ca.key", "--retry=0"], "ca.key: contains no certificate"),
        (["--cert=client.pem", "--retry=0"], "client.pem: contains no private key"),
    ] {
        let tool = Tool::new("heka-send").dir(folder.path()).arg("tls://127.0.0.1:1").args(args);
        tool.stdin("x\n").run().exits(2).stderr_has(words);
    }
}

#[test]
fn client_certificates_of_others_are_told_with_what_helps() {
    let Some(folder) = certificates() else { return };
    let own = ["--cert=server.pem", "--key=server.key", "--client-ca=ca.pem"];
    for (name, there, here) in [
        ("stranger", "does not know the CA of the certificate", "signed by an unknown CA"),
        ("expired", "says that the certificate has expired", "expired"),
    ] {
        let listener = listen(&folder, &own);
        let (cert, key) = (format!("--cert={name}.pem"), format!("--key={name}.key"));
        let said = send(&folder, &listener, &["--ca-file=ca.pem", &cert, &key]);
        said.exits(3).stderr_has(there);
        listener.wait_stderr(here);
    }
}

#[test]
fn a_client_certificate_can_be_welcome_without_being_needed() {
    let Some(folder) = certificates() else { return };
    let args = ["--client-ca=ca.pem", "--client-auth=request"];
    let listener =
        listen(&folder, &[&["--cert=server.pem", "--key=server.key"][..], &args].concat());
    send(&folder, &listener, &["--ca-file=ca.pem"]).succeeds();
    send(&folder, &listener, &["--ca-file=ca.pem", "--cert=client.pem", "--key=client.key"])
        .succeeds();
    let wrong = ["--ca-file=ca.pem", "--cert=stranger.pem", "--key=stranger.key"];
    send(&folder, &listener, &wrong).exits(3);
    listener.wait_stdout_is("over TLS\nover TLS\n");
}

#[test]
fn another_name_can_be_expected() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=other.pem", "--key=other.key"]);
    let args = ["--ca-file=ca.pem", "--server-name=other.example"];
    send(&folder, &listener, &args).succeeds();
    let wrong = ["--ca-file=ca.pem", "--server-name=third.example"];
    send(&folder, &listener, &wrong)
        .exits(3)
        .stderr_has("for other.example, not for third.example");
}

#[test]
fn old_versions_are_refused_in_both_directions() {
    let Some(folder) = certificates() else { return };
    let own = ["--cert=server.pem", "--key=server.key", "--tls-min=1.3"];
    let listener = listen(&folder, &own);
    assert!(!s_client(&folder, &listener, "-tls1_2").status.success());
    listener.wait_stderr("TLS older than allowed here (see --tls-min)");
    let (_server, address) = s_server(&folder, "-tls1_2");
    let args = ["--ca-file=ca.pem", "--tls-min=1.3", "--retry-delay=20ms", "--retry=100", &address];
    let sender = Tool::new("heka-send").dir(folder.path()).args(args).stdin("x\n").spawn();
    sender.wait_stderr("speaks only other versions of TLS");
}

#[test]
fn a_peer_without_tls_is_told() {
    let plain = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--idle-timeout=1s"]);
    let address = format!("tls://{}", plain.addr);
    let said = Tool::new("heka-send").args(["-k", "--retry=0", "-w", "3s", &address]).stdin("x\n");
    said.run()
        .exits(3)
        .stderr_has("does not speak TLS")
        .stderr_has("hint: for a plain connection, omit tls://");
    plain.wait_stderr("speaks TLS to a port without it");
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    let tool = Tool::new("heka-send").args(["--retry=0", "--ack=peer", listener.bare()]);
    tool.stdin("plain\n").run().exits(3);
    listener.wait_stderr("does not speak TLS");
}

/// Runs openssl as the client of a listener: a line over TLS.
fn s_client(folder: &TempDir, listener: &Peer, args: &str) -> Outcome {
    let client = format!(
        "printf 'from openssl\\n' | openssl s_client -quiet -no_ign_eof -verify_return_error \
         -CAfile ca.pem -connect {} {args} >&2",
        listener.bare()
    );
    sh(&client).dir(folder.path()).run()
}

/// Starts openssl as a server; returns its address, where it listens soon.
fn s_server(folder: &TempDir, args: &str) -> (Running, String) {
    let address = format!("127.0.0.1:{}", heka_tests::free_port());
    let server = format!(
        "exec openssl s_server -quiet -cert server.pem -key server.key -accept {address} {args}"
    );
    let server = sh(&server).dir(folder.path()).stdin_open().spawn();
    (server, format!("tls://{address}"))
}

#[test]
fn openssl_is_at_either_end() {
    let Some(folder) = certificates() else { return };
    let own = ["--cert=server.pem", "--key=server.key"];
    for version in ["-tls1_2", "-tls1_3"] {
        let listener = listen(&folder, &own);
        s_client(&folder, &listener, version).succeeds();
        listener.wait_stdout_is("from openssl\n");
        let (server, address) = s_server(&folder, version);
        let args = ["-opayload", "--ca-file=ca.pem", "--retry-delay=20ms", &address];
        Tool::new("heka-send").dir(folder.path()).args(args).stdin("to openssl\n").run().succeeds();
        server.wait_stdout_is("to openssl\n");
    }
}

#[test]
fn openssl_shows_and_wants_client_certificates() {
    let Some(folder) = certificates() else { return };
    let own = ["--cert=server.pem", "--key=server.key", "--client-ca=ca.pem"];
    let listener = listen(&folder, &own);
    s_client(&folder, &listener, "-cert client.pem -key client.key").succeeds();
    listener.wait_stdout_is("from openssl\n");
    s_client(&folder, &listener, "");
    listener.wait_stderr("showed no certificate");
    let (server, address) =
        s_server(&folder, "-Verify 1 -verify_return_error -verify_quiet -CAfile ca.pem");
    let args = ["-opayload", "--ca-file=ca.pem", "--retry-delay=20ms", &address];
    let send = |more: &[&str]| {
        let tool = Tool::new("heka-send").dir(folder.path()).args(args).args(more);
        tool.stdin("to openssl\n")
    };
    let refused = send(&[]).spawn();
    refused.wait_stderr("requires a client certificate");
    drop(refused);
    send(&["--cert=client.pem", "--key=client.key"]).run().succeeds();
    server.wait_stdout_is("to openssl\n");
}
