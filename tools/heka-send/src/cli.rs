// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-send.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use crate::queue::Limits;
use clap::Parser;
use heka_core::cli::net::{NetArgs, RetryArgs, TlsArgs, TlsChoice, parse_source};
use heka_core::cli::signing::SignerArgs;
use heka_core::cli::{
    Common, Help, Timeout, Tool, forms, parse_buffer_size, parse_duration, parse_size,
    parse_timeout,
};
use heka_core::codec::{Form, Newlines, Payload};
use heka_core::net::{Addr, Backoff, Dialer, parse_addr, tls};
use heka_core::report::Stop;
use heka_core::report::stats::Metric;

use crate::plan::{Ack, Delivery, InputForm, Plan, QueueFull, QueuePlan, Refused, To};

/// Send messages to another machine
///
/// Reads Heka messages, or lines, from standard input and delivers them to ADDRESS: HOST:PORT,
/// tcp://, tls:// or udp://HOST:PORT, unix:PATH, unixgram:PATH, @NAME or exec:COMMAND.
/// What the other side has not acknowledged is sent again after a reconnect.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Destination; several are tried in order
    #[arg(value_name = "ADDRESS", required = true, value_parser = parse_addr)]
    addresses: Vec<Addr>,
    /// Input format
    #[arg(short, long, value_name = "FORM", default_value = "auto")]
    input: InputForm,
    /// Output format
    #[arg(short, long, value_name = "FORM", default_value = "heka",
          value_parser = forms(&[Form::Heka, Form::Payload, Form::Raw]))]
    output: Form,
    /// When to add a newline to a payload (with -o payload) [default: auto]
    #[arg(long, value_name = "WHEN")]
    newlines: Option<Newlines>,
    /// Text records end with NUL
    #[arg(short = '0', long)]
    null: bool,
    /// Connect, print what is at each address, and send nothing
    #[arg(long, conflicts_with_all = ["queue", "commit", "refused_file", "tee", "max_count"])]
    check: bool,
    /// Send to the first address that answers, or to all
    #[arg(long, value_name = "WHICH", default_value = "first")]
    to: To,
    /// Stop after NUM messages
    #[arg(short = 'n', long, value_name = "NUM")]
    max_count: Option<u64>,
    /// Longest message to accept
    #[arg(long, alias = "max-message-size", value_name = "SIZE", default_value = "4M", value_parser = parse_buffer_size)]
    max_record: usize,
    /// Longest message made of text; Heka's own limit
    #[arg(long, value_name = "SIZE", default_value = "64K", value_parser = parse_buffer_size)]
    message_limit: usize,
    /// Send at most NUM messages a second
    #[arg(long, value_name = "NUM", value_parser = clap::value_parser!(u32).range(1..))]
    rate: Option<u32>,
    /// Send each message as a datagram without a frame
    #[arg(long)]
    no_framing: bool,
    /// Copy the input to standard output
    #[arg(short = 'T', long)]
    tee: bool,
    /// Connect from this address
    #[arg(short, long, value_name = "ADDR[:PORT]", value_parser = parse_source)]
    source: Option<SocketAddr>,
    /// When a message counts as delivered [default: kernel, or peer for exec:]
    #[arg(long, value_name = "BY", help_heading = "Delivery options")]
    ack: Option<Ack>,
    /// Store the source's position in FILE as messages are delivered
    #[arg(long, value_name = "FILE", help_heading = "Delivery options", value_hint = clap::ValueHint::FilePath)]
    commit: Option<PathBuf>,
    /// Limit on unacknowledged data
    #[arg(long, value_name = "SIZE", default_value = "8M", help_heading = "Delivery options", value_parser = parse_buffer_size)]
    in_flight: usize,
    /// Resend up to SIZE of acknowledged data after a failure
    #[arg(long, value_name = "SIZE", default_value = "0", help_heading = "Delivery options", value_parser = parse_size)]
    resend: u64,
    /// What to do with messages the receiver refuses
    #[arg(long, value_name = "ACTION", help_heading = "Delivery options")]
    refused: Option<Refused>,
    /// Append refused messages to FILE and skip them
    #[arg(long, value_name = "FILE", help_heading = "Delivery options", value_hint = clap::ValueHint::FilePath)]
    refused_file: Option<PathBuf>,
    /// Time to wait for final acknowledgements [default: 10s]
    #[arg(long, value_name = "DURATION", help_heading = "Delivery options", value_parser = parse_duration)]
    linger: Option<Duration>,
    /// Drop a connection that stalls for DURATION
    #[arg(long, value_name = "DURATION", default_value = "30s", help_heading = "Delivery options", value_parser = parse_timeout)]
    write_timeout: Timeout,
    /// Reconnect after NUM messages (0: never)
    #[arg(long, value_name = "NUM", default_value = "0", help_heading = "Delivery options")]
    reconnect_after: u64,
    /// Store messages in DIR until they are delivered
    #[arg(long, value_name = "DIR", help_heading = "Queue options", value_hint = clap::ValueHint::DirPath)]
    queue: Option<PathBuf>,
    /// Maximum queue size
    #[arg(long, value_name = "SIZE", default_value = "1G", requires = "queue", help_heading = "Queue options", value_parser = parse_size)]
    queue_size: u64,
    /// What to do when the queue is full
    #[arg(
        long,
        value_name = "ACTION",
        default_value = "block",
        requires = "queue",
        help_heading = "Queue options"
    )]
    queue_full: QueueFull,
    /// Size of one queue file
    #[arg(long, value_name = "SIZE", default_value = "128M", requires = "queue", help_heading = "Queue options", value_parser = parse_size)]
    queue_file_size: u64,
    #[command(flatten)]
    signer: SignerArgs,
    #[command(flatten)]
    net: NetArgs,
    #[command(flatten)]
    retry: RetryArgs,
    #[command(flatten)]
    tls: TlsChoice,
    #[command(flatten)]
    tls_args: TlsArgs,
    #[command(flatten)]
    common: Common,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-send";
    const METRICS: &'static [&'static [Metric]] = &[crate::numbers::ALL];
    const HELP: Help = crate::help::HELP;
    fn common(&self) -> &Common {
        &self.common
    }
    fn adjust(command: clap::Command) -> clap::Command {
        RetryArgs::show_defaults(command, Backoff::default())
    }
}

