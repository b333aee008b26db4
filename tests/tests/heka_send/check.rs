// SPDX-License-Identifier: MIT OR Apache-2.0
//! `--check`: probes an address without sending a message.

use std::io::Read as _;
use std::net::TcpListener;
use std::os::unix::net::UnixDatagram;

use heka_tests::{Broker as _, Nats, Outcome, Peer, Tool, free_port, scratch, vector};

fn check(args: &[&str]) -> Outcome {
    // It does not read the input.
    Tool::new("heka-send").arg("--check").args(args).stdin("unread\n").run()
}

#[test]
fn a_listener_is_asked_whether_it_acknowledges() {
    let asked = Peer::new("heka-listen", ["127.0.0.1:0", "--ack"]);
    let silent = Peer::new("heka-listen", ["127.0.0.1:0"]);
    let (one, two) = (asked.addr.as_str(), silent.addr.as_str());
    let known = format!("{one}: connected, acknowledges messages\n");
    check(&["--ack=peer", one]).succeeds().stdout_is(&known).stderr_is("");
    check(&[one, two]).succeeds().stdout_is(format!("{one}: connected\n{two}: connected\n"));
    // All addresses are checked, whatever the result of the first.
    let other = check(&["--ack=peer", "--linger=200ms", two, one]);
    other.exits(3).stdout_is(&known).stderr_has(&format!("{two}: does not acknowledge"));
    let stats = [&asked, &silent].map(|listener| listener.statistics());
    assert!(stats.iter().all(|stats| stats.contains("0 messages, ")), "{stats:?}");
}

#[test]
fn a_receiver_like_hekad_gets_nothing_unless_it_is_asked() {
    let hekad = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = hekad.local_addr().unwrap().to_string();
    let reader = std::thread::spawn(move || {
        [0; 2].map(|_| {
            let mut bytes = Vec::new();
            hekad.accept().unwrap().0.read_to_end(&mut bytes).unwrap();
            bytes
        })
    });
    check(&[&address]).succeeds().stdout_is(format!("{address}: connected\n"));
    let asked = check(&["--ack=peer", "--linger=200ms", &address]);
    asked.exits(3).stderr_has("does not acknowledge").stderr_has("other receivers never");
    let [unasked, asked] = reader.join().unwrap();
    // An empty message.
    assert!(unasked.is_empty() && asked.starts_with(b"\x1e"), "{unasked:?} {asked:?}");
    assert!(asked[2..].starts_with(b"\x08\x00"), "{asked:?}");
}

#[test]
fn tls_and_its_absence_are_told() {
    let file = |name: &str| vector("tls").join(name).display().to_string();
    let [cert, key, ca] =
        [("--cert=", "server.pem"), ("--key=", "server.key"), ("--ca-file=", "ca.pem")]
            .map(|(flag, name)| format!("{flag}{}", file(name)));
    let args = ["-q", "--ack", &cert, &key, "tls://127.0.0.1:0"];
    let listener = Peer::new("heka-listen", args);
    let (tls, plain) = (&listener.addr, listener.addr.trim_start_matches("tls://"));
    let found = check(&["--ack=peer", &ca, tls]);
    let known = format!("{tls}: connected with TLS 1.3, acknowledges messages\n");
    found.succeeds().stdout_is(known).stderr_is("");
    check(&[tls]).exits(3).stdout_is("").stderr_has("signed by an unknown CA");
    check(&["--ack=peer", plain]).exits(3).stderr_has(&format!("{plain}: speaks TLS"));
    let other = Peer::new("heka-listen", ["127.0.0.1:0"]);
    let wrong = format!("tls://{}", other.addr);
    check(&[&wrong]).exits(3).stderr_has(&format!("{wrong}: does not speak TLS"));
}

#[test]
fn what_cannot_be_reached_is_status_3() {
    let folder = scratch();
    let closed = format!("127.0.0.1:{}", free_port());
    check(&[&closed]).exits(3).stdout_is("").stderr_has(&format!("{closed}: Connection refused"));
    let path = folder.path().join("socket");
    let socket = path.display();
    let absent = [format!("unix:{socket}"), format!("unixgram:{socket}")];
    check(&[&absent[0], &absent[1]]).exits(3).stderr_has("unixgram:").stderr_has("No such file");
    let _there = UnixDatagram::bind(&path).unwrap();
    check(&[&absent[1]]).succeeds().stdout_has("datagrams are not acknowledged");
    check(&["--queue=q", &closed]).exits(2).stderr_has("exclude each other");
}

#[test]
fn a_command_acknowledges_or_exits_in_order() {
    let folder = scratch();
    let checked = |flags: &[&str], command: &str| {
        let tool = Tool::new("heka-send").arg("--check").args(flags).arg(command);
        tool.dir(folder.path()).run()
    };
    let listener = "exec:heka-listen --ack --stdio --write out.heka";
    checked(&[], listener).succeeds().stdout_has("started, acknowledges messages");
    checked(&[], "exec:cat > in").succeeds().stdout_has("started, exit status 0");
    checked(&["-opayload"], "exec:cat > in").succeeds().stdout_has("started, exit status 0");
    checked(&[], "exec:exit 4").exits(3).stderr_has("exec:exit 4: exit status 4");
    let slow = checked(&["-opayload", "--linger=10ms"], "exec:exec sleep 1000");
    slow.exits(3).stderr_has("still running after 10 ms");
    let absent = checked(&[], "nats://127.0.0.1:1/subject");
    absent.exits(3).stderr_has("nats://127.0.0.1:1/subject: ");
    let Some(nats) = Nats::start("") else { return };
    let found = checked(&[], &nats.url("subject?create=R1&stream=S"));
    found.succeeds().stdout_has("started, ").stderr_is("");
    assert_eq!(nats.payloads("S"), "");
}
