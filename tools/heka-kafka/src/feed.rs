// SPDX-License-Identifier: MIT OR Apache-2.0
//! The records from the broker, across clients: a failed client is replaced, and the next one
//! continues at the same position.

use std::time::{Duration, Instant};

use heka_core::delivery::transport::numbers::{COMMITTED, CONNECTED};
use heka_core::net::DialError;
use heka_core::os::{Deadline, Wanted};
use heka_core::report;
use nix::poll::PollFlags;
use rdkafka::error::{KafkaError, KafkaResult, RDKafkaErrorCode as Code};
use rdkafka::message::BorrowedMessage;

use crate::cli::Plan;
use crate::commits::Commits;
use crate::consumer::Consumer;
use crate::events::{Commit, News, Partition, Rebalance};
use crate::numbers::{LAG, PARTITIONS};
use crate::places::Places;
use crate::start::{Place, Question};
use crate::words;

/// Interval of commits.
pub(crate) const COMMIT: Duration = Duration::from_secs(1);
/// Maximum age of the numbers for the lag.
const COUNT: Duration = Duration::from_millis(200);

/// The partitions being read, and the client that reads them.
#[derive(Debug)]
pub(crate) struct Feed {
    consumer: Option<Consumer>,
    pub(crate) places: Places,
    /// When the lag was last determined.
    counted: Deadline,
    /// When offsets were last committed.
    committed: Instant,
    commits: Commits,
    /// Since when no broker can be reached.
    down: Option<Instant>,
    /// The library's last message.
    cause: Option<String>,
    /// Whether records were deleted before they were read.
    pub(crate) has_lost: bool,
}

impl Feed {
    pub(crate) fn new() -> Self {
        Self {
            consumer: None,
            places: Places::default(),
            counted: None,
            committed: Instant::now(),
            commits: Commits::default(),
            down: None,
            cause: None,
            has_lost: false,
        }
    }

    /// Whether there is a client.
    pub(crate) fn is_begun(&self) -> bool {
        self.consumer.is_some()
    }

    /// Creates a client.
    pub(crate) fn begin(&mut self, plan: &Plan) -> Result<(), DialError> {
        self.consumer = Some(Consumer::start(plan)?);
        Ok(())
    }

