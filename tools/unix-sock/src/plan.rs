// SPDX-License-Identifier: MIT OR Apache-2.0
//! The validated task: the command line with defaults filled in.

use std::collections::BTreeSet;
use std::ffi::OsString;
use std::os::unix::ffi::OsStrExt as _;
use std::time::Duration;

use heka_core::cli::{Writing, parse_buffer_size};
use heka_core::codec::Form;
use heka_core::net::Retries;
use heka_core::net::{Backoff, ReadyFd, UnixName};
use heka_core::report::Stop;
use nix::unistd::{Group, User};

use crate::address::Recipients;
use crate::cli::{Cli, DEFAULT_MAX_RECORD, FramingName, Kind, QueueFull, To};
use crate::compression::Compression;
use crate::formats::Formats;
use crate::framing::splitter;
use crate::mode::Mode;
use heka_core::record::{Framing, Splitter};

/// Size of a read where it does not affect records.
const READ_SIZE: usize = 256 * 1024;
/// Size of a read that is a record (the original's `buf_size`).
const RECORD_READ_SIZE: usize = 8192;
/// Maximum length of a socket's name: `sun_path` without its terminator.
const MAX_PATH_LEN: usize = 107;

/// Settings of both sides.
#[derive(Debug)]
pub(crate) struct Plan {
    /// The socket; `None` if it is inherited.
    pub(crate) name: Option<UnixName>,
    pub(crate) kind: Kind,
    pub(crate) formats: Formats,
    /// Finds the records on the socket.
    pub(crate) wire_splitter: Splitter,
    /// Finds the records on standard input.
    pub(crate) stdio_splitter: Splitter,
    /// Whether whole records are forwarded unchanged, without parsing each.
    pub(crate) copies_through: bool,
    /// Whether records from a peer need not even be counted.
    pub(crate) receives_bulk: bool,
    /// Whether records from a file may be forgotten once they are sent.
    pub(crate) sends_bulk: bool,
    pub(crate) read_size: usize,
    pub(crate) max_record: usize,
    /// Whether a record may be several datagrams.
    pub(crate) has_gelf: bool,
    /// Maximum size of a packet with several records, if allowed.
    pub(crate) pack: Option<usize>,
    pub(crate) compress: Option<Compression>,
    pub(crate) skip_empty: bool,
    pub(crate) base64: bool,
    pub(crate) max_count: Option<u64>,
    pub(crate) reads_stdin: bool,
    pub(crate) writes_stdout: bool,
    pub(crate) echo: bool,
    pub(crate) to: To,
    pub(crate) queue_size: usize,
    pub(crate) queue_full: QueueFull,
    pub(crate) linger: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) record_timeout: Option<Duration>,
    pub(crate) max_memory: usize,
    pub(crate) timeout: Option<Duration>,
    pub(crate) exit_on_eof: bool,
    pub(crate) writing: Writing,
    pub(crate) role: Role,
}

/// The destination of a record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Target {
    All,
    Peer(u64),
    Peers(BTreeSet<u64>),
}

/// Settings of one side.
#[derive(Debug)]
pub(crate) enum Role {
    /// The connecting side.
    Client {
        /// Delays between attempts.
        backoff: Backoff,
        /// Time limit of an attempt.
        connect_timeout: Option<Duration>,
    },
    /// The listening side.
    Server(Box<Server>),
}

/// Settings of a server.
#[derive(Debug)]
pub(crate) struct Server {
    pub(crate) once: bool,
    pub(crate) mode: Option<Mode>,
    pub(crate) owner: (Option<u32>, Option<u32>),
    pub(crate) force: bool,
    pub(crate) unlink: bool,
    pub(crate) ready_fd: Option<ReadyFd>,
    pub(crate) max_conns: usize,
    pub(crate) backlog: u16,
    pub(crate) exec: Option<OsString>,
    /// User IDs to serve; all if empty.
    pub(crate) users: Vec<u32>,
    /// Group IDs to serve; all if empty.
    pub(crate) groups: Vec<u32>,
}

