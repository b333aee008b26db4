// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the threads of the library and our own have to say to the one that works, which is woken by
//! a descriptor.

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

/// What came of a message: its name, and why it is not stored.
pub(crate) type Answer = (usize, Option<Code>);
/// A topic and the number of a partition.
pub(crate) type Partition = (String, i32);

/// The partitions that there are, or why they are of no use.
pub(crate) type Probed = Result<Vec<Partition>, String>;
/// What came of a commit.
pub(crate) type Commit = KafkaResult<Vec<(Partition, i64)>>;

/// News since it was last looked.
#[derive(Debug, Default)]
pub(crate) struct News {
    pub(crate) answers: Vec<Answer>,
    /// The cluster was asked whether what we want is there.
    pub(crate) probed: Option<Probed>,
    /// No broker can be reached.
    pub(crate) is_down: bool,
    /// A broker answers.
    pub(crate) is_up: bool,
    /// The client can do nothing more.
    pub(crate) fatal: Option<String>,
    /// What is wrong, as the library said last.
    pub(crate) cause: Option<String>,
    /// Partitions were given to us, or taken from us.
    pub(crate) rebalances: Vec<Rebalance>,
    /// It is known where partitions begin, of the assignment with that number.
    pub(crate) found: Option<(u64, Result<Vec<Place>, String>)>,
    pub(crate) commits: Vec<Commit>,
    /// The first and the last offsets of partitions.
    pub(crate) ends: Vec<(Partition, i64)>,
}

/// A change of the group.
#[derive(Debug)]
pub(crate) enum Rebalance {
    Given(Vec<Partition>),
    Taken(Vec<Partition>),
}

/// The way to the thread that works.
#[derive(Debug)]
pub(crate) struct Events {
    news: Mutex<News>,
    wake: EventFd,
    names_host: bool,
    /// Nobody takes the news: the client ends.
    is_closing: AtomicBool,
    /// The library has called us.
    has_called: AtomicBool,
}

impl Events {
    /// `names_host` if it is of interest which broker an error is of.
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

    /// Readable if there are news.
    pub(crate) fn fd(&self) -> BorrowedFd<'_> {
        self.wake.as_fd()
    }

    /// We are awake. To be said before the library is asked for what it has: it wakes us only when
    /// there was nothing before.
    pub(crate) fn awake(&self) {
        // If nobody has written, it would block, and there is nothing to be forgotten.
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

    /// Whether the library has called us since this was asked last.
    pub(crate) fn was_called(&self) -> bool {
        self.has_called.swap(false, Ordering::Relaxed)
    }

    fn called(&self) {
        self.has_called.store(true, Ordering::Relaxed);
    }

    /// The client ends.
    pub(crate) fn close(&self) {
        self.is_closing.store(true, Ordering::Relaxed);
    }

    /// Wakes the thread that works.
    pub(crate) fn wake(&self) {
        // It fails only if it was written to 2^64 times.
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
            // Of a connection that breaks nothing else is said.
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
            // Nothing is left to do about an error.
            let _given_back = give_back(consumer, partitions);
            return;
        }
        let list = partitions.elements();
        let list = list.iter().map(|one| (one.topic().to_owned(), one.partition())).collect();
        // Assigned once it is known where each begins, given back once what is done is committed.
        let is_given = kind == RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS;
        let change = if is_given { Rebalance::Given(list) } else { Rebalance::Taken(list) };
        self.0.tell(|news| news.rebalances.push(change));
    }
}

/// Reads those partitions, too, or those alone if the group hands over all at once.
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

/// Reads those partitions no longer.
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

/// Whether the group hands over single partitions while the others are read on.
fn is_incremental(consumer: &BaseConsumer<Context>) -> bool {
    matches!(consumer.rebalance_protocol(), RebalanceProtocol::Cooperative)
}