impl Cli {
    pub(crate) fn plan(mut self) -> Result<Plan, Stop> {
        let (addresses, uses_tls) = self.tls.apply(std::mem::take(&mut self.addresses))?;
        self.check(uses_tls, &addresses)?;
        let delivery = self.delivery(&addresses)?;
        let mut settings = self.net.plan(&["ALL_PROXY"])?;
        settings.source = self.source;
        let newlines = self.newlines.unwrap_or_default();
        let payload = Payload { newlines, null: self.null, prefix: None };
        let queue = self.queue.take();
        let queue =
            queue.map(|dir| QueuePlan { dir, limits: self.limits(), full: self.queue_full });
        let targets = match self.to {
            To::First => vec![addresses],
            To::All => addresses.into_iter().map(|address| vec![address]).collect(),
        };
        Ok(Plan {
            targets,
            checks: self.check,
            input: self.input,
            output: self.output,
            framing: !self.no_framing,
            payload,
            max_count: self.max_count,
            max_record: self.max_record,
            message_limit: self.message_limit,
            commit: self.commit,
            delivery,
            refused_file: self.refused_file,
            identity: None,
            queue,
            tee: self.tee,
            color: self.common.color,
            backoff: self.retry.plan(Backoff::default()),
            dialer: Dialer { settings, tls: tls::Client::new(self.tls_args.plan()) },
            uses_tls,
            signer: self.signer.load()?,
        })
    }

