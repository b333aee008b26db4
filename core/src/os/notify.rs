// SPDX-License-Identifier: MIT OR Apache-2.0
//! Notifications to the service manager: `sd_notify(3)`, without its library.

use std::ffi::OsStr;
use std::os::linux::net::SocketAddrExt as _;
use std::os::unix::ffi::OsStrExt as _;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::report::{self, Cause as _};

/// The socket of the service manager.
#[derive(Debug)]
pub struct Notify {
    socket: UnixDatagram,
    addr: SocketAddr,
    watchdog: Option<Duration>,
}

impl Notify {
    /// Connects to the socket in the value of `NOTIFY_SOCKET`; `watchdog` is the time within which
    /// the manager expects a sign of life. If the socket does not exist, that is reported and
    /// nothing is sent.
    pub fn new(name: &OsStr, watchdog: Option<Duration>) -> Option<Self> {
        match Self::open(name, watchdog) {
            Ok(notify) => Some(notify),
            Err(error) => {
                let (name, cause) = (name.to_string_lossy(), error.cause());
                report::warning(format_args!("NOTIFY_SOCKET: {name}: {cause}"));
                None
            }
        }
    }

    fn open(name: &OsStr, watchdog: Option<Duration>) -> std::io::Result<Self> {
        let addr = match name.as_bytes() {
            [b'@', name @ ..] => SocketAddr::from_abstract_name(name)?,
            _ => SocketAddr::from_pathname(name)?,
        };
        let socket = UnixDatagram::unbound()?;
        socket.set_nonblocking(true)?;
        Ok(Self { socket, addr, watchdog })
    }

    /// Returns the interval of signs of life: half the time that the manager allows.
    pub(super) fn watchdog_period(&self) -> Option<Duration> {
        self.watchdog.map(|watchdog| watchdog / 2)
    }

    /// Sends lines of the form `NAME=VALUE`. Does not wait for a service manager that does not
    /// read.
    ///
    /// # Errors
    /// Any I/O error.
    pub(super) fn tell(&self, text: &str) -> std::io::Result<()> {
        self.socket.send_to_addr(text.as_bytes(), &self.addr).map(drop)
    }
}
