// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-listen.

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, ValueEnum};
use heka_core::cli::net::{RetryArgs, ServerTlsArgs, SocketArgs, TlsChoice};
use heka_core::cli::signing::{KeysArgs, Verifier};
use heka_core::cli::{CommitArgs, Help, WriteArgs};
use heka_core::cli::{
    Common, Showing, Timeout, Tool, When, Writing, forms, parse_buffer_size, parse_timeout,
};
use heka_core::codec::Form;
use heka_core::net::exec::Program;
use heka_core::net::{Addr, Backoff, ListenOptions, ReadyFd, parse_addr, parse_ready_fd, tls};
use heka_core::report::Stop;
use heka_core::report::stats::Metric;

use crate::gelf;
use crate::transport::Transport;

/// Receive messages from other machines
///
/// Listens on every ADDRESS: HOST:PORT, :PORT (all interfaces), tcp://, tls:// or udp://HOST:PORT,
/// unix:PATH, unixgram:PATH or @NAME, starts exec:COMMAND, and writes the
/// messages of all senders to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Where to listen, or what to read from
    #[arg(value_name = "ADDRESS", value_parser = parse_addr)]
    addresses: Vec<Addr>,
    /// Input format
    #[arg(short, long, value_name = "FORM", default_value = "auto")]
    input: InputForm,
    #[command(flatten)]
    showing: Showing,
    /// Text records end with NUL
    #[arg(short = '0', long)]
    null: bool,
    /// Type of messages made of text [default: by transport]
    #[arg(long = "type", value_name = "TYPE")]
    type_: Option<String>,
    /// Receive on standard input, answer on standard output
    #[arg(long, requires = "write")]
    stdio: bool,
    /// Accept one connection and exit when it closes
    #[arg(short = '1', long)]
    once: bool,
    /// Stop after NUM messages
    #[arg(short = 'n', long, value_name = "NUM")]
    max_count: Option<u64>,
    /// Longest message to accept
    #[arg(long, alias = "max-message-size", value_name = "SIZE", default_value = "4M", value_parser = parse_buffer_size)]
    max_record: usize,
    /// Longest message made of text; Heka's own limit
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_buffer_size)]
    message_limit: usize,
    /// Acknowledge messages to senders that ask, when written
    #[arg(long, value_name = "WHEN", num_args = 0..=1, require_equals = true,
          default_missing_value = "write", help_heading = "Delivery options")]
    ack: Option<Ack>,
    /// Acknowledge what later stages have committed to FILE
    #[arg(long, value_name = "FILE", conflicts_with = "write", help_heading = "Delivery options", value_hint = clap::ValueHint::FilePath)]
    resume: Option<PathBuf>,
    /// Drop messages whose UUID is among the last N
    #[arg(long, value_name = "N", num_args = 0..=1, require_equals = true, default_missing_value = "1000000", help_heading = "Delivery options")]
    dedup: Option<usize>,
    #[command(flatten)]
    write: WriteArgs,
    /// Sync the file to disk after every write
    #[arg(long, requires = "write", help_heading = "Output file")]
    fsync: bool,
    #[command(flatten)]
    commit: CommitArgs,
    #[command(flatten)]
    keys: KeysArgs,
    /// Maximum number of connections; further ones wait
    #[arg(long, value_name = "N", default_value = "10000", help_heading = "Network options", value_parser = clap::value_parser!(u32).range(1..))]
    max_conns: u32,
    /// Maximum number of connections of one host
    #[arg(long, value_name = "N", help_heading = "Network options", value_parser = clap::value_parser!(u32).range(1..))]
    max_conns_per_peer: Option<u32>,
    /// Memory for unfinished records of all senders
    #[arg(long, value_name = "SIZE", default_value = "256M", help_heading = "Network options", value_parser = parse_buffer_size)]
    max_memory: usize,
    /// Close connections with a record unfinished for DURATION
    #[arg(long, value_name = "DURATION", default_value = "5m", help_heading = "Network options", value_parser = parse_timeout)]
    record_timeout: Timeout,
    /// Length of the accept queue
    #[arg(long, value_name = "N", default_value = "4096", help_heading = "Network options", value_parser = clap::value_parser!(i32).range(1..))]
    backlog: i32,
    /// Write the bound addresses to descriptor FD when ready
    #[arg(long, value_name = "FD", help_heading = "Network options", value_parser = parse_ready_fd)]
    ready_fd: Option<ReadyFd>,
    /// Receive buffer for datagrams [default: the system's maximum]
    #[arg(long, value_name = "SIZE", help_heading = "Network options", value_parser = parse_buffer_size)]
    receive_buffer: Option<usize>,
    /// Each datagram is one message without a frame
    #[arg(long, help_heading = "Network options")]
    no_framing: bool,
    #[command(flatten)]
    socket: SocketArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    tls: TlsChoice,
    #[command(flatten)]
    tls_args: ServerTlsArgs,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// The format of senders' data.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Recognised by each sender's first bytes
    Auto,
    /// Framed messages
    Heka,
    /// Lines, one message each
    Lines,
    /// Syslog messages: lines, or octet-counted
    Syslog,
    /// GELF: JSON up to a NUL; in datagrams compressed or in chunks
    Gelf,
    /// Bytes, one message per read
    Raw,
}

