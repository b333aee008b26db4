// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of heka-send: output form, timeouts, routes.

use std::fs;
use std::io::{Read, Write};
use std::net::{SocketAddr, TcpListener, TcpStream};
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use heka_tests::{
    DeadEnd, Fault, Outcome, Peer, Proxy, Running, SECRET, Signal, Tool, accept, ceiling,
    eventually, free_port,
};

const FAST: [&str; 2] = ["--retry-delay=20ms", "--retry-jitter=0ms"];

fn listen() -> (TcpListener, String) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    (listener, address)
}

/// Returns the data of one connection.
fn all_of(mut stream: TcpStream) -> Vec<u8> {
    let mut bytes = Vec::new();
    stream.read_to_end(&mut bytes).expect("to the end");
    bytes
}

/// Returns the data sent with these arguments and this input.
fn wire(args: &[&str], input: &[u8]) -> (Outcome, Vec<u8>) {
    let (listener, address) = listen();
    let sender = Tool::new("heka-send").args(args).arg(address).stdin(input).spawn();
    let bytes = all_of(accept(&listener));
    (sender.finish(), bytes)
}

fn frames(text: &str, args: &[&str]) -> Vec<u8> {
    Tool::new("heka-encode").args(args).stdin(text).run().succeeds().stdout.clone()
}

#[test]
fn payloads_have_line_ends_as_asked() {
    let whole = frames("one\n", &["--no-chomp"]);
    let bare = frames("two\n", &[]);
    let both = [whole, bare].concat();
    for (args, expected) in [
        (&["-opayload"][..], "one\ntwo\n"),
        (&["-opayload", "--newlines=always"], "one\n\ntwo\n"),
        (&["-opayload", "--newlines=never"], "one\ntwo"),
        (&["-opayload", "-0"], "one\n\0two\0"),
    ] {
        let (sent, bytes) = wire(args, &both);
        sent.succeeds();
        assert_eq!(String::from_utf8_lossy(&bytes), expected, "{args:?}");
    }
}

#[test]
fn the_form_of_the_input_is_found_out_or_given() {
    let frame = frames("a frame\n", &[]);
    let (_, found) = wire(&[], &frame);
    assert_eq!(found, frame);
    // With -i lines, the frame is taken for the beginning of a line.
    let (_, lines) = wire(&["-ilines", "-opayload"], &[&frame[..], b"\n"].concat());
    assert_eq!(lines, [&frame[..], b"\n"].concat());
    let (damaged, nothing) = wire(&["-iheka"], b"no frame\n");
    damaged.exits(1).stderr_has("not a frame");
    assert!(nothing.is_empty());
    let (_, raw) = wire(&["-oraw"], b"\x1e\0any bytes");
    assert_eq!(raw, b"\x1e\0any bytes");
    let (_, nul) = wire(&["-0", "-opayload", "-ilines"], b"one\ntwo\0three\0");
    assert_eq!(nul, b"one\ntwo\0three\0");
}

#[test]
fn counts_and_sizes_have_limits() {
    let (sent, bytes) = wire(&["-n2", "-opayload"], b"1\n2\n3\n");
    sent.succeeds();
    assert_eq!(bytes, b"1\n2\n");
    let text = format!("short\n{}\n", "x".repeat(500));
    let (sent, bytes) =
        wire(&["--max-message-size=300", "-opayload"], &frames(&text, &["--max-message-size=1K"]));
    sent.exits(1).stderr_has("message longer than the limit");
    assert_eq!(bytes, b"short\n");
}

#[test]
fn signatures_use_the_hash_asked_for() {
    let folder = heka_tests::scratch();
    fs::write(folder.path().join("key"), "k\n").expect("a file");
    fs::write(folder.path().join("keys"), "ops_0 k\n").expect("a file");
    let args = ["127.0.0.1:0", "-n1", "--hmac-keys=keys", "-oheka"];
    let listener = Peer::with("heka-listen", args, |tool| tool.dir(folder.path()));
    let args = ["--signer=ops", "--hmac-hash=sha1", "--hmac-key-file=key", &listener.addr];
    Tool::new("heka-send").dir(folder.path()).args(args).stdin("x\n").run().succeeds();
    let frame = listener.into_running().finish().succeeds().stdout.clone();
    // Member 3 of the header is the hash, 1 is SHA1, whose digest has 20 bytes.
    assert!(frame.windows(2).any(|pair| pair == [0x18, 1]), "{frame:?}");
    assert!(frame.windows(2).any(|pair| pair == [0x32, 20]), "{frame:?}");
}

