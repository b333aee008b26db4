// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats of other programs: little-endian lengths, docker's attach stream, journald's export
//! format, GELF in chunks, several records in a datagram, compressed records.

use std::io::Write;

use heka_tests::unix::connect;
use heka_tests::{Peer, require};

use crate::interop::place;
use crate::sockets::serve;

/// Returns what a server prints of `stream`, which two peers send at once and byte by byte.
fn printed(args: &[&str], stream: &[u8], lines: usize) -> String {
    let server = serve(args, |tool| tool);
    connect(&server.path).write_all(stream).unwrap();
    let is_there = |lines| move |out: &[u8]| out.iter().filter(|c| **c == b'\n').count() == lines;
    let once = server.peer.wait_stdout("all", is_there(lines));
    let mut slow = connect(&server.path);
    for byte in stream {
        slow.write_all(&[*byte]).unwrap();
    }
    drop(slow);
    let twice = server.peer.wait_stdout("the same again", is_there(2 * lines));
    let [once, twice] = [once, twice].map(|text| String::from_utf8(text).unwrap());
    assert_eq!(twice[once.len()..].replace("\"peer\":1", "\"peer\":0"), once);
    once
}

#[test]
fn lengths_may_be_little_endian() {
    for (framing, stream) in [
        ("len16le", &b"\x03\0one\0\0\x03\0two"[..]),
        ("len32le", b"\x03\0\0\0one\0\0\0\0\x03\0\0\0two"),
        ("len64le", b"\x03\0\0\0\0\0\0\0one\0\0\0\0\0\0\0\0\x03\0\0\0\0\0\0\0two"),
    ] {
        assert_eq!(printed(&["--framing", framing], stream, 3), "one\n\ntwo\n", "{framing}");
        let place = place();
        let server = place.serve(&["--framing", "none"]);
        place.client(&["--framing", framing], "one\n\ntwo\n").succeeds();
        server.wait_stdout_is(stream);
    }
}

/// The stream of `docker attach`, or of `GET /containers/ID/logs`, of a container without a
/// terminal.
#[test]
fn docker_streams_are_read_and_written() {
    let stream = b"\x01\0\0\0\0\0\0\x04out\n\x02\0\0\0\0\0\0\x03err\x01\0\0\0\0\0\0\x01\n";
    assert_eq!(printed(&["--framing", "docker"], stream, 3), "out\nerr\n\n");
    let place = place();
    let server = place.serve(&["--framing", "none"]);
    place.client(&["--framing", "docker"], "out\n").succeeds();
    server.wait_stdout_is(&stream[..12]);
    let server = serve(&["--framing", "docker"], |tool| tool);
    connect(&server.path).write_all(b"HTTP/1.1 200 OK\r\n").unwrap();
    server.peer.wait_stderr("offset 0: expected the header of a docker stream; connection closed");
}

/// The output of `journalctl -o export`: a field may contain what would otherwise end its entry.
#[test]
fn entries_of_the_journal_stay_whole() {
    let entries = b"A=1\nMESSAGE\n\x05\0\0\0\0\0\0\0x\n\ny=\nB=2\n\nC=3\n\n";
    assert_eq!(printed(&["--framing", "journal"], entries, 9).as_bytes(), entries);
    let json = printed(&["--framing", "journal", "-j"], entries, 2);
    let data: Vec<&str> =
        json.lines().map(|line| line.rsplit("\"data\":").next().unwrap()).collect();
    let first = "\"A=1\\nMESSAGE\\n\\u0005\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000\\u0000x\\n\\ny=\\nB=2\\n\"}";
    assert_eq!(data, [first, "\"C=3\\n\"}"]);
    let place = place();
    let server = place.serve(&["--framing", "none"]);
    place.client(&["--framing", "journal", "-j"], "{\"data\":\"C=3\"}\n").succeeds();
    server.wait_stdout_is("C=3\n\n");
}

fn lines(server: &Peer, count: usize) -> Vec<usize> {
    let out = server.wait_stdout("all", |out| out.iter().filter(|c| **c == b'\n').count() == count);
    String::from_utf8(out).unwrap().lines().map(str::len).collect()
}