impl InputForm {
    /// Returns the maximum length of a record, whatever the flag says.
    fn longest(self) -> usize {
        match self {
            Self::Gelf => gelf::MAX_RECORD,
            _ => usize::MAX,
        }
    }
}

/// When messages are acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// They are written
    Write,
    /// A later stage has committed them to the file of --resume
    Commit,
}

/// The forms of output.
const FORMS: &[Form] = &[
    Form::Heka,
    Form::Payload,
    Form::Json,
    Form::Text,
    Form::Short,
    Form::ShortIso,
    Form::Logfmt,
    Form::Raw,
];

impl Tool for Cli {
    const NAME: &'static str = "heka-listen";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn listens(&self) -> bool {
        true
    }
    fn adjust(command: clap::Command) -> clap::Command {
        let command = command.mut_arg("output", |output| output.value_parser(forms(FORMS)));
        RetryArgs::show_defaults(command, Backoff::default())
    }
}

/// Limits on the cost of senders.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SenderLimits {
    pub(crate) conns: usize,
    pub(crate) conns_per_peer: Option<usize>,
    /// Memory for the unfinished records of all senders, in bytes.
    pub(crate) memory: usize,
    /// Maximum time that a record may be unfinished.
    pub(crate) record: Option<Duration>,
    pub(crate) idle: Option<Duration>,
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) addresses: Vec<Addr>,
    /// Programs to start, which send messages.
    pub(crate) programs: Vec<Program>,
    /// Whether there is a sender on standard input.
    pub(crate) stdio: bool,
    pub(crate) backoff: Backoff,
    pub(crate) input: InputForm,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    pub(crate) null: bool,
    pub(crate) type_: Option<String>,
    pub(crate) once: bool,
    pub(crate) max_count: Option<u64>,
    pub(crate) max_record: usize,
    /// Maximum length of a message made of text, and of the text in it.
    pub(crate) message_limit: usize,
    pub(crate) text_room: usize,
    pub(crate) dedup: Option<usize>,
    pub(crate) ack: Option<Ack>,
    /// The file in which later stages commit positions.
    pub(crate) resume: Option<PathBuf>,
    pub(crate) fsync: bool,
    pub(crate) write: WriteArgs,
    /// The file in which positions are stored.
    pub(crate) commit: Option<PathBuf>,
    pub(crate) limits: SenderLimits,
    pub(crate) ready_fd: Option<ReadyFd>,
    pub(crate) receive_buffer: Option<usize>,
    /// Whether datagrams contain frames, or text.
    pub(crate) framing: bool,
    pub(crate) listen: ListenOptions,
    /// Whether inherited TCP sockets use TLS too.
    pub(crate) all_tls: bool,
    pub(crate) tls: Option<tls::ServerSettings>,
    pub(crate) verifier: Verifier,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        let (addresses, uses_tls) = self.tls.apply(std::mem::take(&mut self.addresses))?;
        let tls = uses_tls.then(|| self.tls_args.plan()).transpose()?;
        let (addresses, programs) = part(addresses);
        self.check(uses_tls, &addresses)?;
        let (text_room, limits, listen) = (self.text_room()?, self.limits(), self.listen());
        Ok(Plan {
            addresses,
            // Programs send again what was not written.
            ack: self.ack.or((!programs.is_empty()).then_some(Ack::Write)),
            programs,
            stdio: self.stdio,
            backoff: self.retry.plan(Backoff::default()),
            input: self.input,
            showing: self.showing,
            color: self.common.color,
            null: self.null,
            type_: self.type_,
            once: self.once,
            max_count: self.max_count,
            max_record: self.max_record.min(self.input.longest()),
            message_limit: self.message_limit,
            text_room,
            dedup: self.dedup,
            resume: self.resume,
            // Committed messages are on the disk.
            fsync: self.fsync || self.commit.commit.is_some(),
            commit: self.commit.commit,
            limits,
            ready_fd: self.ready_fd,
            receive_buffer: self.receive_buffer,
            framing: !self.no_framing,
            listen,
            write: self.write,
            all_tls: self.tls.tls,
            tls,
            verifier: self.keys.load()?,
            writing: self.writing,
        })
    }

    /// Returns the maximum length of text in a message.
    fn text_room(&self) -> Result<usize, Stop> {
        Transport::text_room(self.type_.as_deref(), self.message_limit)
            .ok_or_else(|| Stop::usage("--message-limit: headers alone take more"))
    }

    fn limits(&self) -> SenderLimits {
        let count = |most| usize::try_from(most).unwrap_or(usize::MAX);
        SenderLimits {
            conns: count(self.max_conns),
            conns_per_peer: self.max_conns_per_peer.map(count),
            memory: self.max_memory,
            record: self.record_timeout.0,
            idle: self.socket.idle_timeout.0,
        }
    }

    fn listen(&self) -> ListenOptions {
        ListenOptions {
            backlog: self.backlog,
            mode: self.write.mode,
            keepalive: self.socket.keepalive,
            ..ListenOptions::default()
        }
    }

    /// Rejects flags without effect.
    fn check(&self, uses_tls: bool, addresses: &[Addr]) -> Result<(), Stop> {
        if !uses_tls && self.tls_args.is_used() {
            return Err(Stop::usage("flags of TLS need --tls or a tls:// address"));
        }
        let has_socket_file =
            addresses.iter().any(|addr| matches!(addr, Addr::Unix(_) | Addr::UnixGram(_)));
        if self.write.mode.is_some() && self.write.write.is_none() && !has_socket_file {
            return Err(Stop::usage("--mode needs --write or a UNIX socket"));
        }
        if self.resume.is_some() != (self.ack == Some(Ack::Commit)) {
            return Err(Stop::usage("--ack=commit and --resume go together"));
        }
        if self.no_framing && self.input != InputForm::Auto {
            return Err(Stop::usage("--no-framing and --input exclude each other"));
        }
        Ok(())
    }
}

/// Separates sockets and programs.
fn part(addresses: Vec<Addr>) -> (Vec<Addr>, Vec<Program>) {
    let (mut sockets, mut programs) = (Vec::new(), Vec::new());
    for addr in addresses {
        match addr {
            Addr::Exec(program) => programs.push(program),
            socket => sockets.push(socket),
        }
    }
    (sockets, programs)
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