#[test]
fn each_connection_carries_so_many_messages() {
    let (listener, address) = listen();
    let tool = Tool::new("heka-send").args(["--reconnect-after=2", "-opayload", &address]);
    let sender = tool.stdin("1\n2\n3\n4\n5\n").spawn();
    let connections: Vec<_> = (0..3).map(|_| all_of(accept(&listener))).collect();
    assert_eq!(connections, [b"1\n2\n".to_vec(), b"3\n4\n".to_vec(), b"5\n".to_vec()]);
    sender.finish().succeeds();
}

#[test]
fn an_idle_connection_is_closed_and_the_next_message_makes_another() {
    let (listener, address) = listen();
    let tool = Tool::new("heka-send").args(["--idle-timeout=50ms", "-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    for text in ["one\n", "two\n"] {
        sender.write(text);
        assert_eq!(all_of(accept(&listener)), text.as_bytes());
    }
    sender.finish().succeeds();
}

/// Even if the peer reads only after heka-send has checked whether it did.
#[test]
fn an_idle_unix_connection_is_closed_too() {
    let folder = heka_tests::scratch();
    let path = folder.path().join("socket");
    let listener = UnixListener::bind(&path).expect("a socket");
    let address = format!("unix:{}", path.display());
    let tool = Tool::new("heka-send").args(["--idle-timeout=50ms", "-opayload", &address]);
    let mut sender = tool.stdin_open().spawn();
    for (text, count) in [("one\n", " 1 sent"), ("two\n", " 2 sent")] {
        sender.write(text);
        let (mut stream, _) = listener.accept().expect("a connection");
        eventually("it is sent", || sender.statistics().contains(count).then_some(()));
        stream.set_read_timeout(Some(ceiling())).expect("a timeout");
        let mut bytes = String::new();
        stream.read_to_string(&mut bytes).expect("an end in order");
        assert_eq!(bytes, text);
    }
    sender.finish().succeeds();
}

/// A connection with unacknowledged records is not idle, and waiting for them takes no processor
/// time.
#[test]
fn what_is_not_confirmed_keeps_the_connection_quietly() {
    let (listener, address) = listen();
    let tool = Tool::new("heka-send").args(["--idle-timeout=50ms", "--ack=peer", &address]);
    let mut sender = tool.stdin_open().spawn();
    sender.write("one\n");
    let mut stream = accept(&listener);
    stream.read_exact(&mut [0; 100]).expect("a number and the message");
    let (began, before) = (Instant::now(), sender.processor_time());
    eventually("it had the time to be busy", || {
        (began.elapsed() > Duration::from_secs(1)).then_some(())
    });
    let busy = sender.processor_time() - before;
    assert!(busy < Duration::from_millis(100), "{busy:?}");
    stream.set_nonblocking(true).expect("it");
    let rest = std::iter::from_fn(|| stream.read(&mut [0; 1000]).ok()).find(|len| *len == 0);
    assert_eq!(rest, None, "it closed the connection");
}

#[test]
fn a_peer_that_takes_nothing_is_given_up() {
    let (listener, address) = listen();
    let args = ["--write-timeout=300ms", "--in-flight=32M", "-oraw", address.as_str()];
    let sender = Tool::new("heka-send").args(FAST).args(args).stdin(vec![b'x'; 32 << 20]).spawn();
    let _stuck = accept(&listener);
    let said = sender.wait_stderr("retrying");
    let is_told = ["stopped accepting data", "Connection timed out"];
    assert!(is_told.iter().any(|words| said.contains(words)), "{said}");
    drop(accept(&listener));
}

#[test]
fn a_peer_that_confirms_nothing_is_given_up() {
    let (listener, address) = listen();
    let args = ["--ack=peer", "--write-timeout=200ms", address.as_str()];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("x\n");
    // It reads, so its kernel has everything.
    let deaf = accept(&listener);
    std::thread::spawn(move || all_of(deaf));
    sender.wait_stderr("stopped acknowledging, 1 message unacknowledged; retrying");
    sender.wait_stderr("hint: heka-listen acknowledges only with --ack");
    drop(accept(&listener));
}

#[test]
fn a_peer_that_vanishes_without_a_word_is_missed() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let proxy = Proxy::new(&listener.addr);
    let args = ["--ack=peer", "--write-timeout=300ms", &proxy.addr];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("one\n");
    listener.wait_stdout_is("one\n");
    proxy.inject(Fault::Vanish);
    sender.write("two\n");
    listener.wait_stdout_is("one\ntwo\n");
    sender.finish().succeeds();
    listener.wait_stdout_is("one\ntwo\n");
}

