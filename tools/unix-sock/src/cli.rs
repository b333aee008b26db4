// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of unix-sock.

use std::ffi::OsString;

use clap::{Parser, ValueEnum, ValueHint};
use heka_core::cli::net::RetryArgs;
use heka_core::cli::{
    Common, Help, Timeout, Tool, Writing, forms, parse_buffer_size, parse_byte, parse_timeout,
};
use heka_core::codec::Form;
use heka_core::net::{ReadyFd, parse_ready_fd};
use heka_core::report::stats::Metric;

use crate::compression::Compression;
use crate::mode::{Mode, parse_mode};
use crate::plan::BACKOFF;

/// Default limit on a record; records of a file are checked only if a limit was given.
pub(crate) const DEFAULT_MAX_RECORD: &str = "64M";

/// Put a UNIX domain socket into a pipe
///
/// Connects to the socket PATH, or serves it with -l. Records on standard input go to the socket,
/// records from the socket go to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Socket path; @NAME for an abstract socket
    #[arg(value_name = "PATH", value_hint = ValueHint::FilePath)]
    pub(crate) path: Option<OsString>,
    /// Listen on PATH instead of connecting to it
    #[arg(short, long)]
    pub(crate) listen: bool,
    /// Serve one connection and exit
    #[arg(short = '1', long, requires = "listen")]
    pub(crate) once: bool,
    /// Socket type
    #[arg(long = "type", value_name = "TYPE", default_value = "stream")]
    pub(crate) kind: Kind,
    /// Framing of records on the socket
    #[arg(long, value_name = "FRAMING", help_heading = "Records")]
    pub(crate) framing: Option<FramingName>,
    /// Byte that ends a record
    #[arg(short, long, value_name = "BYTE", value_parser = parse_byte, help_heading = "Records")]
    pub(crate) delimiter: Option<u8>,
    /// NUL ends a record
    #[arg(short = '0', long, conflicts_with = "delimiter", help_heading = "Records")]
    pub(crate) null: bool,
    /// Framing on standard input and output, if different
    #[arg(long, value_name = "FRAMING", help_heading = "Records")]
    pub(crate) stdio: Option<FramingName>,
    /// Format of records on standard input and output
    #[arg(short, long, value_name = "FORM", default_value = "payload", help_heading = "Records",
          value_parser = forms(&[Form::Payload, Form::Heka, Form::Json, Form::Tag]))]
    pub(crate) output: Form,
    /// The same as -o json
    #[arg(short, long, help_heading = "Records")]
    pub(crate) json: bool,
    /// The same as -o tag
    #[arg(long, conflicts_with = "json", help_heading = "Records")]
    pub(crate) tag: bool,
    /// Stop after NUM records from the socket
    #[arg(short = 'n', long, value_name = "NUM", help_heading = "Records")]
    pub(crate) max_count: Option<u64>,
    /// Longest record to accept
    #[arg(long, value_name = "SIZE", default_value = DEFAULT_MAX_RECORD, value_parser = parse_buffer_size, help_heading = "Records")]
    pub(crate) max_record: usize,
    /// Drop empty records
    #[arg(long, help_heading = "Records")]
    pub(crate) skip_empty: bool,
    /// Read buffer size; longest datagram [default: 256K; with --framing none: 8K]
    #[arg(short, long, value_name = "SIZE", value_parser = parse_buffer_size, help_heading = "Records")]
    pub(crate) buf_size: Option<usize>,
    /// Send several records in a datagram of up to SIZE
    #[arg(long, value_name = "SIZE", value_parser = parse_buffer_size, help_heading = "Records")]
    pub(crate) pack: Option<usize>,
    /// Records on the socket are compressed
    #[arg(long, value_name = "METHOD", help_heading = "Records")]
    pub(crate) compress: Option<Compression>,
    /// Records on the socket are base64
    #[arg(long, help_heading = "Records")]
    pub(crate) base64: bool,
    /// Destination of records without a peer number [default: all]
    #[arg(long, value_name = "PEERS", requires = "listen", help_heading = "Peers")]
    pub(crate) to: Option<To>,
    /// Send each record back to its sender
    #[arg(long, help_heading = "Peers")]
    pub(crate) echo: bool,
    /// Run a command for each connection
    #[arg(short = 'c', long, value_name = "CMD", requires = "listen", help_heading = "Peers", value_hint = ValueHint::CommandString)]
    pub(crate) exec: Option<OsString>,
    /// Only receive: read no standard input
    #[arg(long, help_heading = "Peers")]
    pub(crate) recv_only: bool,
    /// Only send: write no standard output
    #[arg(long, conflicts_with = "recv_only", help_heading = "Peers")]
    pub(crate) send_only: bool,
    /// Serve only these users, by name or number
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        requires = "listen",
        help_heading = "Peers"
    )]
    pub(crate) allow_uid: Vec<String>,
    /// Serve only these groups, by name or number
    #[arg(
        long,
        value_name = "LIST",
        value_delimiter = ',',
        requires = "listen",
        help_heading = "Peers"
    )]
    pub(crate) allow_gid: Vec<String>,
    /// Maximum number of connections; further ones wait
    #[arg(
        long,
        value_name = "NUM",
        default_value_t = 10_000,
        value_parser = clap::value_parser!(u32).range(1..),
        requires = "listen",
        help_heading = "Peers"
    )]
    pub(crate) max_conns: u32,
    /// Length of the accept queue
    #[arg(
        long,
        value_name = "NUM",
        default_value_t = 4096,
        requires = "listen",
        help_heading = "Peers"
    )]
    pub(crate) backlog: u16,
    /// Memory for unfinished records of all peers
    #[arg(long, value_name = "SIZE", default_value = "256M", value_parser = parse_buffer_size, requires = "listen", help_heading = "Peers")]
    pub(crate) max_memory: usize,
    /// Size of each peer's output queue
    #[arg(long, value_name = "SIZE", default_value = "16M", value_parser = parse_buffer_size, help_heading = "Peers")]
    pub(crate) queue_size: usize,
    /// What to do when a peer's queue is full
    #[arg(long, value_name = "ACTION", default_value = "drop", help_heading = "Peers")]
    pub(crate) queue_full: QueueFull,
    /// Permissions of the socket, such as 600 or u=rw,go=
    #[arg(long, alias = "permissions", value_name = "MODE", allow_hyphen_values = true, value_parser = parse_mode, requires = "listen", help_heading = "File")]
    pub(crate) mode: Option<Mode>,
    /// Owner of the socket
    #[arg(long, value_name = "USER", requires = "listen", help_heading = "File", value_hint = ValueHint::Username)]
    pub(crate) user: Option<String>,
    /// Group of the socket
    #[arg(long, value_name = "GROUP", requires = "listen", help_heading = "File")]
    pub(crate) group: Option<String>,
    /// Replace PATH even if it is not a socket
    #[arg(short, long, requires = "listen", help_heading = "File")]
    pub(crate) force: bool,
    /// Do not remove PATH on exit
    #[arg(long, requires = "listen", help_heading = "File")]
    pub(crate) no_unlink: bool,
    /// Write PATH to descriptor FD when ready
    #[arg(long, value_name = "FD", requires = "listen", help_heading = "File", value_parser = parse_ready_fd)]
    pub(crate) ready_fd: Option<ReadyFd>,
    /// Connection timeout
    #[arg(short = 'w', long, value_name = "DURATION", default_value = "10s", value_parser = parse_timeout, help_heading = "Time")]
    pub(crate) connect_timeout: Timeout,
    /// Time to wait for one side after the other has ended
    #[arg(long, value_name = "DURATION", default_value = "none", value_parser = parse_timeout, help_heading = "Time")]
    pub(crate) linger: Timeout,
    /// Close connections idle for DURATION
    #[arg(long, value_name = "DURATION", default_value = "none", value_parser = parse_timeout, help_heading = "Time")]
    pub(crate) idle_timeout: Timeout,
    /// Close connections with a record unfinished for DURATION
    #[arg(long, value_name = "DURATION", default_value = "none", value_parser = parse_timeout, requires = "listen", help_heading = "Time")]
    pub(crate) record_timeout: Timeout,
    /// Exit after DURATION
    #[arg(long, value_name = "DURATION", default_value = "none", value_parser = parse_timeout, help_heading = "Time")]
    pub(crate) timeout: Timeout,
    /// Exit at the end of standard input without waiting
    #[arg(short = 'E', long, help_heading = "Time")]
    pub(crate) exit_on_eof: bool,
    #[command(flatten)]
    pub(crate) retry: RetryArgs,
    #[command(flatten)]
    pub(crate) writing: Writing,
    #[command(flatten)]
    pub(crate) common: Common,
}

