// SPDX-License-Identifier: MIT OR Apache-2.0
//! Rewords librdkafka's messages.

use heka_core::net::DialError;
use heka_core::report::Stop;
use rdkafka::error::{KafkaError, RDKafkaErrorCode as Code};

/// Describes an error code.
pub(crate) fn of_code(code: Code) -> String {
    match code {
        Code::UnknownTopicOrPartition | Code::UnknownTopic => "no such topic".to_owned(),
        Code::UnknownPartition => "no such partition".to_owned(),
        Code::TopicAuthorizationFailed => "not permitted to use the topic".to_owned(),
        Code::GroupAuthorizationFailed => "not permitted to use the group".to_owned(),
        Code::ClusterAuthorizationFailed => "not permitted to use the cluster".to_owned(),
        Code::LeaderNotAvailable | Code::NotLeaderForPartition => {
            "a partition has no leader".to_owned()
        }
        Code::OperationTimedOut | Code::RequestTimedOut => "timeout".to_owned(),
        Code::AllBrokersDown => "no broker can be reached".to_owned(),
        other => {
            let text = other.to_string();
            // "Broker: Not enough in-sync replicas"
            let text = text.split_once(": ").map_or(text.as_str(), |(_, rest)| rest);
            lowered(text.trim_end_matches(')'))
        }
    }
}

/// Describes an error.
pub(crate) fn of_error(error: &KafkaError) -> String {
    match (error, error.rdkafka_error_code()) {
        (KafkaError::ClientCreation(text), _) => text.clone(),
        (KafkaError::ClientConfig(_, text, ..), _) => text.clone(),
        (_, Some(code)) => of_code(code),
        _ => error.to_string(),
    }
}

/// Describes why there is no client: contradictory settings.
pub(crate) fn of_creation(error: &KafkaError) -> DialError {
    match error {
        KafkaError::ClientCreation(text) => DialError::Stopped(Stop::usage(text)),
        other => DialError::failed(of_error(other)),
    }
}

/// Extracts the cause from a report such as `ssl://h:1/bootstrap: Connect to ipv4#1.2.3.4:1 failed:
/// Connection refused (after 0ms in state CONNECT)`.
pub(crate) fn of_reason(reason: &str, names_host: bool) -> String {
    let text = reason.split(" (after ").next().unwrap_or(reason);
    let text = text.split(": might be caused by").next().unwrap_or(text);
    let (broker, text) = match text.split_once(": ") {
        Some((broker, rest)) if broker.contains('/') || broker.contains(':') => (broker, rest),
        _ => ("", text),
    };
    let text = match text.split_once(" failed: ") {
        Some((before, cause)) if before.starts_with("Connect to ") => cause,
        _ => text,
    };
    let host = broker.rsplit("://").next().unwrap_or_default();
    let host = host.split('/').next().unwrap_or_default();
    if names_host && !host.is_empty() { format!("{host}: {text}") } else { text.to_owned() }
}

/// Converts a sentence of a library to a cause.
fn lowered(text: &str) -> String {
    let mut chars = text.chars();
    let second_is_lower = text.chars().nth(1).is_some_and(char::is_lowercase);
    match chars.next() {
        Some(first) if second_is_lower => first.to_lowercase().chain(chars).collect(),
        _ => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reports_become_causes() {
        let refused = "127.0.0.1:1/bootstrap: Connect to ipv4#127.0.0.1:1 failed: Connection \
                       refused (after 0ms in state CONNECT)";
        assert_eq!(of_reason(refused, false), "Connection refused");
        assert_eq!(of_reason(refused, true), "127.0.0.1:1: Connection refused");
        let sasl = "sasl_ssl://h:9/1: SASL authentication error: no (after 3ms in state AUTH_REQ)";
        assert_eq!(of_reason(sasl, true), "h:9: SASL authentication error: no");
        assert_eq!(of_reason("2/2 brokers are down", true), "2/2 brokers are down");
        assert_eq!(of_code(Code::NotEnoughReplicas), "not enough in-sync replicas");
    }
}