#[test]
fn connecting_takes_no_longer_than_allowed() {
    let dead = DeadEnd::new();
    let args = ["-w", "100ms", "--retry=0", &dead.addr];
    Tool::new("heka-send").args(args).stdin("x\n").run().exits(3).stderr_has("timed out");
}

#[test]
fn waits_grow_up_to_their_limit() {
    let address = format!("127.0.0.1:{}", free_port());
    let args = ["--retry=3", "--retry-delay=10ms", "--retry-growth=3", "--retry-max-delay=50ms"];
    let tool = Tool::new("heka-send").args(args).args(["--retry-jitter=0", &address]);
    let said = tool.stdin("x\n").run();
    let refused = format!("heka-send: {address}: Connection refused");
    let wait = |time: &str| format!("{refused}; retrying in {time}\n");
    said.exits(3).stderr_is(&format!(
        "{}{}{}{refused}\n",
        wait("10 ms"),
        wait("30 ms"),
        wait("50 ms")
    ));
}

#[test]
fn only_the_family_asked_for_is_used() {
    let six = Peer::new("heka-listen", ["[::1]:0", "-opayload"]);
    Tool::new("heka-send").args(["-6", &six.addr]).stdin("6\n").run().succeeds();
    six.wait_stdout_is("6\n");
    let none = Tool::new("heka-send").args(["-4", "--retry=0", &six.addr]).stdin("x\n").run();
    none.exits(3).stderr_has("no IPv4 address");
    let four = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let address = format!("localhost:{}", four.port());
    Tool::new("heka-send").args(["-4", &address]).stdin("4\n").run().succeeds();
    four.wait_stdout_is("4\n");
}

#[test]
fn the_port_of_the_source_can_be_chosen_too() {
    let (listener, address) = listen();
    let source = format!("127.0.0.1:{}", free_port());
    let sender = Tool::new("heka-send").args(["-s", &source, &address]).stdin("x\n").spawn();
    assert_eq!(accept(&listener).peer_addr().expect("an address").to_string(), source);
    drop(sender);
    let wrong = Tool::new("heka-send").args(["-s", "192.0.2.1", "--retry=0", &address]);
    wrong.stdin("x\n").run().exits(3).stderr_has("source 192.0.2.1:0: Cannot assign");
    Tool::new("heka-send").args(["-s", "here", &address]).run().exits(2).stderr_has("in numbers");
}

/// Whether keepalive is enabled on the idle connection whose local address is `local`.
fn is_looked_after(local: SocketAddr) -> bool {
    let port = format!(":{:04X}", local.port());
    let table = fs::read_to_string("/proc/net/tcp").expect("/proc/net/tcp");
    // Columns: number, local address, remote address, state, queues, timer:when …; timer 2 is that
    // of keepalive.
    table.lines().any(|line| {
        let words: Vec<_> = line.split_whitespace().collect();
        words.len() > 5
            && words[1].ends_with(&port)
            && words[3] == "01"
            && words[5].starts_with("02:")
    })
}

#[test]
fn the_system_looks_after_idle_connections_if_asked_to() {
    let (listener, address) = listen();
    let connect = |args: &[&str]| -> (Running, TcpStream) {
        let sender = Tool::new("heka-send").args(args).arg(&address).stdin_open().spawn();
        (sender, accept(&listener))
    };
    for (args, wanted) in
        [(&["--keepalive"][..], true), (&["--keepalive=1m"], true), (&["--ack=none"], false)]
    {
        let (sender, stream) = connect(args);
        let from = stream.peer_addr().expect("an address");
        assert_eq!(is_looked_after(from), wanted, "{args:?}");
        drop((sender, stream));
    }
    // The receiver's end.
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--keepalive=1m"]);
    let _stream = TcpStream::connect(&listener.addr).expect("a connection");
    let local: SocketAddr = listener.addr.parse().expect("an address");
    eventually("it looks after the sender", || is_looked_after(local).then_some(()));
}

/// Starts a proxy that answers one request with `answer` and then connects to `upstream`, if any;
/// returns its address and the request.
fn http_proxy(answer: &'static str, upstream: Option<String>) -> (String, JoinHandle<String>) {
    let (listener, address) = listen();
    let serve = move || {
        let mut client = accept(&listener);
        let mut request = Vec::new();
        let mut byte = [0];
        while !request.ends_with(b"\r\n\r\n") {
            client.read_exact(&mut byte).expect("a request");
            request.push(byte[0]);
        }
        client.write_all(answer.as_bytes()).expect("cannot write");
        if let Some(upstream) = upstream {
            let mut server = TcpStream::connect(upstream).expect("cannot connect");
            std::io::copy(&mut client, &mut server).expect("records");
        }
        String::from_utf8(request).expect("text")
    };
    (address, std::thread::spawn(serve))
}

