// SPDX-License-Identifier: MIT OR Apache-2.0
//! Routes to a server: proxies, addresses given by hand.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::mpsc::{Receiver, channel};

use heka_tests::ws::{WsPeer, WsServer};
use heka_tests::{Tool, bindir, ceiling, require, skip_anywhere};

fn one_message(_: usize, mut peer: WsPeer) {
    let request = peer.accept();
    peer.text(heka_tests::ws::header(&request, "Host").unwrap_or_default());
    peer.close(1000, "");
}

/// A proxy that negotiates as specified, then connects the client to `port`, whatever it requested.
/// The channel gets the requests.
fn proxy(
    port: u16,
    negotiate: impl Fn(&mut TcpStream) -> Option<String> + Send + 'static,
) -> (u16, Receiver<String>) {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let own = listener.local_addr().unwrap().port();
    let (sender, seen) = channel();
    std::thread::spawn(move || {
        for mut client in listener.incoming().flatten() {
            client.set_read_timeout(Some(ceiling())).unwrap();
            let Some(asked) = negotiate(&mut client) else { continue };
            sender.send(asked).unwrap();
            let server = TcpStream::connect(("127.0.0.1", port)).unwrap();
            join(client.try_clone().unwrap(), server.try_clone().unwrap());
            join(server, client);
        }
    });
    (own, seen)
}

fn join(mut from: TcpStream, mut to: TcpStream) {
    std::thread::spawn(move || {
        let _ = std::io::copy(&mut from, &mut to);
        let _ = to.shutdown(std::net::Shutdown::Write);
    });
}

fn http(client: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let mut byte = [0];
        client.read_exact(&mut byte).ok()?;
        head.push(byte[0]);
    }
    let head = String::from_utf8(head).unwrap();
    if head.contains("Proxy-Authorization: Basic bWU6cHc=\r\n") {
        client.write_all(b"HTTP/1.1 200 Connection established\r\n\r\n").ok()?;
        return Some(head);
    }
    client.write_all(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n").ok()?;
    None
}

/// RFC 1928 and 1929: requires the name `me` and the password `pw`.
fn socks(client: &mut TcpStream) -> Option<String> {
    let take = |len: u8| {
        let mut bytes = vec![0; usize::from(len)];
        client.try_clone().unwrap().read_exact(&mut bytes).ok()?;
        Some(bytes)
    };
    let count = take(2)?[1];
    if !take(count)?.contains(&2) {
        client.write_all(&[5, 0xff]).ok()?;
        return None;
    }
    client.try_clone().unwrap().write_all(&[5, 2]).ok()?;
    let name_len = take(2)?[1];
    let name = take(name_len)?;
    let password_len = take(1)?[0];
    let right = name == b"me" && take(password_len)? == b"pw";
    client.try_clone().unwrap().write_all(&[1, u8::from(!right)]).ok()?;
    let kind = take(4)?[3];
    let host = match kind {
        1 => format!("{:?}", take(4)?),
        3 => {
            let len = take(1)?[0];
            String::from_utf8(take(len)?).unwrap()
        }
        _ => return None,
    };
    take(2)?;
    client.write_all(&[5, 0, 0, 1, 0, 0, 0, 0, 0, 0]).ok()?;
    Some(host)
}

fn ws(url: &str) -> Tool {
    Tool::new("ws-source").args(["--retry", "0", url])
}

#[test]
fn an_http_proxy_with_a_password_from_the_environment() {
    let server = WsServer::start(one_message);
    let (port, seen) = proxy(server.port, http);
    let url = "ws://feed.test:81/";
    ws(url)
        .env("http_proxy", format!("http://me:pw@127.0.0.1:{port}"))
        .run()
        .succeeds()
        .stdout_is("feed.test:81\n");
    assert!(seen.recv().unwrap().starts_with("CONNECT feed.test:81 HTTP/1.1\r\n"));
    let refused = ws(url).args(["-x", &format!("http://127.0.0.1:{port}")]).run();
    refused.exits(3).stderr_has("407").stderr_has("ALL_PROXY");
    let args = ["-x".to_owned(), format!("http://me:pw@127.0.0.1:{port}")];
    let usage = ws(url).args(args).run();
    usage.exits(2);
    assert!(!usage.err().contains("me:pw"), "{usage}");
}

#[test]
fn tls_goes_through_a_proxy_to_the_end() {
    let server = WsServer::tls(false, one_message);
    let (port, _seen) = proxy(server.port, http);
    let ca = heka_tests::vector("tls").join("ca.pem");
    ws("wss://feed.test/")
        .arg("--ca-file")
        .arg(ca)
        .env("HTTPS_PROXY", format!("http://me:pw@127.0.0.1:{port}"))
        .run()
        .succeeds()
        .stdout_is("feed.test\n");
}

