// SPDX-License-Identifier: MIT OR Apache-2.0
//! A writing client.

use std::sync::Arc;
use std::time::{Duration, Instant};

use heka_core::net::DialError;
use rdkafka::error::RDKafkaErrorCode as Code;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};

use crate::cli::Plan;
use crate::cluster;
use crate::events::{Context, Events};
use crate::words;

/// Time for a client to end.
const END: Duration = Duration::from_millis(300);

/// A connection to the cluster.
pub(crate) struct Producer {
    client: Option<Arc<ThreadedProducer<Context>>>,
    pub(crate) events: Arc<Events>,
    /// Whether the cluster has the requested topics.
    pub(crate) is_ready: bool,
    /// Since when it has been asked.
    since: Instant,
}

impl std::fmt::Debug for Producer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Producer").field("is_ready", &self.is_ready).finish_non_exhaustive()
    }
}

/// The result of passing a record to the library.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Sent {
    Taken,
    /// It has no room now.
    Full,
    Failed(Code),
}

impl Producer {
    /// Creates a client, which begins to connect, and asks for the topic.
    pub(crate) fn start(plan: &Plan, topic: Option<String>) -> Result<Self, DialError> {
        let events = Events::new(plan.address.has_several).map_err(DialError::Stopped)?;
        let client: ThreadedProducer<Context> = plan
            .config
            .create_with_context(Context(Arc::clone(&events)))
            .map_err(|error| words::of_creation(&error))?;
        let client = Arc::new(client);
        let (asking, told, limit) =
            (Arc::clone(&client), Arc::clone(&events), plan.connect_timeout);
        std::thread::spawn(move || {
            let found = cluster::partitions(asking.client(), topic.as_deref(), limit);
            drop(asking);
            told.tell(|news| news.probed = Some(found));
        });
        Ok(Self { client: Some(client), events, is_ready: false, since: Instant::now() })
    }

    /// Returns how long it has been connecting.
    pub(crate) fn age(&self) -> Duration {
        self.since.elapsed()
    }

    /// Passes a record to the library.
    pub(crate) fn send(&self, record: BaseRecord<'_, [u8], [u8], usize>) -> Sent {
        let Some(client) = &self.client else { return Sent::Full };
        match client.send(record) {
            Ok(()) => Sent::Taken,
            Err((error, _)) => match error.rdkafka_error_code().unwrap_or(Code::Fail) {
                Code::QueueFull => Sent::Full,
                code => Sent::Failed(code),
            },
        }
    }

    /// Destroys the client, and waits a moment for its end.
    pub(crate) fn end(mut self) {
        let (ended, is_ended) = std::sync::mpsc::channel::<()>();
        let client = self.client.take();
        std::thread::spawn(move || {
            drop(client);
            drop(ended);
        });
        let _ended = is_ended.recv_timeout(END);
    }
}

impl Drop for Producer {
    fn drop(&mut self) {
        // It may wait for brokers that do not respond.
        let client = self.client.take();
        std::thread::spawn(move || drop(client));
    }
}