#[test]
fn the_environment_names_a_proxy_with_its_password() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"]);
    let (proxy, request) = http_proxy("HTTP/1.1 200 Fine\r\n\r\n", Some(listener.addr.clone()));
    let send = |proxy: &str, args: &[&str]| {
        let tool = Tool::new("heka-send").env("ALL_PROXY", format!("http://me:{SECRET}@{proxy}"));
        tool.args(["--retry=0", "heka.invalid:5565"]).args(args).stdin("x\n")
    };
    send(&proxy, &["-vv"]).run().succeeds();
    listener.wait_stdout_is("x\n");
    let request = request.join().expect("the proxy");
    assert!(request.starts_with("CONNECT heka.invalid:5565 HTTP/1.1\r\n"), "{request}");
    // me:s3cr3t in base64.
    assert!(request.contains("Proxy-Authorization: Basic bWU6czNjcjN0\r\n"), "{request}");
    // These hosts are contacted without the proxy, so not at all.
    send("127.0.0.1:1", &["--no-proxy"]).run().exits(3).stderr_has("heka.invalid:5565: ");
    let except = send("127.0.0.1:1", &[]).env("NO_PROXY", "other.example,.invalid");
    let said = except.run();
    assert!(!said.exits(3).err().contains("refused"), "{said}");
    // The proxy is for other machines only.
    let here = Tool::new("heka-send").env("ALL_PROXY", "http://127.0.0.1:1").arg(&listener.addr);
    here.stdin("here\n").run().succeeds();
    listener.wait_stdout_is("x\nhere\n");
}

#[test]
fn a_proxy_that_refuses_is_told_with_what_helps() {
    let (proxy, _) = http_proxy("HTTP/1.1 407 Proxy Authentication Required\r\n\r\n", None);
    let args = ["-x", &proxy, "--retry=0", "heka.invalid:1"];
    let said = Tool::new("heka-send").args(args).stdin("x\n").run();
    said.exits(3).stderr_has("407 Proxy Authentication Required").stderr_has("ALL_PROXY");
    let (proxy, _) = http_proxy("HTTP/1.1 403 No\r\n\r\n", None);
    let args = ["-x", &proxy, "--retry=0", "heka.invalid:1"];
    let said = Tool::new("heka-send").args(args).stdin("x\n").run();
    said.exits(3).stderr_has("refuses a tunnel to heka.invalid:1: 403 No");
}

/// Sends a line to a peer that dies before it has read it from its kernel.
fn dies_with(peer: Peer, sender: &mut Running, line: &str, sent: &str) {
    peer.signal(Signal::SIGSTOP);
    sender.write(line);
    eventually("its kernel has it", || sender.statistics().contains(sent).then_some(()));
    peer.into_running().end_by(Signal::SIGKILL);
}

#[test]
fn another_address_takes_over_and_gets_what_was_not_confirmed() {
    let first = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let second = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let args = ["--ack=peer", &first.addr, &second.addr];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("one\n");
    first.wait_stdout_is("one\n");
    eventually("it is acknowledged", || {
        sender.statistics().contains(" 1 acknowledged").then_some(())
    });
    dies_with(first, &mut sender, "two\n", " 2 sent, 1 acknowledged");
    second.wait_stdout_is("two\n");
    sender.write("three\n");
    sender.finish().succeeds();
    second.wait_stdout_is("two\nthree\n");
}

#[test]
fn one_of_several_peers_may_come_back_and_gets_everything() {
    let live = Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let address = format!("127.0.0.1:{}", free_port());
    let args = ["--to=all", "--ack=peer", &live.addr, &address];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("1\n2\n");
    live.wait_stdout_is("1\n2\n");
    // It starts late.
    let other = Peer::new("heka-listen", [&address, "-opayload", "--ack"]);
    other.wait_stdout_is("1\n2\n");
    eventually("both confirm", || sender.statistics().contains(" 2 acknowledged").then_some(()));
    dies_with(other, &mut sender, "3\n", " 3 sent, 2 acknowledged");
    live.wait_stdout_is("1\n2\n3\n");
    sender.write("4\n");
    live.wait_stdout_is("1\n2\n3\n4\n");
    // It comes back.
    let other = Peer::new("heka-listen", [&address, "-opayload", "--ack"]);
    other.wait_stdout_is("3\n4\n");
    sender.finish().succeeds();
    live.wait_stdout_is("1\n2\n3\n4\n");
}