#[test]
fn a_socks_proxy_looks_the_name_up_or_not() {
    let server = WsServer::start(one_message);
    let (port, seen) = proxy(server.port, socks);
    ws("ws://feed.test/")
        .env("ALL_PROXY", format!("socks5h://me:pw@127.0.0.1:{port}"))
        .run()
        .succeeds()
        .stdout_is("feed.test\n");
    assert_eq!(seen.recv().unwrap(), "feed.test");
    ws("ws://feed.test/")
        .args(["--resolve", "feed.test:80:10.1.2.3"])
        .env("ALL_PROXY", format!("socks5://me:pw@127.0.0.1:{port}"))
        .run()
        .succeeds();
    assert_eq!(seen.recv().unwrap(), "[10, 1, 2, 3]");
    ws("ws://feed.test/")
        .args(["-x", &format!("socks5h://127.0.0.1:{port}")])
        .run()
        .exits(3)
        .stderr_has("wants a name and a password");
}

#[test]
fn a_proxy_that_cannot_be_used_matters_only_where_it_would_be() {
    let server = WsServer::start(one_message);
    let all = || ("ALL_PROXY", "socks://127.0.0.1:1");
    ws(&server.url("/")).env(all().0, all().1).run().succeeds();
    ws("ws://far.invalid/")
        .env(all().0, all().1)
        .run()
        .exits(2)
        .stderr_has("ALL_PROXY: unknown proxy scheme 'socks' (http, socks5, socks5h)");
    // For a CGI program it is a header of its caller's.
    let resolve = ["--resolve", &format!("feed.test:{}:127.0.0.1", server.port)];
    ws(&format!("ws://feed.test:{}/", server.port))
        .args(resolve)
        .env("HTTP_PROXY", "http://127.0.0.1:1")
        .env("REQUEST_METHOD", "GET")
        .run()
        .succeeds();
    for list in [&format!("feed.test:{}", server.port), ".test", "10.0.0.0/8,*"] {
        ws(&format!("ws://feed.test:{}/", server.port))
            .args(resolve)
            .env("HTTP_PROXY", "http://127.0.0.1:1")
            .env("NO_PROXY", list)
            .run()
            .succeeds();
    }
}

#[test]
fn an_address_can_be_given_by_hand() {
    let server = WsServer::start(one_message);
    let at = format!("feed.test:{}", server.port);
    ws(&format!("ws://{at}/"))
        .args(["--resolve", &format!("{at}:127.0.0.1")])
        .run()
        .succeeds()
        .stdout_is(at + "\n");
}

/// Refuses clients at a link-local address, and prints what they ask for.
const LINK_LOCAL: &str = r#"
import errno, fcntl, socket, struct, subprocess, sys
server = socket.socket(socket.AF_INET6)
fcntl.ioctl(server, 0x8914, struct.pack("16sh22x", b"lo", 1))
own = socket.inet_pton(socket.AF_INET6, "fe80::1")
fcntl.ioctl(server, 0x8916, struct.pack("=16sIi", own, 64, 1))
while True:
    # The kernel takes the address into use a moment later.
    try:
        server.bind(("fe80::1", 0, 0, 1))
        break
    except OSError as error:
        if error.errno != errno.EADDRNOTAVAIL:
            raise
server.listen()
port = server.getsockname()[1]
for zone in "%25lo", "%lo":
    url = f"ws://[fe80::1{zone}]:{port}/a"
    client = subprocess.Popen([sys.argv[1], "--retry", "0", url])
    peer = server.accept()[0]
    print(peer.recv(65536).decode().replace(str(port), "PORT"))
    peer.sendall(b"HTTP/1.1 403 No\r\nContent-Length: 0\r\n\r\n")
    client.wait()
"#;

#[test]
fn an_address_may_have_a_zone() {
    if !require("unshare") || !require("python3") {
        return;
    }
    let tool = Tool::at("/usr/bin/unshare").args(["-Urn", "python3", "-c", LINK_LOCAL]);
    let outcome = tool.arg(bindir().join("ws-source")).run();
    if ["unshare: ", "OSError: "].iter().any(|cause| outcome.err().contains(cause)) {
        return skip_anywhere("user namespaces are not allowed, or there is no IPv6");
    }
    let outcome = outcome.succeeds().stderr_has("HTTP 403 No\n");
    // The zone is for us alone.
    let asked = "GET /a HTTP/1.1\r\nHost: [fe80::1]:PORT\r\n";
    assert_eq!(outcome.out().matches(asked).count(), 2, "{}", outcome.out());
}
