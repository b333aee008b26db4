// SPDX-License-Identifier: MIT OR Apache-2.0
//! The peers that a record from standard input goes to.

use std::io::Write;
use std::net::Shutdown;

use heka_tests::unix::connect;
use heka_tests::{Signal, sh};

use crate::sockets::{read_all, read_exactly, serve_open};

/// tremor's tests/unix_socket.rs: a reply by metadata, a reply to the origin; nobody else gets it.
#[test]
fn replies_go_where_their_metadata_says() {
    let mut server = serve_open(&["-j", "--to", "origin"]);
    let mut a = connect(&server.path);
    a.write_all(b"snot\n").unwrap();
    server.peer.wait_stdout("snot", |out| out.ends_with(b"\"data\":\"snot\"}\n"));
    server.peer.write("{\"unix_socket_server\":{\"peer\":0},\"data\":\"badger\"}\n");
    read_exactly(&mut a, "badger\n");
    let mut b = connect(&server.path);
    b.write_all(b"carfuffle\n").unwrap();
    server.peer.wait_stdout("carfuffle", |out| out.ends_with(b"\"data\":\"carfuffle\"}\n"));
    server.peer.write("{\"data\":\"fleek\"}\n");
    read_exactly(&mut b, "fleek\n");
    server.peer.close_stdin();
    assert_eq!((read_all(&mut a), read_all(&mut b)), (String::new(), String::new()));
    let text = String::from_utf8(server.peer.stdout()).unwrap();
    let pid = std::process::id();
    let path = server.path.display();
    assert!(text.starts_with(&format!(
        "{{\"unix_socket_server\":{{\"path\":\"{path}\",\"peer\":0,\"pid\":{pid},\"uid\":"
    )));
}

#[test]
fn tags_say_who_and_to_whom() {
    let mut server = serve_open(&["--tag"]);
    let (mut a, mut b) = (connect(&server.path), connect(&server.path));
    a.write_all(b"from a\n").unwrap();
    server.peer.wait_stdout("a", |out| out.ends_with(b"from a\n"));
    b.write_all(b"from b").unwrap();
    b.shutdown(Shutdown::Write).unwrap();
    // The last record has no newline and keeps its peer all the same.
    server.peer.wait_stdout_is("0\tfrom a\n1\tfrom b\n");
    server.peer.write("1\tto b\n0\tto a\nto both\n");
    read_exactly(&mut a, "to a\nto both\n");
    read_exactly(&mut b, "to b\nto both\n");
}

#[test]
fn a_message_goes_to_the_peer_in_its_field() {
    let mut server = serve_open(&["-o", "heka", "--to", "none"]);
    let (mut a, mut b) = (connect(&server.path), connect(&server.path));
    b.write_all(b"x\n").unwrap();
    server.peer.wait_stdout("a frame", |out| out.len() > 50);
    let frame = server.peer.stdout();
    // Data from b go back to b unchanged.
    server.peer.write(&frame);
    read_exactly(&mut b, "x\n");
    server.peer.close_stdin();
    assert_eq!(read_all(&mut a), "");
}

#[test]
fn records_without_a_peer_go_where_to_says() {
    for (to, expected) in [
        ("all", ["x\n", "x\n"]),
        ("last", ["", "x\n"]),
        ("origin", ["x\n", ""]),
        ("none", ["", ""]),
    ] {
        let mut server = serve_open(&["--to", to]);
        let mut peers = [connect(&server.path), connect(&server.path)];
        for (peer, text) in peers.iter_mut().zip(["1\n", "0\n"]).rev() {
            peer.write_all(text.as_bytes()).unwrap();
            server.peer.wait_stdout(text, |out| out.ends_with(text.as_bytes()));
        }
        server.peer.write("x\n");
        server.peer.close_stdin();
        let got = peers.each_mut().map(read_all);
        assert_eq!(got, expected, "--to {to}");
    }
}

#[test]
fn a_record_for_a_peer_that_is_gone_is_reported_and_nothing_else_suffers() {
    let mut server = serve_open(&["--tag"]);
    let mut a = connect(&server.path);
    let b = connect(&server.path);
    a.write_all(b"hello\n").unwrap();
    server.peer.wait_stdout_is("0\thello\n");
    drop(b);
    drop(connect(&server.path));
    server.peer.write("77\tx\n0\tstill here\n");
    read_exactly(&mut a, "still here\n");
    server.peer.wait_stderr("unix-sock: warning: peer 77: not connected, 1 record not sent");
    server.peer.into_running().end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

/// An answer to several peers: a record made of several connections' data goes to each of them.
#[test]
fn a_record_for_several_peers_goes_to_each_of_them() {
    for (args, record) in [
        (&["-j"][..], "{\"unix_socket_server\":{\"peer\":[0,2,0]},\"data\":\"x\"}\n"),
        (&["-j"], "{\"data\":\"x\",\"unix_socket_server\":[{\"peer\":2},{\"peer\":0}]}\n"),
        (&["--tag"], "0,2\tx\n"),
    ] {
        let mut server = serve_open(args);
        let mut peers = [(); 3].map(|()| connect(&server.path));
        for (number, peer) in peers.iter_mut().enumerate() {
            peer.write_all(b"hello\n").unwrap();
            server
                .peer
                .wait_stdout("hello", |out| out.split(|c| *c == b'\n').count() == number + 2);
        }
        server.peer.write(record);
        server.peer.close_stdin();
        assert_eq!(peers.each_mut().map(read_all), ["x\n", "", "x\n"], "{record}");
    }
}

/// The same with a message, which comes from the filter behind the server.
#[test]
fn a_message_goes_to_all_peers_in_its_field() {
    let mut server = serve_open(&["-o", "heka", "--to", "none"]);
    let mut peers = [(); 3].map(|()| connect(&server.path));
    for (number, peer) in peers.iter_mut().enumerate() {
        peer.write_all(b"hello\n").unwrap();
        server.peer.wait_stdout("a frame", |out| {
            out.windows(5).filter(|part| *part == b"hello").count() == number + 1
        });
    }
    let message = r#"{"Payload":"x","Fields":{"peer":[1,2]}}"#;
    let frame =
        sh(&format!("echo '{message}' | heka-encode -i json")).run().succeeds().stdout.clone();
    server.peer.write(&frame);
    server.peer.close_stdin();
    assert_eq!(peers.each_mut().map(read_all), ["", "x\n", "x\n"]);
}

/// The beginning of the next record does not delay a complete one.
#[test]
fn a_whole_record_does_not_wait_for_the_next() {
    let mut server = serve_open(&[]);
    let mut peers = [(); 2].map(|()| connect(&server.path));
    for peer in &mut peers {
        peer.write_all(b"hello\n").unwrap();
    }
    server.peer.wait_stdout_is("hello\nhello\n");
    server.peer.write("x\npart");
    peers.iter_mut().for_each(|peer| read_exactly(peer, "x\n"));
}
