// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any answer of a proxy, HTTP or SOCKS5, to a request for a tunnel: it is refused or accepted, and
//! the data after an accepted answer is left for the user of the tunnel.

use std::io::{Read as _, Write as _};
use std::net::Shutdown;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;

use heka_core::net::{HostPort, Proxy};

const PROXIES: [&str; 4] = ["http://p", "http://n:w@p", "socks5h://p", "socks5://n:w@p"];
const BEHIND: &[u8] = b"the first bytes of the tunnel";

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, answer)) = input.split_first() else { return };
    if answer.len() > 60_000 {
        return;
    }
    let proxy = Proxy::parse(PROXIES[usize::from(choice % 4)]).expect("a proxy");
    let host = if choice & 4 == 0 { "logs.example.com" } else { "192.0.2.1" };
    let to = HostPort { host: host.to_owned(), port: 5565 };
    let (mut server, client) = UnixStream::pair().expect("a pair of sockets");
    server.write_all(answer).expect("room");
    server.write_all(BEHIND).expect("room");
    server.shutdown(Shutdown::Write).expect("an open socket");
    let socket = OwnedFd::from(client).into();
    if proxy.tunnel(&socket, &to, None).is_ok() {
        let mut rest = Vec::new();
        (&socket).read_to_end(&mut rest).expect("an open socket");
        let all = [answer, BEHIND].concat();
        let head = all.strip_suffix(rest.as_slice()).expect("what follows the answer");
        let is_http = choice % 4 < 2;
        assert!(!is_http || head.ends_with(b"\r\n\r\n"), "{}", head.escape_ascii());
    }
}
