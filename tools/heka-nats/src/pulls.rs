// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests for messages, each for a number of them.

use std::collections::VecDeque;
use std::time::Duration;

use serde_json::json;

use crate::client::Client;
use crate::jetstream::Consumer;
use crate::protocol::put_message;

/// Number of messages per request.
const BATCH: u64 = 256;
/// Time for which a server keeps a request without messages, and the interval of its heartbeats.
const EXPIRES: Duration = Duration::from_secs(30);
const HEARTBEAT: Duration = Duration::from_secs(5);
/// Time without any message after which the consumer is considered gone.
pub(crate) const SILENCE: Duration = Duration::from_secs(15);

/// Status texts for the end or the limits of a request, after which the consumer continues.
const OF_THE_REQUEST: [&str; 3] = ["Exceeded", "Exceeds", "Batch Completed"];

/// An answer to a request instead of messages.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The request continues.
    Alive,
    /// There are no more messages now.
    Empty,
    /// The request has ended; another one may get more.
    Over,
    /// There will be no messages, for this reason.
    Gone(String),
}

/// The open requests.
#[derive(Debug, Default)]
pub(crate) struct Pulls {
    /// Name, and number of messages to come.
    open: VecDeque<(u64, u64)>,
    asked: u64,
}

impl Pulls {
    /// Requests more messages, of about this total size, if few are outstanding. `waits` says
    /// whether the server should wait for them.
    pub(crate) fn ask(
        &mut self,
        client: &mut Client,
        consumer: &Consumer,
        size: usize,
        waits: bool,
    ) {
        let expected: u64 = self.open.iter().map(|(_, left)| left).sum();
        if expected > BATCH / 2 || (!waits && !self.open.is_empty()) {
            return;
        }
        self.asked += 1;
        self.open.push_back((self.asked, BATCH));
        let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
        // A single message has to fit.
        let size = size.max(client.max_payload);
        let request = if waits {
            json!({
                "batch": BATCH, "max_bytes": size, "expires": nanoseconds(EXPIRES),
                "idle_heartbeat": nanoseconds(HEARTBEAT),
            })
        } else {
            json!({ "batch": BATCH, "max_bytes": size, "no_wait": true })
        };
        let Consumer { stream, name, .. } = consumer;
        let subject = format!("$JS.API.CONSUMER.MSG.NEXT.{stream}.{name}");
        let reply = client.reply_to(&format!("p{}", self.asked));
        let request = request.to_string();
        put_message(client.output(), subject.as_bytes(), &reply, "", request.as_bytes());
    }

    /// Counts a received message. It does not name its request: they are served in order.
    pub(crate) fn took(&mut self) {
        if let Some((_, left)) = self.open.front_mut() {
            *left -= 1;
            if *left == 0 {
                self.open.pop_front();
            }
        }
    }

    /// Handles a status for a request.
    pub(crate) fn told(&mut self, id: u64, status: u16, words: &str) -> Answer {
        if status == 100 {
            return Answer::Alive;
        }
        self.open.retain(|(open, _)| *open != id);
        match status {
            404 => Answer::Empty,
            408 => Answer::Over,
            409 if OF_THE_REQUEST.iter().any(|part| words.contains(part)) => Answer::Over,
            503 => Answer::Gone("the consumer is not available".to_owned()),
            _ => Answer::Gone(words.to_owned()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_request_is_over_with_its_messages_or_a_status() {
        let mut pulls = Pulls { open: VecDeque::from([(1, 2), (2, 5)]), asked: 2 };
        pulls.took();
        pulls.took();
        assert_eq!(pulls.open, [(2, 5)]);
        assert_eq!(pulls.told(2, 100, "Idle Heartbeat"), Answer::Alive);
        assert_eq!(pulls.told(2, 408, "Request Timeout"), Answer::Over);
        assert!(pulls.open.is_empty());
        assert_eq!(pulls.told(2, 409, "Message Size Exceeds MaxBytes"), Answer::Over);
        assert_eq!(pulls.told(2, 409, "Batch Completed"), Answer::Over);
        let gone = Answer::Gone("Consumer Deleted".to_owned());
        assert_eq!(pulls.told(3, 409, "Consumer Deleted"), gone);
    }
}