    fn delivery(&self, addresses: &[Addr]) -> Result<Delivery, Stop> {
        let is_datagram = addresses.iter().any(Addr::is_datagram);
        let (commits, queues) = (self.commit.is_some(), self.queue.is_some());
        let is_program = |addr: &Addr| matches!(addr, Addr::Exec(_));
        // Programs acknowledge what they understand.
        let asked = self.ack.or((self.output != Form::Heka).then_some(Ack::Kernel));
        let is_exec = asked.is_none() && addresses.iter().any(is_program);
        let ack = if is_exec { Some(Ack::Peer) } else { asked };
        check_combination(ack, self.output, is_datagram && !is_exec, commits, queues)?;
        let keeps = self.refused_file.is_some();
        let refused = plan_refused(self.refused, keeps, ack, commits || queues)?;
        Ok(Delivery {
            ack: asked,
            in_flight: self.in_flight,
            resend: self.resend,
            refused,
            linger: self.linger,
            answer_timeout: self.net.connect.connect_timeout.0,
            write_timeout: self.write_timeout.0,
            idle_timeout: self.net.socket.idle_timeout.0,
            reconnect_after: self.reconnect_after,
            rate: self.rate,
            shares_datagrams: !self.no_framing,
        })
    }

    fn limits(&self) -> Limits {
        Limits {
            size: self.queue_size,
            file_size: self.queue_file_size,
            // Messages in the queue were accepted before, including lines that became messages.
            message_size: u32::MAX as usize,
        }
    }

    /// Rejects flags that do not go together.
    fn check(&self, uses_tls: bool, addresses: &[Addr]) -> Result<(), Stop> {
        if self.no_framing {
            let fits = self.output == Form::Heka && addresses.iter().all(Addr::is_datagram);
            if !fits || self.signer.signer.is_some() {
                return Err(Stop::usage("--no-framing is for datagrams of unsigned messages"));
            }
        }
        check_effects(self.output, self.input, self.newlines, self.signer.signer.is_some())?;
        if !uses_tls && self.tls_args.is_used() {
            return Err(Stop::usage("flags of TLS need --tls or a tls:// address"));
        }
        Ok(())
    }
}

/// Rejects flags without effect.
fn check_effects(
    output: Form,
    input: InputForm,
    newlines: Option<Newlines>,
    signs: bool,
) -> Result<(), Stop> {
    if newlines.is_some() && output != Form::Payload {
        return Err(Stop::usage("--newlines is for -o payload"));
    }
    if signs && output != Form::Heka {
        return Err(Stop::usage("--signer needs frames to sign: -o heka"));
    }
    if input != InputForm::Auto && output == Form::Raw {
        return Err(Stop::usage("--input does not apply to -o raw, which accepts any bytes"));
    }
    Ok(())
}

/// Returns the treatment of refused messages; `keeps` says whether there is a file for them.
fn plan_refused(
    asked: Option<Refused>,
    keeps: bool,
    ack: Option<Ack>,
    has_memory: bool,
) -> Result<Refused, Stop> {
    if (keeps || asked.is_some()) && ack != Some(Ack::Peer) {
        return Err(Stop::usage("--refused and --refused-file need --ack=peer"));
    }
    match asked {
        Some(Refused::Stop) if keeps => {
            Err(Stop::usage("--refused-file is for messages that are skipped: --refused=skip"))
        }
        Some(refused) => Ok(refused),
        None if has_memory && !keeps => Ok(Refused::Stop),
        None => Ok(Refused::Skip),
    }
}

fn check_combination(
    ack: Option<Ack>,
    output: Form,
    is_datagram: bool,
    commits: bool,
    queues: bool,
) -> Result<(), Stop> {
    if ack == Some(Ack::Peer) && output != Form::Heka {
        return Err(Stop::usage("--ack=peer needs frames to number: -o heka"));
    }
    if ack == Some(Ack::Peer) && is_datagram {
        return Err(Stop::usage("--ack=peer needs a stream: datagrams are not acknowledged"));
    }
    if queues && output == Form::Raw {
        return Err(Stop::usage("--queue needs messages: raw bytes have no ends"));
    }
    if commits && output == Form::Raw {
        return Err(Stop::usage("--commit needs messages: raw bytes carry no positions"));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    #[test]
    fn documented() {
        heka_core::cli::testing::assert_documented::<super::Cli>();
    }
}
