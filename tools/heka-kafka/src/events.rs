// SPDX-License-Identifier: MIT OR Apache-2.0
//! News from the library's and our own threads for the working thread, which a descriptor wakes.

use std::os::fd::{AsFd as _, BorrowedFd};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use heka_core::report::{self, Level, Stop};
use nix::sys::eventfd::{EfdFlags, EventFd};
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext, RebalanceProtocol};
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::{NoCustomPartitioner, ProducerContext};
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{ClientContext, Statistics, TopicPartitionList};

use crate::start::Place;
use crate::words;

/// The outcome of a message: its name, and the error if it is not stored.
pub(crate) type Answer = (usize, Option<Code>);
/// A topic and the number of a partition.
pub(crate) type Partition = (String, i32);

/// The existing partitions, or the reason why they are unusable.
pub(crate) type Probed = Result<Vec<Partition>, String>;
/// The outcome of a commit.
pub(crate) type Commit = KafkaResult<Vec<(Partition, i64)>>;

/// News since the last check.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) answers: Vec<Answer>,
    /// The result of asking the cluster for the topics.
    pub(crate) probed: Option<Probed>,
    /// Whether no broker can be reached.
    pub(crate) is_down: bool,
    /// Whether a broker responds.
    pub(crate) is_up: bool,
    /// The fatal error of the client.
    pub(crate) fatal: Option<String>,
    /// The last error that the library reported.
    pub(crate) cause: Option<String>,
    /// Partitions that were assigned or revoked.
    pub(crate) rebalances: Vec<Rebalance>,
    /// The starts of partitions, with the number of the assignment.
    pub(crate) found: Option<(u64, Result<Vec<Place>, String>)>,
    pub(crate) commits: Vec<Commit>,
    /// The first and last offsets of partitions.
    pub(crate) ends: Vec<(Partition, i64)>,
}

/// A change of the group.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Given(Vec<Partition>),
    Taken(Vec<Partition>),
}

/// The channel to the working thread.
#[derive(Debug)]
pub(crate) struct Events {
    news: Mutex<News>,
    wake: EventFd,
    names_host: bool,
    /// Whether the client ends, so that news are ignored.
    is_closing: AtomicBool,
    /// Whether the library has called back.
    has_called: AtomicBool,
}

impl Events {
    /// `names_host` says whether errors should name the broker.
    pub(crate) fn new(names_host: bool) -> Result<Arc<Self>, Stop> {
        let flags = EfdFlags::EFD_NONBLOCK | EfdFlags::EFD_CLOEXEC;
        let wake = EventFd::from_flags(flags).map_err(Stop::failed)?;
        Ok(Arc::new(Self {
            news: Mutex::default(),
            wake,
            names_host,
            is_closing: AtomicBool::new(false),
            has_called: AtomicBool::new(false),
        }))
    }

    /// Returns a descriptor that is readable if there are news.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// Resets the wake-up. Must be called before polling the library, which only wakes the thread
    /// when there was nothing before.
    pub(crate) fn awake(&self) {
        // It would block if nobody has written, and then there is nothing to reset.
        let _woken = self.wake.read();
    }

    /// Takes the news.
    pub(crate) fn take(&self) -> News {
        std::mem::take(&mut *self.lock())
    }

    fn lock(&self) -> MutexGuard<'_, News> {
        self.news.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Adds news.
    pub(crate) fn tell(&self, add: impl FnOnce(&mut News)) {
        add(&mut self.lock());
        self.wake();
    }

    /// Whether the library has called back since the last call.
    pub(crate) fn was_called(&self) -> bool {
        self.has_called.swap(false, Ordering::Relaxed)
    }

    fn called(&self) {
        self.has_called.store(true, Ordering::Relaxed);
    }

    /// Notes that the client ends.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Wakes the working thread.
    pub(crate) fn wake(&self) {
        // It fails only after 2^64 writes.
        let _woken = self.wake.write(1);
    }
}

/// Callbacks of the library.
#[derive(Clone, Debug)]
pub(crate) struct Context(pub(crate) Arc<Events>);

impl ClientContext for Context {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        self.0.called();
        if facility == "FAIL" {
            // There is no other report of a broken connection.
            let text = message.split_once("]: ").map_or(message, |(_, rest)| rest);
            let text = words::of_reason(text, self.0.names_host);
            self.0.tell(|news| news.cause = Some(text));
        }
        if (level as i32) <= RDKafkaLogLevel::Critical as i32 {
            report::warning(message);
        } else if report::wants(Level::Debug) {
            report::debug(format_args!("{facility} {message}"));
        }
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.called();
        let text = words::of_reason(reason, self.0.names_host);
        report::debug(&text);
        self.0.tell(|news| match error.rdkafka_error_code() {
            Some(Code::AllBrokersDown) => news.is_down = true,
            Some(Code::Fatal) => news.fatal = Some(text),
            Some(Code::PartitionEOF) => {}
            _ => news.cause = Some(text),
        });
    }

    fn stats(&self, statistics: Statistics) {
        self.0.called();
        let mut ends = Vec::new();
        for (topic, of_topic) in &statistics.topics {
            for (partition, numbers) in
                of_topic.partitions.iter().filter(|(number, _)| **number >= 0)
            {
                ends.push(((topic.clone(), *partition), numbers.hi_offset));
            }
        }
        let is_up = statistics.brokers.values().any(|broker| broker.state == "UP");
        self.0.tell(|news| {
            news.ends = ends;
            news.is_up |= is_up;
        });
    }
}

impl ProducerContext<NoCustomPartitioner> for Context {
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, id: usize) {
        let error = result
            .as_ref()
            .err()
            .map(|(error, _)| error.rdkafka_error_code().unwrap_or(Code::Fail));
        let mut news = self.0.lock();
        news.answers.push((id, error));
        let is_first = news.answers.len() == 1;
        drop(news);
        if is_first {
            self.0.wake();
        }
    }
}

impl ConsumerContext for Context {
    fn rebalance(
        &self,
        consumer: &BaseConsumer<Self>,
        kind: RDKafkaRespErr,
        partitions: &mut TopicPartitionList,
    ) {
        self.0.called();
        if self.0.is_closing.load(Ordering::Relaxed) {
            // Nothing can be done about an error.
            let _given_back = give_back(consumer, partitions);
            return;
        }
        let list = partitions.elements();
        let list = list.iter().map(|one| (one.topic().to_owned(), one.partition())).collect();
        // Assigned once the start of each is known, returned once processed records are committed.
        let is_given = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let change = if is_given { Rebalance::Given(list) } else { Rebalance::Taken(list) };
        self.0.tell(|news| news.rebalances.push(change));
    }
}

/// Starts reading these partitions: in addition, or exclusively if the group assigns all at once.
pub(crate) fn take_over(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    if is_incremental(consumer) {
        consumer.incremental_assign(partitions)
    } else {
        consumer.assign(partitions)
    }
}

/// Stops reading these partitions.
pub(crate) fn give_back(
    consumer: &BaseConsumer<Context>,
    partitions: &TopicPartitionList,
) -> KafkaResult<()> {
    if is_incremental(consumer) {
        consumer.incremental_unassign(partitions)
    } else {
        consumer.unassign()
    }
}

/// Whether the group moves single partitions while the others continue to be read.
fn is_incremental(consumer: &BaseConsumer<Context>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}
