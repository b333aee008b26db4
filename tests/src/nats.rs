// SPDX-License-Identifier: MIT OR Apache-2.0
//! A NATS server with `JetStream` that can be killed and restarted on its port.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{
    Broker, Running, Signal, Stoppable, Tool, eventually, free_port, is_installed, require, scratch,
};

/// Debian's server, and a server of the newest release if installed.
const SERVER: &str = "nats-server";
const NEWEST: &str = "nats-server-2.15";

/// A server with a folder for its streams.
#[derive(Debug)]
pub struct Nats {
    program: &'static str,
    folder: TempDir,
    running: Option<Running>,
    port: u16,
}

impl Nats {
    /// Starts a server with additional lines `config` in its configuration. `None` if it is not
    /// installed.
    pub fn start(config: &str) -> Option<Self> {
        if !require("nats-server") {
            return None;
        }
        Some(Self::on_port(free_port(), config))
    }

    /// Starts a server on the port.
    pub fn on_port(port: u16, config: &str) -> Self {
        Self::of(SERVER, port, config)
    }

    /// Starts a server of each installed release.
    pub fn each() -> Vec<Self> {
        let newest = is_installed(NEWEST).then(|| Self::of(NEWEST, free_port(), ""));
        Self::start("").into_iter().chain(newest).collect()
    }

    /// Starts a cluster of three servers, of the newest installed release. `None` if there is none.
    pub fn cluster() -> Option<Vec<Self>> {
        let program = if is_installed(NEWEST) { NEWEST } else { SERVER };
        if !require(program) {
            return None;
        }
        let ports: Vec<_> = (0..3).map(|_| (free_port(), free_port())).collect();
        let routes = ports.iter().map(|(_, port)| format!("nats://127.0.0.1:{port}"));
        let routes: Vec<_> = routes.collect();
        let servers = ports.iter().enumerate().map(|(index, (port, route))| {
            let config = format!(
                "server_name: n{index}\n\
                 cluster {{ name: c, listen: 127.0.0.1:{route}, routes: {routes:?} }}"
            );
            Self::of(program, *port, &config)
        });
        Some(servers.collect())
    }

    fn of(program: &'static str, port: u16, config: &str) -> Self {
        let folder = scratch();
        let store = folder.path().join("streams");
        let text = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?} }}\n{config}\n",
            store.display().to_string()
        );
        fs::write(folder.path().join("nats.conf"), text).expect("a configuration");
        let mut nats = Self { program, folder, running: None, port };
        nats.restart();
        nats
    }

    /// Starts the server again with its data on disk.
    pub fn restart(&mut self) {
        let running = Tool::at(self.program)
            .args(["-c", "nats.conf", "-l", "log"])
            .dir(self.folder.path())
            .spawn();
        self.running = Some(running);
        eventually("the server is ready", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Returns `nats://HOST:PORT/` followed by `rest`.
    pub fn url(&self, rest: &str) -> String {
        format!("nats://127.0.0.1:{}/{rest}", self.port)
    }

    /// The server's port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The server's folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }
}

impl Broker for Nats {
    const TOOL: &'static str = "heka-nats";
    const WRITE: &'static str = "s?create=R1&stream=S";
    const PLACE: &'static str = "S";
    const READER: &'static str = "durable";

    fn base(&self) -> String {
        self.url("")
    }

    /// Or KILL, once.
    fn signal(&mut self, signal: Signal) {
        self.running.as_ref().expect("it runs").signal(signal);
        if signal == Signal::SIGKILL {
            self.running = None;
        }
    }
}

impl Stoppable for Nats {
    fn stop(&mut self) {
        self.signal(Signal::SIGKILL);
    }

    fn start(&mut self) {
        self.restart();
    }
}