    /// Returns the descriptor to wait for.
    pub(crate) fn wanted(&self) -> Option<Wanted<'_>> {
        self.consumer.as_ref().map(|consumer| (consumer.events.fd(), PollFlags::POLLIN))
    }

    /// Whether fetching is paused.
    pub(crate) fn is_paused(&self) -> bool {
        self.consumer.as_ref().is_some_and(Consumer::is_paused)
    }

    /// Pauses or resumes fetching.
    pub(crate) fn pause(&mut self, pauses: bool) -> Result<(), DialError> {
        self.consumer.as_mut().map_or(Ok(()), |consumer| consumer.pause(pauses))
    }

    /// Must be called before a series of calls of [`Feed::poll`].
    pub(crate) fn awake(&self) {
        if let Some(consumer) = &self.consumer {
            consumer.events.awake();
        }
    }

    /// Returns the next message or error, if any.
    pub(crate) fn poll(&mut self) -> (Option<KafkaResult<BorrowedMessage<'_>>>, &mut Places) {
        (self.consumer.as_ref().and_then(Consumer::poll), &mut self.places)
    }

    /// Notes a received message.
    pub(crate) fn flows(&mut self) {
        self.down = None;
    }

    /// Destroys the client.
    pub(crate) fn lose(&mut self) {
        self.consumer = None;
        self.places.take_all_away();
        (self.down, self.cause) = (None, None);
        // The answers to this client's commits will not be read.
        self.commits = Commits::default();
        CONNECTED.set(0);
    }

    /// Leaves the group.
    pub(crate) fn end(&mut self) {
        self.count_lag(true);
        if let Some(consumer) = self.consumer.take() {
            consumer.end();
        }
    }

    /// Processes news from the library; `true` if the cluster has become ready.
    pub(crate) fn hear(&mut self, plan: &Plan) -> Result<bool, DialError> {
        let Some(consumer) = &self.consumer else { return Ok(false) };
        let news = consumer.events.take();
        self.cause = news.cause.clone().or(self.cause.take());
        if let Some(cause) = news.fatal {
            return Err(DialError::failed(cause));
        }
        let is_new = self.hear_of_cluster(plan, &news)?;
        for change in news.rebalances {
            self.rebalance(plan, change)?;
        }
        if let Some((epoch, found)) = news.found {
            let places = found.map_err(DialError::failed)?;
            self.assign(epoch, &places)?;
        }
        self.hear_of_commits(plan, news.commits)?;
        self.places.ends(&news.ends);
        self.count_lag(false);
        if self.down.is_some_and(|since| since.elapsed() > plan.patience) {
            return Err(self.failed("no broker can be reached"));
        }
        let is_due = self.committed.elapsed() >= COMMIT;
        if is_due && !self.commits.are_outstanding() && plan.address.options.group.is_some() {
            self.commit(None);
        }
        Ok(is_new)
    }

    /// Updates the lag, from time to time and at the end.
    fn count_lag(&mut self, is_over: bool) {
        if is_over || self.counted.is_none_or(|counted| counted.elapsed() > COUNT) {
            self.counted = Some(Instant::now());
            PARTITIONS.set(self.places.assigned().len() as u64);
            LAG.replace(self.places.lags());
        }
    }

    fn hear_of_cluster(&mut self, plan: &Plan, news: &News) -> Result<bool, DialError> {
        let Some(consumer) = &mut self.consumer else { return Ok(false) };
        let is_ready = consumer.is_ready;
        match &news.probed {
            Some(Err(cause)) if cause.contains(": ") => return Err(DialError::failed(cause)),
            Some(Err(cause)) => return Err(self.failed(cause)),
            Some(Ok(partitions)) => {
                consumer.is_ready = true;
                CONNECTED.set(1);
                report::note(format_args!("{}: connected", plan.address.text));
                if plan.address.options.group.is_some() && plan.address.options.partition.is_none()
                {
                    consumer.subscribe(&plan.address)?;
                } else {
                    self.ask(plan, partitions.clone(), false);
                }
            }
            None if !is_ready && news.is_down => {
                return Err(self.failed("no broker can be reached"));
            }
            None if !is_ready && consumer.age() > plan.connect_timeout => {
                return Err(self.failed("timeout"));
            }
            None => {}
        }
        if news.is_up {
            self.down = None;
        } else if news.is_down && self.down.is_none() {
            self.down = Some(Instant::now());
            let cause = self.cause.as_deref().unwrap_or("no broker can be reached");
            report::announce(format_args!("{}: {cause}; waiting for it", plan.address.text));
        }
        Ok(news.probed.is_some())
    }

    fn hear_of_commits(&mut self, plan: &Plan, commits: Vec<Commit>) -> Result<(), DialError> {
        for outcome in commits {
            self.commits.end();
            match outcome {
                Ok(list) => COMMITTED.add(self.places.committed(&list)),
                Err(error) => {
                    let (text, cause) = (&plan.address.text, words::of_error(&error));
                    let text = format_args!("{text}: offsets not committed: {cause}");
                    report::repeated("failed commits", text);
                }
            }
        }
        self.give_back()
    }

    /// Returns partitions whose records are committed.
    fn give_back(&mut self) -> Result<(), DialError> {
        let Some(list) = self.commits.released() else { return Ok(()) };
        self.places.take_away(&list);
        self.consumer.as_mut().map_or(Ok(()), |consumer| consumer.give_back(&list))
    }

    /// Handles a change of the group.
    fn rebalance(&mut self, plan: &Plan, change: Rebalance) -> Result<(), DialError> {
        match change {
            Rebalance::Given(list) => {
                report::note(format_args!("{} partitions assigned", list.len()));
                self.ask(plan, list, false);
            }
            Rebalance::Taken(list) => {
                report::note(format_args!("{} partitions given back", list.len()));
                self.commit(Some(&list));
                self.commits.hold(list);
                self.give_back()?;
            }
        }
        Ok(())
    }

    /// Requests the starts of these partitions.
    fn ask(&mut self, plan: &Plan, partitions: Vec<Partition>, is_out_of_range: bool) {
        let (known, start) = (self.places.known(), plan.start);
        let has_group = plan.address.options.group.is_some();
        if let Some(consumer) = &mut self.consumer {
            consumer.find(Question { partitions, known, start, has_group, is_out_of_range });
        }
    }

    /// Handles an error: it is either temporary or ends the client.
    pub(crate) fn trouble(&mut self, plan: &Plan, error: &KafkaError) -> Result<(), DialError> {
        if let KafkaError::PartitionEOF(partition) = error {
            self.places.end(*partition);
            return Ok(());
        }
        match error.rdkafka_error_code() {
            Some(Code::AutoOffsetReset) => {
                // The next record was deleted.
                self.ask(plan, self.places.assigned(), true);
                Ok(())
            }
            Some(code) if is_final(code) => Err(DialError::failed(words::of_code(code))),
            _ if matches!(error, KafkaError::MessageConsumptionFatal(_)) => {
                Err(DialError::failed(words::of_error(error)))
            }
            _ => Ok(()),
        }
    }

    /// Starts reading at `places`.
    fn assign(&mut self, epoch: u64, places: &[Place]) -> Result<(), DialError> {
        let Some(consumer) = &self.consumer else { return Ok(()) };
        if !consumer.assign(epoch, places)? {
            return Ok(());
        }
        self.places.assign_none();
        for place in places {
            self.has_lost |= place.has_lost;
            self.places.assign(place);
        }
        Ok(())
    }

    /// Requests the broker to store the acknowledged offsets of partitions.
    pub(crate) fn commit(&mut self, of: Option<&[Partition]>) {
        let offsets = self.places.to_commit(of);
        self.committed = Instant::now();
        if let Some(consumer) = self.consumer.as_ref().filter(|_| !offsets.is_empty()) {
            self.commits.begin();
            consumer.commit(offsets);
        }
    }

    /// Creates a failure; the library's last message is closer to the cause.
    fn failed(&mut self, cause: &str) -> DialError {
        DialError::failed(self.cause.take().as_deref().unwrap_or(cause))
    }

    /// Processes only the answers to commits; returns whether all are complete.
    pub(crate) fn is_committed(&mut self) -> bool {
        if let Some(consumer) = &self.consumer {
            consumer.events.awake();
            // The messages will be read again.
            while consumer.poll().is_some() {}
            for list in consumer.events.take().commits.into_iter().flatten() {
                COMMITTED.add(self.places.committed(&list));
            }
        }
        self.consumer.is_none() || self.places.to_commit(None).is_empty()
    }
}

/// Whether the library reports this once and then only waits.
fn is_final(code: Code) -> bool {
    matches!(
        code,
        Code::UnknownTopicOrPartition
            | Code::UnknownTopic
            | Code::UnknownPartition
            | Code::TopicAuthorizationFailed
            | Code::GroupAuthorizationFailed
            | Code::ClusterAuthorizationFailed
    )
}
