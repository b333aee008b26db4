// SPDX-License-Identifier: MIT OR Apache-2.0
//! Facts about a peer.

use heka_core::report;
use heka_core::wire::Field;
use nix::sys::socket::{getsockopt, sockopt};
use socket2::Socket;

use crate::envelope::put_string;

/// Facts about a peer.
#[derive(Clone, Debug)]
pub(crate) struct Facts {
    /// Its number, starting with 0.
    pub(crate) number: u64,
    /// The socket as requested.
    pub(crate) path: String,
    /// Whether this process is the server.
    pub(crate) is_server: bool,
    /// Process that connected or listens.
    pub(crate) pid: Option<i32>,
    /// Its effective user ID.
    pub(crate) uid: Option<u32>,
    /// Its effective group ID.
    pub(crate) gid: Option<u32>,
}

impl Facts {
    /// Determines the facts of a connection.
    pub(crate) fn of(socket: &Socket, number: u64, path: String, is_server: bool) -> Self {
        let credentials = getsockopt(socket, sockopt::PeerCredentials).ok();
        Self {
            number,
            path,
            is_server,
            pid: credentials.map(|credentials| credentials.pid()),
            uid: credentials.map(|credentials| credentials.uid()),
            gid: credentials.map(|credentials| credentials.gid()),
        }
    }

    /// Returns the object that accompanies each record, up to its data.
    pub(crate) fn to_json(&self) -> String {
        let mut path = Vec::new();
        put_string(&mut path, &self.path);
        let path = String::from_utf8(path).unwrap_or_default();
        let mut text = if self.is_server {
            format!("{{\"unix_socket_server\":{{\"path\":{path},\"peer\":{}", self.number)
        } else {
            format!("{{\"unix_socket_client\":{{\"peer\":{path}")
        };
        for (name, value) in self.numbers() {
            text += &format!(",\"{name}\":{value}");
        }
        text + "},"
    }

    /// Returns the facts as Fields of a message.
    pub(crate) fn to_fields(&self) -> Vec<Field> {
        let number = i64::try_from(self.number).unwrap_or(i64::MAX);
        let mut fields =
            vec![Field::string("path", self.path.clone()), Field::integer("peer", number)];
        fields.extend(self.numbers().map(|(name, value)| Field::integer(name, value)));
        fields
    }

    /// Reports the new peer.
    pub(crate) fn introduce(&self) {
        let who: Vec<_> = self.numbers().map(|(name, value)| format!("{name} {value}")).collect();
        report::note(format_args!("{self}: connected ({})", who.join(", ")));
    }

    /// Returns process, user and group, as far as known.
    pub(crate) fn numbers(&self) -> impl Iterator<Item = (&'static str, i64)> {
        [
            ("pid", self.pid.map(i64::from)),
            ("uid", self.uid.map(i64::from)),
            ("gid", self.gid.map(i64::from)),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
    }
}

impl std::fmt::Display for Facts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        if self.is_server { write!(f, "peer {}", self.number) } else { f.write_str(&self.path) }
    }
}
