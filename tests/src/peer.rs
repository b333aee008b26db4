// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tools that listen.

use std::ffi::OsStr;
use std::ops::{Deref, DerefMut};

use crate::{Running, TempDir, Tool, eventually, scratch};

/// A running tool and the address it announced on its `--ready-fd`.
#[derive(Debug)]
pub struct Peer {
    running: Running,
    /// The first announced line: an address to send to (of unix-sock, a path).
    pub addr: String,
    /// All announced lines, if the tool has several listeners.
    pub addrs: Vec<String>,
}

impl Peer {
    /// Starts `name` with `args` and `--ready-fd 3`, and waits for its address.
    ///
    /// ```no_run
    /// let listener = heka_tests::Peer::new("heka-listen", ["127.0.0.1:0"]);
    /// ```
    #[track_caller]
    pub fn new<I: IntoIterator<Item: AsRef<OsStr>>>(name: &str, args: I) -> Self {
        Self::with(name, args, |tool| tool)
    }

    /// Like [`Peer::new`], with further settings: standard input, folder, environment.
    #[track_caller]
    pub fn with<I: IntoIterator<Item: AsRef<OsStr>>>(
        name: &str,
        args: I,
        settings: impl FnOnce(Tool) -> Tool,
    ) -> Self {
        let folder: TempDir = scratch();
        let ready = folder.path().join("ready");
        // A shell opens the descriptor and executes the tool: the process id stays, and no other
        // process inherits the descriptor.
        let tool = Tool::at("/bin/sh")
            .args(["-c", "exec \"$0\" \"$@\" --ready-fd 3 3>\"$READY\""])
            .arg(name)
            .args(args)
            .env("READY", &ready);
        let mut running = settings(tool).spawn();
        let text = eventually(&format!("{name} is ready"), || {
            let text = std::fs::read_to_string(&ready).unwrap_or_default();
            if text.ends_with('\n') {
                return Some(text);
            }
            assert!(running.is_running(), "{name} ended: {}", running.stderr());
            None
        });
        let addrs: Vec<String> = text.lines().map(str::to_owned).collect();
        Self { running, addr: addrs.first().cloned().unwrap_or_default(), addrs }
    }

    /// The number after the last colon of the address.
    ///
    /// # Panics
    /// If the address has no port.
    pub fn port(&self) -> u16 {
        let digits = self.addr.rsplit(':').next().unwrap_or_default();
        digits.parse().unwrap_or_else(|_| panic!("no port in {:?}", self.addr))
    }

    /// The first address without its scheme, for a socket of the test itself.
    pub fn bare(&self) -> &str {
        self.addr.split_once("://").map_or(&self.addr, |(_, bare)| bare)
    }

    /// Returns the process, to end it and examine its [`crate::Outcome`].
    pub fn into_running(self) -> Running {
        self.running
    }
}

impl Deref for Peer {
    type Target = Running;

    fn deref(&self) -> &Running {
        &self.running
    }
}

impl DerefMut for Peer {
    fn deref_mut(&mut self) -> &mut Running {
        &mut self.running
    }
}
