// SPDX-License-Identifier: MIT OR Apache-2.0
//! A NATS server with `JetStream`, which can be killed and started again on its port.

use std::fs;
use std::path::PathBuf;

use tempfile::TempDir;

use crate::{Running, Signal, Tool, eventually, free_port, require, scratch};

/// A server with a folder for its streams.
#[derive(Debug)]
pub struct Nats {
    folder: TempDir,
    running: Option<Running>,
    port: u16,
}

impl Nats {
    /// Starts one; `config` are further lines of its configuration. `None` if it is not installed.
    pub fn start(config: &str) -> Option<Self> {
        if !require("nats-server") {
            return None;
        }
        Some(Self::on_port(free_port(), config))
    }

    /// Starts one on that port.
    pub fn on_port(port: u16, config: &str) -> Self {
        let folder = scratch();
        let store = folder.path().join("streams");
        let text = format!(
            "listen: 127.0.0.1:{port}\njetstream {{ store_dir: {:?} }}\n{config}\n",
            store.display().to_string()
        );
        fs::write(folder.path().join("nats.conf"), text).expect("a configuration");
        let mut nats = Self { folder, running: None, port };
        nats.restart();
        nats
    }

    /// Starts it again, with what it has on disk.
    pub fn restart(&mut self) {
        let running = Tool::at("nats-server")
            .args(["-c", "nats.conf", "-l", "log"])
            .dir(self.folder.path())
            .spawn();
        self.running = Some(running);
        eventually("the server is ready", || {
            std::net::TcpStream::connect(("127.0.0.1", self.port)).ok()
        });
    }

    /// Sends it a signal: KILL, STOP, CONT.
    ///
    /// # Panics
    /// If it was killed before.
    pub fn signal(&mut self, signal: Signal) {
        self.running.as_ref().expect("it runs").signal(signal);
        if signal == Signal::SIGKILL {
            self.running = None;
        }
    }

    /// `nats://HOST:PORT/` and what is behind it.
    pub fn url(&self, rest: &str) -> String {
        format!("nats://127.0.0.1:{}/{rest}", self.port)
    }

    /// Its port.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Its folder.
    pub fn folder(&self) -> PathBuf {
        self.folder.path().to_owned()
    }

    /// The payloads of all messages of a stream.
    pub fn payloads(&self, stream: &str) -> String {
        let all = self.url(&format!("{stream}?from=begin"));
        let read = Tool::new("heka-nats").args(["--read", "--no-follow", &all]).run();
        read.succeeds();
        Tool::new("heka-decode").args(["-o", "payload"]).stdin(read.stdout).run().succeeds().out()
    }
}