/// As Graylog's senders do it: compressed, in chunks of any size, in any order.
#[test]
fn gelf_is_put_together() {
    if !require("python3") {
        return;
    }
    let place = place();
    let server = place.serve(&["--type", "dgram", "--framing", "gelf", "--compress", "zlib"]);
    let script = "import os, socket, zlib
s = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM); s.connect(os.environ[\"S\"])
def send(message, id, size):
    parts = [message[at:at + size] for at in range(0, len(message), size)]
    chunks = [b\"\\x1e\\x0f\" + id + bytes([n, len(parts)]) + part for n, part in enumerate(parts)]
    for chunk in chunks[::-1]: s.send(chunk)
s.send(b\"{}\")
s.send(zlib.compress(b\"{\" + 98 * b\" \" + b\"}\"))
send(b\"x\" * 5000, b\"11111111\", 50)
send(zlib.compress(os.urandom(3000).hex().encode()), b\"22222222\", 999)
s.send(b\"\\x1e\\x0f44444444\\x00\\x02lost\")
s.send(b\"\\x1e\\x0f55555555\\x05\\x02wrong\")";
    place.line(&format!("python3 -c '{script}'")).run().succeeds();
    assert_eq!(lines(&server, 4), [2, 100, 5000, 6000]);
    server.wait_stderr("peer 0: GELF chunk with a wrong number");
    // A message too long for a datagram of Graylog's is sent in chunks.
    let client = ["--type", "dgram", "--framing", "gelf"];
    place.client(&client, [&[b'y'; 20_000][..], b"\n{}\n"].concat()).succeeds();
    assert_eq!(lines(&server, 6)[4..], [20_000, 2]);
    let long = vec![b'z'; 128 * 8180 + 1];
    place.client(&client, long).exits(1).stderr_has("1047041 bytes does not fit 128 GELF chunks");
    let ended = server.into_running().end_by(heka_tests::Signal::SIGTERM);
    ended.stderr_has("1 more warning like this suppressed");
}

#[test]
fn a_datagram_may_hold_several_records() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "-j"]);
    let pack = |size| ["--type", "dgram", "--pack", size];
    place.client(&pack("6"), "1\n2\n3\n4\nlonger than it\n5\n").succeeds();
    let out = server.wait_stdout("all", |out| out.ends_with(b"\"5\"}\n"));
    let out = String::from_utf8(out).unwrap();
    let data: Vec<&str> =
        out.lines().map(|line| line.rsplit("\"data\":").next().unwrap()).collect();
    assert_eq!(data, ["\"1\\n2\\n3\"}", "\"4\"}", "\"longer than it\"}", "\"5\"}"]);
    drop(server);
    let server = place.serve(&["--type", "dgram", "--framing", "lines"]);
    place.client(&pack("1K"), "1\n2\n3\n").succeeds();
    server.wait_stdout_is("1\n2\n3\n");
}

#[test]
fn each_record_may_be_compressed() {
    let place = place();
    let server = place.serve(&["--type", "dgram", "--compress", "zstd"]);
    for program in ["gzip", "zstd"] {
        if require(program) && require("socat") {
            let line = format!("printf 'by {program}' | {program} -c | socat -u - UNIX-SENDTO:$S");
            place.line(&line).run().succeeds();
            server.wait_stdout(program, |out| out.ends_with(format!("by {program}\n").as_bytes()));
        }
    }
    drop(server);
    let server = place.serve(&["--framing", "len32", "--compress", "gzip", "--echo"]);
    for method in ["gzip", "zstd"] {
        let args = ["--framing", "len32", "--compress", method];
        place.client(&args, "one\n\ntwo\n").succeeds().stdout_is("one\n\ntwo\n");
    }
    // Records that unpack to too much, or are damaged, are reported.
    drop(server);
    let server = place.serve(&["--framing", "len32", "--compress", "gzip", "--max-record", "9K"]);
    let args = ["--framing", "len32", "--compress", "gzip"];
    place.client(&args, [&[b'x'; 10_000][..], b"\nok\n"].concat()).succeeds();
    server.wait_stdout_is("ok\n");
    server.wait_stderr("peer 0: gzip: unpacked to more than 9216 bytes (--max-record)");
}
