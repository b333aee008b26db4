// SPDX-License-Identifier: MIT OR Apache-2.0
//! What heka-send is to do, as its command line says.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use heka_core::cli::When;
use heka_core::codec::{Form, Payload};
use heka_core::net::{Addr, Backoff, Dialer};
use heka_core::wire::Signer;

use crate::place::Identity;
use crate::queue::Limits;

/// How long peers may take at the end, unless it is said.
const LINGER: Duration = Duration::from_secs(10);

/// Forms of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Recognised by the first record
    Auto,
    /// Framed messages
    Heka,
    /// Lines, one message each
    Lines,
}

/// What counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// When it is written to the connection
    None,
    /// When the peer's kernel has it
    Kernel,
    /// When heka-listen --ack has passed it on
    Peer,
}

/// What to do with a message that the receiver will never write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Refused {
    /// Exit with status 1 before it
    Stop,
    /// Skip it; status 1 at the end
    Skip,
}

/// What to do when the queue is full.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum QueueFull {
    /// Stop reading until there is room
    Block,
    /// Drop the oldest messages, with a warning
    DropOldest,
    /// Exit with status 1
    Exit,
}

/// Which of several addresses get the messages.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// One of them, the first that answers
    First,
    /// Every one
    All,
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One group of addresses for each peer that gets the messages.
    pub(crate) targets: Vec<Vec<Addr>>,
    /// Nothing is sent: what is at the addresses is reported.
    pub(crate) checks: bool,
    pub(crate) input: InputForm,
    pub(crate) output: Form,
    /// Messages have frames.
    pub(crate) framing: bool,
    pub(crate) payload: Payload,
    pub(crate) max_count: Option<u64>,
    pub(crate) max_record: usize,
    /// Longest message that receivers are known to take.
    pub(crate) message_limit: usize,
    pub(crate) commit: Option<PathBuf>,
    pub(crate) delivery: Delivery,
    /// Where messages are kept that a receiver refuses.
    pub(crate) refused_file: Option<PathBuf>,
    /// What names the records of this run, or of this queue, if the peer is to acknowledge them.
    pub(crate) identity: Option<Identity>,
    pub(crate) queue: Option<QueuePlan>,
    pub(crate) tee: bool,
    pub(crate) color: When,
    pub(crate) backoff: Backoff,
    pub(crate) dialer: Dialer,
    pub(crate) uses_tls: bool,
    pub(crate) signer: Option<Signer>,
}

/// How records are delivered.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// As it was asked for; what holds is [`Delivery::ack_of`].
    pub(crate) ack: Option<Ack>,
    pub(crate) in_flight: usize,
    pub(crate) resend: u64,
    pub(crate) refused: Refused,
    /// As it was asked for; what holds is [`Delivery::linger_of`].
    pub(crate) linger: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) reconnect_after: u64,
    /// Messages a second.
    pub(crate) rate: Option<u32>,
    /// Messages share datagrams.
    pub(crate) shares_datagrams: bool,
}

impl Delivery {
    /// What counts as delivered at an address.
    pub(crate) fn ack_of(&self, addr: &Addr) -> Ack {
        match addr {
            _ if addr.is_datagram() => Ack::None,
            Addr::Exec(_) => self.ack.unwrap_or(Ack::Peer),
            _ => self.ack.unwrap_or(Ack::Kernel),
        }
    }

    /// Whether what is behind an address shows only by its end that it is done.
    pub(crate) fn counts_exit_of(&self, addr: &Addr) -> bool {
        matches!(addr, Addr::Exec(_)) && self.ack_of(addr) != Ack::Peer
    }

    /// How long an address may take at the end, if that is limited.
    pub(crate) fn linger_of(&self, addr: &Addr) -> Option<Duration> {
        if self.counts_exit_of(addr) { self.linger } else { Some(self.linger()) }
    }

    /// How long peers may take at the end.
    pub(crate) fn linger(&self) -> Duration {
        self.linger.unwrap_or(LINGER)
    }
}

/// A queue on disk.
#[derive(Clone, Debug)]
pub(crate) struct QueuePlan {
    pub(crate) dir: PathBuf,
    pub(crate) limits: Limits,
    pub(crate) full: QueueFull,
}
