// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections that are not what they seem: to oneself, with TLS to a plain port, without TLS to a
//! TLS port.

use std::fs::Permissions;
use std::io::Write as _;
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;

use heka_tests::{Peer, Signal, Tool, certificates, free_port, sh};

/// Certificates that are CAs' and servers' at the same time: a valid one, and an expired one.
const SELF_SIGNED: &str = r#"set -e
printf 'basicConstraints=critical,CA:TRUE\nsubjectAltName=IP:127.0.0.1\n' >own.ext
for name in own old; do
    openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes -subj /CN=$name -keyout $name.key -out $name.csr
done
openssl x509 -req -in own.csr -signkey own.key -days 2 -extfile own.ext -out own.pem
openssl x509 -req -in old.csr -signkey old.key -days -1 -extfile own.ext -out old.pem
"#;

#[test]
fn nobody_is_connected_to_himself() {
    let port = free_port();
    let own = format!("127.0.0.1:{port}");
    let args = ["--retry=0", "-s", &own, &own];
    let sent = Tool::new("heka-send").args(args).stdin("1\n2\n3\n").run();
    sent.exits(3).stderr_has("connected to itself");
    let udp = format!("udp://{own}");
    let sent = Tool::new("heka-send").args(["--retry=0", "-s", &own, &udp]).stdin("1\n").run();
    sent.exits(3).stderr_has("connected to itself");
    // The port is free for a listener.
    let listener = Peer::new("heka-listen", [own.as_str(), "-opayload"]);
    Tool::new("heka-send").arg(&own).stdin("4\n").run().succeeds();
    listener.wait_stdout_is("4\n");
}

#[test]
fn plaintext_to_a_tls_port_is_recognised() {
    let Some(folder) = certificates() else { return };
    let args = ["tls://127.0.0.1:0", "-opayload", "--cert=server.pem", "--key=server.key"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    assert!(listener.addr.starts_with("tls://127.0.0.1:"), "{}", listener.addr);
    let address = listener.bare();
    let hint = format!("hint: write it tls://{address}");
    for (count, args) in [(3, &["-ilines"][..]), (100_000, &[]), (3, &["--ack=none"])] {
        let lines: String = (0..count).map(|number| format!("{number}\n")).collect();
        let sent = Tool::new("heka-send").args(args).arg(address).stdin(lines).run();
        let said = sent.exits(3).stderr_has(": speaks TLS").stderr_has(&hint);
        said.stderr_has("not delivered");
        if count == 3 {
            said.stderr_has("3 messages not delivered");
        }
    }
    listener.wait_stderr("does not speak TLS (it must, to tls://)");
    let end = listener.into_running().end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM).stdout_is("");
}

/// An HTTP request is answered by an alert.
#[test]
fn questions_to_a_tls_port_are_answered_in_words() {
    let Some(folder) = certificates() else { return };
    let args = ["tls://127.0.0.1:0", "--cert=server.pem", "--key=server.key"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let said = Tool::new("ws-source").args(["--retry=0", &format!("ws://{}/", listener.bare())]);
    said.run().exits(3).stderr_has(": speaks TLS").stderr_has("hint: write it wss://");
    listener.wait_stderr("does not speak TLS (it must, to tls://)");
    std::fs::write(folder.path().join("token"), "bearer x").unwrap();
    std::fs::set_permissions(folder.path().join("token"), Permissions::from_mode(0o600)).unwrap();
    for (via, hint) in [("rlp", "https://"), ("v1", "wss://"), ("legacy", "wss://")] {
        let server = format!("http://{}", listener.bare());
        let args = ["--retry=0", "--token-file=token", "--via", via, "-a", &server];
        let tool = Tool::new("cf-tail").dir(folder.path()).args(args);
        let said = tool.arg("11111111-2222-3333-4444-555555555555").run();
        said.exits(3).stderr_has("speaks TLS").stderr_has(&format!("hint: write it {hint}"));
    }
}

#[test]
fn a_client_hello_is_no_message() {
    for form in ["auto", "heka", "lines"] {
        let args = ["127.0.0.1:0", "-opayload", "-v", "--input", form];
        let listener = Peer::new("heka-listen", args);
        let address = format!("tls://{}", listener.addr);
        let sent = Tool::new("heka-send").args(["-k", "--retry=0", &address]).stdin("1\n").run();
        sent.exits(3).stderr_has("does not speak TLS");
        listener.wait_stderr("speaks TLS to a port without it (tls:// has it)");
        Tool::new("heka-send").arg(&listener.addr).args(["-o", "heka"]).stdin("2\n").run();
        let end = listener.into_running().end_by(Signal::SIGTERM);
        end.killed_by(Signal::SIGTERM);
        // A message may contain the first byte of a TLS record, in its UUID.
        assert!(!end.stdout.windows(3).any(|bytes| bytes == b"\x16\x03\x01"), "{end}");
    }
    // Where arbitrary bytes are expected, these are accepted.
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-oraw", "-iraw", "-n1"]);
    let hello = b"\x16\x03\x01\x00\x05\x01\x00\x00\x01\x00";
    TcpStream::connect(&listener.addr).unwrap().write_all(hello).unwrap();
    listener.into_running().finish().succeeds().stdout_is(hello);
}

#[test]
fn a_pinned_certificate_may_be_one_of_a_ca() {
    let Some(folder) = certificates() else { return };
    sh(SELF_SIGNED).dir(folder.path()).run().succeeds();
    let listen = |name: &str, more: &[&str]| {
        let (cert, key) = (format!("--cert={name}.pem"), format!("--key={name}.key"));
        let args = ["tls://127.0.0.1:0", "-opayload", &cert, &key];
        let args = args.iter().chain(more);
        Peer::with("heka-listen", args, |tool| tool.dir(folder.path()))
    };
    let send = |listener: &Peer, args: &[&str]| {
        let tool = Tool::new("heka-send").dir(folder.path()).args(["--retry=0", "--ack=peer"]);
        tool.args(args).arg(&listener.addr).stdin("1\n").run()
    };
    let listener = listen("own", &["--ack"]);
    send(&listener, &["--ca-file=own.pem"]).succeeds();
    // It is not trusted for names that it signs, and its own name must match.
    let named = ["--ca-file=own.pem", "--server-name=other.example"];
    send(&listener, &named).exits(3).stderr_has("not for other.example");
    send(&listener, &["--ca-file=ca.pem"]).exits(3).stderr_has("not of a host");
    let expired = listen("old", &["--ack"]);
    send(&expired, &["--ca-file=old.pem"]).exits(3).stderr_has("has expired");
    // The same for clients.
    let mutual = listen("server", &["--ack", "--client-ca=own.pem"]);
    let own = ["--ca-file=ca.pem", "--cert=own.pem", "--key=own.key"];
    send(&mutual, &own).succeeds();
    let other = ["--ca-file=ca.pem", "--cert=client.pem", "--key=client.key"];
    send(&mutual, &other).exits(3);
}
