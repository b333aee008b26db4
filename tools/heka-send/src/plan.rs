// SPDX-License-Identifier: MIT OR Apache-2.0
//! The validated task of heka-send.

use std::path::PathBuf;
use std::time::Duration;

use clap::ValueEnum;
use heka_core::cli::When;
use heka_core::codec::{Form, Payload};
use heka_core::net::{Addr, Backoff, Dialer};
use heka_core::wire::Signer;

use crate::place::Identity;
use crate::queue::Limits;

/// Default time for peers at the end.
const LINGER: Duration = Duration::from_secs(10);

/// The format of the input.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum InputForm {
    /// Recognised by the first record
    Auto,
    /// Framed messages
    Heka,
    /// Lines, one message each
    Lines,
}

/// When a message counts as delivered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Ack {
    /// When it is written to the connection
    None,
    /// When the peer's kernel has it
    Kernel,
    /// When heka-listen --ack has passed it on
    Peer,
}

/// The treatment of a message that the receiver refuses.
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

/// The choice among several addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum To {
    /// One of them, the first that answers
    First,
    /// Every one
    All,
}

/// The validated task.
#[derive(Debug)]
pub(crate) struct Plan {
    /// One group of addresses for each peer that gets the messages.
    pub(crate) targets: Vec<Vec<Addr>>,
    /// Whether to report what is at the addresses without sending anything.
    pub(crate) checks: bool,
    pub(crate) input: InputForm,
    pub(crate) output: Form,
    /// Whether messages have frames.
    pub(crate) framing: bool,
    pub(crate) payload: Payload,
    pub(crate) max_count: Option<u64>,
    pub(crate) max_record: usize,
    /// Maximum length of a message that receivers are known to accept.
    pub(crate) message_limit: usize,
    pub(crate) commit: Option<PathBuf>,
    pub(crate) delivery: Delivery,
    /// File for messages that a receiver refuses.
    pub(crate) refused_file: Option<PathBuf>,
    /// The identity of this run's, or this queue's, records, if the peer acknowledges them.
    pub(crate) identity: Option<Identity>,
    pub(crate) queue: Option<QueuePlan>,
    pub(crate) tee: bool,
    pub(crate) color: When,
    pub(crate) backoff: Backoff,
    pub(crate) dialer: Dialer,
    pub(crate) uses_tls: bool,
    pub(crate) signer: Option<Signer>,
}

/// Settings of delivery.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Delivery {
    /// As requested; the effective value is [`Delivery::ack_of`].
    pub(crate) ack: Option<Ack>,
    pub(crate) in_flight: usize,
    pub(crate) resend: u64,
    pub(crate) refused: Refused,
    /// As requested; the effective value is [`Delivery::linger_of`].
    pub(crate) linger: Option<Duration>,
    /// As requested; the effective value is [`Delivery::answer_timeout_of`].
    pub(crate) answer_timeout: Option<Duration>,
    pub(crate) write_timeout: Option<Duration>,
    pub(crate) idle_timeout: Option<Duration>,
    pub(crate) reconnect_after: u64,
    /// Messages per second.
    pub(crate) rate: Option<u32>,
    /// Whether messages share datagrams.
    pub(crate) shares_datagrams: bool,
}

impl Delivery {
    /// Returns when a message counts as delivered at an address.
    pub(crate) fn ack_of(&self, addr: &Addr) -> Ack {
        match addr {
            _ if addr.is_datagram() => Ack::None,
            Addr::Exec(_) => self.ack.unwrap_or(Ack::Peer),
            _ => self.ack.unwrap_or(Ack::Kernel),
        }
    }

    /// Whether completion at an address is only known by the end of its program.
    pub(crate) fn counts_exit_of(&self, addr: &Addr) -> bool {
        matches!(addr, Addr::Exec(_)) && self.ack_of(addr) != Ack::Peer
    }

    /// Returns the time limit for the first answer of an address, if any. A program need not answer
    /// before it has a message.
    pub(crate) fn answer_timeout_of(&self, addr: &Addr) -> Option<Duration> {
        self.answer_timeout.filter(|_| !matches!(addr, Addr::Exec(_)))
    }

    /// Returns the time limit for an address at the end, if any.
    pub(crate) fn linger_of(&self, addr: &Addr) -> Option<Duration> {
        if self.counts_exit_of(addr) { self.linger } else { Some(self.linger()) }
    }

    /// Returns the time limit for peers at the end.
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
