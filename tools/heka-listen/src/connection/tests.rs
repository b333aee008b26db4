// SPDX-License-Identifier: MIT OR Apache-2.0

use std::io::Write as _;
use std::os::unix::net::UnixStream;

use clap::Parser as _;
use heka_core::codec::{Encoder, Form, Settings};
use socket2::Socket;

use super::*;
use crate::cli::Cli;

#[test]
fn no_byte_of_a_long_line_is_searched_twice() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("out");
    let cli = Cli::parse_from(["heka-listen", "--write", path.to_str().unwrap()]);
    let plan = cli.plan().unwrap();
    let out = plan.write.open(false).unwrap();
    let encoder = Encoder::new(Form::Raw, Settings::default());
    let mut intake = Intake::new(&plan, out, encoder, None, None);
    let (mut near, far) = UnixStream::pair().unwrap();
    far.set_nonblocking(true).unwrap();
    let stream = Stream::plain(Socket::from(far));
    let (peer, way, arrivals) = (String::new(), Transport::Unix, Arrivals::default());
    let newcomer = Newcomer { stream, peer, way, arrivals, program: None };
    let mut connection = Connection::new(newcomer, InputForm::Lines, &intake);
    let mut buffer = vec![0; 64 * 1024];
    let mut expected = Vec::new();
    // Short rests are copied in front of the next read, long ones are not.
    for len in [10, SHORT + 10] {
        for _ in 0..len.div_ceil(1000) {
            near.write_all(&vec![b'x'; len.min(1000)]).unwrap();
            connection.read(&mut buffer, &mut intake).unwrap();
        }
        // Nobody would notice it.
        let mut rest = connection.rest.data().to_vec();
        rest[5] = b'\n';
        connection.rest.set(&rest);
        expected.extend_from_slice(&rest);
        near.write_all(b"y\nz").unwrap();
        connection.read(&mut buffer, &mut intake).unwrap();
        expected.extend_from_slice(b"y\n");
        assert_eq!(connection.rest.data(), b"z");
    }
    intake.out.flush().unwrap();
    assert_eq!(std::fs::read(&path).unwrap(), expected);
}