#[test]
fn a_peer_that_is_given_up_costs_the_others_nothing() {
    let text: String = (0..5000).map(|number| format!("line {number}\n")).collect();
    let peer = || Peer::new("heka-listen", ["127.0.0.1:0", "-opayload", "--ack"]);
    let (live, dying, absent) = (peer(), peer(), format!("127.0.0.1:{}", free_port()));
    // Before both are abandoned, there is room for only some of the lines.
    let args = ["--to=all", "--ack=peer", "--retry=2", "--in-flight=4K"];
    let tool = Tool::new("heka-send").args(FAST).args(args);
    let mut sender = tool.args([&dying.addr, &live.addr, &absent]).stdin_open().spawn();
    sender.write("first\n");
    live.wait_stdout_is("first\n");
    dying.wait_stdout_is("first\n");
    sender.wait_stderr(&format!("{absent}: given up; the others get the rest"));
    let gone = dying.addr.clone();
    dying.into_running().end_by(Signal::SIGKILL);
    sender.write(&text);
    let said = sender.finish();
    said.exits(3).stderr_has(&format!("{gone}: given up; the others get the rest"));
    live.wait_stdout_is(format!("first\n{text}"));
}

#[test]
fn what_happens_to_connections_is_told_if_asked() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "-v", "-opayload"]);
    let proxy = Proxy::new(&listener.addr);
    let args = ["-v", "--stats", "--ack=peer", &proxy.addr];
    let mut sender = Tool::new("heka-send").args(FAST).args(args).stdin_open().spawn();
    sender.write("one\ntwo\n");
    listener.wait_stdout_is("one\ntwo\n");
    listener.wait_stderr(": connected");
    proxy.inject(Fault::Reset);
    sender.wait_stderr("Connection reset by peer; retrying in 20 ms");
    sender.write("three\n");
    listener.wait_stdout_is("one\ntwo\nthree\n");
    let said = sender.finish();
    said.succeeds().stderr_has(": connected\n");
    said.stderr_has("3 messages acknowledged").stderr_has("3 sent, 3 acknowledged, ");
    said.stderr_has(" resent, 0 dropped, 2 connections");
    listener.wait_stderr("closed, 1 message acknowledged");
    listener.signal(Signal::SIGUSR1);
    let said = eventually("statistics", || {
        Some(listener.stderr()).filter(|text| text.contains(" bytes in"))
    });
    assert!(said.contains("3 acknowledged, 0 repeated, 2 connections"), "{said}");
}

#[test]
fn a_datagram_that_is_too_large_costs_the_status() {
    let address = format!("udp://127.0.0.1:{}", free_port());
    let socket = std::net::UdpSocket::bind(address.trim_start_matches("udp://")).expect("a port");
    let text = format!("{}\nsmall\n", "x".repeat(70_000));
    let long = frames(&text, &["--max-record=1M"]);
    let sent = Tool::new("heka-send").arg(&address).stdin(long).run();
    sent.exits(1).stderr_has("does not fit a datagram, dropped");
    socket.set_read_timeout(Some(ceiling())).expect("a timeout");
    let mut buffer = [0; 1000];
    let len = socket.recv(&mut buffer).expect("the small one");
    Tool::new("heka-decode").stdin(&buffer[..len]).run().succeeds().stdout_is("small\n");
    // No message is made of text that does not fit.
    let listener = Peer::new("heka-listen", ["udp://127.0.0.1:0", "-opayload", "-n3"]);
    Tool::new("heka-send").arg(&listener.addr).stdin(text.clone()).run().succeeds();
    let end = listener.into_running().finish();
    assert_eq!(end.succeeds().out().replace('\n', ""), text.replace('\n', ""));
}

#[test]
fn a_signal_ends_it_at_any_moment() {
    let started = Instant::now();
    let (listener, address) = listen();
    for args in [["--linger=1h", "--ack=peer"], ["--linger=1h", "--ack=kernel"]] {
        let tool = Tool::new("heka-send").args(args).arg(&address).stdin("x\n");
        let sender = tool.spawn();
        // The peer neither acknowledges nor closes.
        let _stream = accept(&listener);
        sender.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    }
    assert!(started.elapsed() < ceiling());
}