impl Server {
    /// Whether `--allow-uid` and `--allow-gid` permit a peer with this user and group.
    pub(crate) fn admits(&self, peer: Option<(u32, u32)>) -> bool {
        let is_listed = |(uid, gid)| self.users.contains(&uid) || self.groups.contains(&gid);
        (self.users.is_empty() && self.groups.is_empty()) || peer.is_some_and(is_listed)
    }
}

impl Plan {
    /// Whether reads and writes of the socket keep record boundaries.
    pub(crate) fn has_packets(&self) -> bool {
        self.kind != Kind::Stream
    }

    /// Whether a packet holds one record, or a part of one.
    pub(crate) fn has_record_packets(&self) -> bool {
        self.formats.is_whole || self.has_gelf || self.formats.wire == Framing::None
    }

    /// Whether there are no connections, on either side.
    pub(crate) fn has_datagrams(&self) -> bool {
        self.kind == Kind::Dgram
    }

    /// Returns the destination of a record from standard input.
    pub(crate) fn target(&self, to: Recipients, last: Option<u64>, origin: Option<u64>) -> Target {
        let one = |number: Option<u64>| number.map_or(Target::Peers(BTreeSet::new()), Target::Peer);
        match (self.server(), to, self.to) {
            (None, ..) | (_, Recipients::Unnamed, To::All) => Target::All,
            (_, Recipients::One(number), _) => Target::Peer(number),
            (_, Recipients::Several(numbers), _) => Target::Peers(numbers),
            (_, Recipients::Unnamed, To::Last) => one(last),
            (_, Recipients::Unnamed, To::Origin) => one(origin),
            (_, Recipients::Unnamed, To::None) => one(None),
        }
    }

    /// Returns the server's settings, if it is one.
    pub(crate) fn server(&self) -> Option<&Server> {
        match &self.role {
            Role::Server(server) => Some(server),
            Role::Client { .. } => None,
        }
    }
}