/// Socket types.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Kind {
    /// Connections without record boundaries.
    Stream,
    /// Single datagrams.
    Dgram,
    /// Connections that keep record boundaries.
    Seqpacket,
}

/// Framings by name.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum FramingName {
    /// A newline ends a record.
    Lines,
    /// NUL ends a record.
    Null,
    /// Heka frames.
    Heka,
    /// Two-byte length before each record.
    Len16,
    /// Four-byte length before each record.
    Len32,
    /// Eight-byte length before each record.
    Len64,
    /// Two-byte length before each record, little-endian.
    #[value(name = "len16le")]
    Len16Le,
    /// Four-byte length before each record, little-endian.
    #[value(name = "len32le")]
    Len32Le,
    /// Eight-byte length before each record, little-endian.
    #[value(name = "len64le")]
    Len64Le,
    /// Decimal length before each record, as in syslog over TCP.
    OctetCount,
    /// Header of docker's attach stream before each record.
    Docker,
    /// An empty line ends an entry of journald's export format.
    Journal,
    /// A datagram or several chunks are a record.
    Gelf,
    /// Every read is a record.
    None,
}

/// The destination of records without a peer number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// All connections.
    All,
    /// The newest connection.
    Last,
    /// The connection that sent the newest record.
    Origin,
    /// None.
    None,
}

/// The treatment of a record for a peer whose queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueFull {
    /// Let standard input wait for the slowest.
    Block,
    /// Drop the record for this peer.
    Drop,
    /// Close the connection.
    Close,
}

impl Tool for Cli {
    const NAME: &'static str = "unix-sock";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        RetryArgs::show_defaults(command, BACKOFF)
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
