// SPDX-License-Identifier: MIT OR Apache-2.0
//! The harness of the whole-tool tests: runs tools and pipelines as their users do.
//!
//! - [`Tool`] is one call: arguments, standard input, a cleared environment, a folder of its own;
//!   [`Tool::run`] gives an [`Outcome`] to assert on, [`Tool::spawn`] a [`Running`] process.
//! - [`sh`] is the same for a shell line, so for whole pipelines.
//! - [`Peer`] is a running tool that has said through `--ready-fd` where it listens.
//! - [`Proxy`] stands between two of them and misbehaves; a [`SmallDisk`] is full when it should;
//!   nobody ever answers at a [`DeadEnd`].
//! - [`Nats`] is a NATS server that can be killed and started again; [`Tansu`] and [`Mock`] are brokers
//!   that speak Kafka's protocol. What is asked of all brokers alike begins with [`Broker`]; [`soak`]
//!   harms them at random.
//! - [`playback::Playback`] plays what real servers once sent; [`tls_front`] puts TLS in front of it.
//! - [`scene::Scene`] is a folder with logs for heka-tail.
//! - [`Pty`] runs a tool on a terminal.
//! - [`unix`] has unix-sock as a server, and connections to it.
//! - [`ws::WsServer`] is a WebSocket server controlled by a script, correct or not.
//! - [`page`] extracts the examples of the man pages and the README.
//! - [`Random`] generates reproducible schedules; [`rest`] paces a writer.
//! - [`put_program`] makes a program that can be run at once.
//! - [`require`] skips a test whose program is not installed; [`eventually`] waits for a condition.
//!
//! No test sleeps for a fixed time: every wait is for an event and fails at [`ceiling`].

mod bindir;
mod broker;
mod certificates;
mod dead_end;
mod disk;
mod frames;
mod kafka;
mod nats;
mod outcome;
pub mod page;
mod peer;
pub mod playback;
mod program;
mod proxy;
mod pty;
mod random;
mod running;
mod sasl;
pub mod scene;
mod skip;
pub mod soak;
mod tls;
mod tool;
pub mod unix;
mod wait;
pub mod ws;

use std::net::{TcpListener, TcpStream};
use std::sync::atomic::{AtomicU32, Ordering};

pub use bindir::{bindir, system_path};
pub use broker::{
    Broker, Stoppable, each_once, ends_though_frozen, flows, goes_elsewhere, goes_through,
    is_not_its_own_broker, lines, outlives_its_helpers, payloads, queue_before, reports_damage,
    sorted, takes_over, written_all_the_same,
};
pub use certificates::certificates;
pub use dead_end::DeadEnd;
pub use disk::{SmallDisk, StoppableDisk};
pub use kafka::{Mock, Tansu, require_kafka};
pub use nats::Nats;
pub use nix::sys::signal::Signal;
pub use outcome::{Outcome, SECRET};
pub use peer::Peer;
pub use program::{copy_program, put_program};
pub use proxy::{Fault, Proxy};
pub use pty::Pty;
pub use random::Random;
pub use running::Running;
pub use sasl::sasl_front;
pub use skip::{is_installed, require, require_root, skip, skip_anywhere};
pub use tempfile::TempDir;
pub use tls::tls_front;
pub use tool::{Tool, sh};
pub use wait::{ceiling, eventually, rest};

/// Returns a new folder, removed when dropped. Its path is short enough for a UNIX socket in it.
pub fn scratch() -> TempDir {
    tempfile::Builder::new().prefix("heka-").tempdir().expect("no temporary folder")
}

/// Returns the path of a file in `tests/vectors`.
pub fn vector(name: &str) -> std::path::PathBuf {
    std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("vectors").join(name)
}

/// Accepts the next connection; reads from it time out at the ceiling.
pub fn accept(listener: &TcpListener) -> TcpStream {
    let (stream, _) = listener.accept().expect("a connection");
    stream.set_read_timeout(Some(ceiling())).expect("a timeout");
    stream
}

/// Returns a local port that was free a moment ago, and that this process gets once only.
///
/// Where a tool is the listener, give it port 0 instead.
pub fn free_port() -> u16 {
    // Below the ports that Linux gives to connections, which could take it before its user does.
    const FIRST: u32 = 10_000;
    const COUNT: u32 = 20_000;
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let begin = std::process::id().wrapping_mul(97);
    let mut ports = (0..COUNT).map(|_| {
        let number = begin.wrapping_add(TAKEN.fetch_add(1, Ordering::Relaxed));
        u16::try_from(FIRST + number % COUNT).expect("a port")
    });
    ports.find(|port| TcpListener::bind(("127.0.0.1", *port)).is_ok()).expect("no port is free")
}
