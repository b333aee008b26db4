// SPDX-License-Identifier: MIT OR Apache-2.0

use std::io::Write as _;
use std::os::unix::net::UnixStream;
use std::path::Path;

use clap::Parser as _;
use heka_core::codec::{Encoder, Form, Settings};
use heka_core::net::Stream;

use super::*;
use crate::cli::Cli;
use crate::numbers::Arrivals;
use crate::transport::Transport;

fn server(path: &Path) -> Server {
    let cli = Cli::parse_from(["heka-listen", "--write", path.to_str().unwrap(), "-o", "payload"]);
    let plan = cli.plan().unwrap();
    let out = plan.write.open(false).unwrap();
    let encoder = Encoder::new(Form::Payload, Settings::default());
    let intake = Intake::new(&plan, out, encoder, None, None);
    Server::new(&plan, Vec::new(), intake).unwrap()
}

fn connect(server: &mut Server) -> UnixStream {
    let (near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let stream = Stream::plain(far.into());
    let (peer, way, arrivals) = ("peer".to_owned(), Transport::Unix, Arrivals::default());
    server.welcome(Newcomer { stream, peer, way, arrivals, program: None }).unwrap();
    near
}

#[test]
fn what_takes_long_to_read_keeps_nobody_else_waiting() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let mut server = server(&path);
    // Headers in each other's messages, all of them longer than what comes.
    let mut hostile = connect(&mut server);
    let headers = b"\x7a\x07\x1e\x04\x08\xc0\x84\x3d\x1f".repeat(7000);
    hostile.write_all(&headers[2..]).unwrap();
    for _ in 0..8 {
        server.serve_all().unwrap();
        hostile.write_all(&headers).unwrap();
    }
    server.serve_all().unwrap();
    drop(hostile);
    // It is at its end now, and much of it is left.
    server.serve_all().unwrap();
    assert_eq!((server.senders.count(), server.busy.len()), (1, 1));
    connect(&mut server).write_all(b"a line\n").unwrap();
    server.serve_all().unwrap();
    assert_eq!(std::fs::read_to_string(&path).unwrap(), "a line\n");
    let mut turns = 0;
    while server.senders.count() > 0 {
        assert!(!server.busy.is_empty());
        server.serve_all().unwrap();
        turns += 1;
    }
    assert!(turns > 2, "{turns}");
    assert!(server.intake.failed);
}
