// SPDX-License-Identifier: MIT OR Apache-2.0
//! librdkafka's mock cluster, for tests: prints its addresses, then obeys the lines of standard
//! input until they end.
//!
//! ```text
//! topic NAME PARTITIONS       creates a topic
//! error KEY CODE COUNT        the next requests with that key get that error
//! topic-error NAME CODE       the topic has that error; 0 for none
//! delay ID MILLISECONDS       every answer of that broker is delayed by that
//! down ID / up ID             a broker is gone, or back
//! ```

#![expect(clippy::print_stdout, clippy::expect_used, clippy::panic, reason = "a program for tests")]

use std::io::BufRead as _;
use std::time::Duration;

use rdkafka::mocking::MockCluster;
use rdkafka::types::{RDKafkaApiKey, RDKafkaRespErr};

fn api_key(name: &str) -> RDKafkaApiKey {
    match name {
        "Produce" => RDKafkaApiKey::Produce,
        "Fetch" => RDKafkaApiKey::Fetch,
        "OffsetCommit" => RDKafkaApiKey::OffsetCommit,
        "JoinGroup" => RDKafkaApiKey::JoinGroup,
        "InitProducerId" => RDKafkaApiKey::InitProducerId,
        other => panic!("no such request: {other}"),
    }
}

fn error(name: &str) -> RDKafkaRespErr {
    use RDKafkaRespErr as Error;
    match name {
        "none" => Error::RD_KAFKA_RESP_ERR_NO_ERROR,
        "too-large" => Error::RD_KAFKA_RESP_ERR_MSG_SIZE_TOO_LARGE,
        "invalid-record" => Error::RD_KAFKA_RESP_ERR_INVALID_RECORD,
        "topic-rights" => Error::RD_KAFKA_RESP_ERR_TOPIC_AUTHORIZATION_FAILED,
        "group-rights" => Error::RD_KAFKA_RESP_ERR_GROUP_AUTHORIZATION_FAILED,
        "unknown-topic" => Error::RD_KAFKA_RESP_ERR_UNKNOWN_TOPIC_OR_PART,
        "no-replicas" => Error::RD_KAFKA_RESP_ERR_NOT_ENOUGH_REPLICAS,
        "fenced" => Error::RD_KAFKA_RESP_ERR_INVALID_PRODUCER_EPOCH,
        "out-of-range" => Error::RD_KAFKA_RESP_ERR_OFFSET_OUT_OF_RANGE,
        other => panic!("no such error: {other}"),
    }
}

fn main() {
    let brokers = std::env::args().nth(1).map_or(1, |text| text.parse().expect("a number"));
    let cluster = MockCluster::new(brokers).expect("a cluster");
    println!("{}", cluster.bootstrap_servers());
    for line in std::io::stdin().lock().lines() {
        let line = line.expect("a line");
        let words: Vec<_> = line.split_whitespace().collect();
        let number = |text: &str| text.parse::<i32>().expect("a number");
        match words.as_slice() {
            ["topic", name, partitions] => {
                cluster.create_topic(name, number(partitions), 1).expect("a topic");
            }
            ["error", key, code, count] => {
                let errors = vec![error(code); usize::try_from(number(count)).expect("a number")];
                cluster.request_errors(api_key(key), &errors);
            }
            ["clear", key] => cluster.clear_request_errors(api_key(key)),
            ["topic-error", name, code] => {
                cluster.topic_error(name, error(code)).expect("a topic");
            }
            ["delay", id, time] => {
                let time = Duration::from_millis(time.parse().expect("a number"));
                cluster.broker_round_trip_time(number(id), time).expect("a broker");
            }
            ["down", id] => cluster.broker_down(number(id)).expect("a broker"),
            ["up", id] => cluster.broker_up(number(id)).expect("a broker"),
            _ => panic!("no such command: {line}"),
        }
        println!("ok");
    }
}