/// Delays between attempts of a client, which are made only if requested.
pub(crate) const BACKOFF: Backoff = Backoff {
    delay: Duration::from_millis(100),
    growth: 2.0,
    max_delay: Duration::from_secs(30),
    jitter: Duration::ZERO,
    retries: Retries::Times(0),
};

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let name = self.plan_name()?;
        let formats = Formats::of(&self)?;
        let role = if self.listen { self.plan_server()? } else { self.plan_client() };
        self.check_kind()?;
        let is_simple = self.is_simple(formats);
        Ok(Plan {
            name,
            kind: self.kind,
            formats,
            wire_splitter: splitter(formats.on_wire(), self.max_record),
            stdio_splitter: splitter(formats.stdio, self.max_record),
            copies_through: self.copies_through(formats),
            receives_bulk: is_simple && !self.echo && !self.common.reporting.counts(),
            sends_bulk: is_simple && self.sends_once(&role),
            read_size: self.read_size(formats),
            max_record: self.max_record,
            has_gelf: self.framing == Some(FramingName::Gelf),
            pack: self.pack,
            compress: self.compress,
            skip_empty: self.skip_empty,
            base64: self.base64,
            max_count: self.max_count,
            reads_stdin: self.reads_stdin(),
            writes_stdout: !self.send_only,
            echo: self.echo,
            to: self.to.unwrap_or(if self.echo { To::None } else { To::All }),
            queue_size: self.queue_size,
            queue_full: self.queue_full,
            // Datagrams have no end.
            linger: self.linger.0.or((self.kind == Kind::Dgram).then_some(Duration::ZERO)),
            idle_timeout: self.idle_timeout.0,
            record_timeout: self.record_timeout.0,
            max_memory: self.max_memory,
            timeout: self.timeout.0,
            exit_on_eof: self.exit_on_eof,
            writing: self.writing,
            role,
        })
    }

    fn read_size(&self, formats: Formats) -> usize {
        self.buf_size.unwrap_or(match (formats.wire, self.kind) {
            (Framing::None, Kind::Stream) => RECORD_READ_SIZE,
            _ => READ_SIZE,
        })
    }

    fn reads_stdin(&self) -> bool {
        !self.recv_only && self.exec.is_none() && (!self.echo || self.to.is_some())
    }

    /// Whether whole records are forwarded unchanged.
    fn copies_through(&self, formats: Formats) -> bool {
        let is_bare = formats.form == Form::Payload && formats.wire == formats.stdio;
        let is_plain = !self.base64 && !self.skip_empty && self.compress.is_none();
        is_bare && is_plain && self.kind == Kind::Stream && self.max_count.is_none()
    }

    /// Whether whole records need not be parsed either.
    fn is_simple(&self, formats: Formats) -> bool {
        let is_bounded = matches!(formats.wire, Framing::Delimited(_) | Framing::None);
        is_bounded && self.copies_through(formats)
    }

    /// Whether sent records are neither sent again nor checked against a limit.
    fn sends_once(&self, role: &Role) -> bool {
        let is_limited =
            parse_buffer_size(DEFAULT_MAX_RECORD).is_ok_and(|most| self.max_record < most);
        let is_final = matches!(role, Role::Client { backoff, .. }
            if backoff.retries == Retries::Times(0));
        is_final && !is_limited
    }

    /// Rejects flags that do not apply to a type of socket.
    fn check_kind(&self) -> Result<(), Stop> {
        let cause = match self.kind {
            Kind::Dgram if self.exec.is_some() => "--exec needs connections: not with --type=dgram",
            Kind::Dgram if self.once => "datagrams have no connections: -n 1 instead of --once",
            Kind::Stream if self.pack.is_some() => "--pack needs --type=dgram or seqpacket",
            _ if self.pack.is_some() && self.framing == Some(FramingName::Gelf) => {
                "--pack does not go with --framing=gelf"
            }
            _ => return Ok(()),
        };
        Err(Stop::usage(cause))
    }

    fn plan_name(&self) -> Result<Option<UnixName>, Stop> {
        let Some(path) = &self.path else {
            return match self.listen {
                true => Ok(None),
                false => Err(Stop::usage("no PATH given")),
            };
        };
        let bytes = path.as_bytes();
        if bytes.is_empty() || bytes.contains(&0) {
            return Err(Stop::usage("the path of the socket is empty"));
        }
        // A NUL precedes an abstract name, or follows a path.
        let (len, name) = match bytes {
            [b'@', name @ ..] => (name.len(), UnixName::Abstract(name.to_vec())),
            _ => (bytes.len(), UnixName::Path(path.into())),
        };
        if len > MAX_PATH_LEN {
            let text = path.display();
            return Err(Stop::usage(format_args!("{text}: longer than {MAX_PATH_LEN} bytes")));
        }
        Ok(Some(name))
    }

    fn plan_client(&self) -> Role {
        let backoff = self.retry.plan(BACKOFF);
        Role::Client { backoff, connect_timeout: self.connect_timeout.0 }
    }

    fn plan_server(&self) -> Result<Role, Stop> {
        Ok(Role::Server(Box::new(Server {
            once: self.once,
            mode: self.mode,
            owner: (
                self.user.as_deref().map(user).transpose()?,
                self.group.as_deref().map(group).transpose()?,
            ),
            force: self.force,
            unlink: !self.no_unlink,
            ready_fd: self.ready_fd,
            max_conns: usize::try_from(self.max_conns).unwrap_or(usize::MAX),
            backlog: self.backlog,
            exec: self.exec.clone(),
            users: self.allow_uid.iter().map(|name| user(name)).collect::<Result<_, _>>()?,
            groups: self.allow_gid.iter().map(|name| group(name)).collect::<Result<_, _>>()?,
        })))
    }
}

/// Returns a user ID, given a name or a number.
fn user(name: &str) -> Result<u32, Stop> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match User::from_name(name) {
        Ok(Some(user)) => Ok(user.uid.as_raw()),
        _ => Err(Stop::usage(format_args!("{name}: no such user"))),
    }
}

/// Returns a group ID, given a name or a number.
fn group(name: &str) -> Result<u32, Stop> {
    if let Ok(number) = name.parse() {
        return Ok(number);
    }
    match Group::from_name(name) {
        Ok(Some(group)) => Ok(group.gid.as_raw()),
        _ => Err(Stop::usage(format_args!("{name}: no such group"))),
    }
}
