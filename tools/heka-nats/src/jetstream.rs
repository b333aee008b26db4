// SPDX-License-Identifier: MIT OR Apache-2.0
//! Requests to `JetStream` about streams and consumers.

use std::time::Duration;

use heka_core::delivery::transport::From;
use heka_core::net::{Backoff, DialError, Fault, FaultKind};
use heka_core::report;
use heka_core::report::words::Span;
use serde_json::{Value, json};

use crate::address::Options;
use crate::client::Client;
use crate::protocol::put_message;

/// Time after which the server sends an unacknowledged message again.
const ACK_WAIT: Duration = Duration::from_secs(30);
/// Idle time after which an unnamed consumer is removed.
const FORGOTTEN_AFTER: Duration = Duration::from_secs(300);
/// Maximum number of unacknowledged messages of all readers of a consumer.
const MOST_PENDING: u64 = 20_000;

/// The server's error code for a missing stream, and for a missing consumer.
const NO_STREAM: u64 = 10_059;
const NO_CONSUMER: u64 = 10_014;
const NO_MESSAGE: u64 = 10_037;

/// The answer to a request, or the server's error.
enum Answer {
    Value(Value),
    Error(u64, String),
}

fn ask(client: &mut Client, what: &str, question: &Value) -> Result<Answer, DialError> {
    let value = client.ask(&format!("$JS.API.{what}"), question)?;
    let Some(error) = value.get("error") else { return Ok(Answer::Value(value)) };
    let code = error.get("err_code").and_then(Value::as_u64).unwrap_or(0);
    let words = error.get("description").and_then(Value::as_str).unwrap_or("error");
    Ok(Answer::Error(code, words.to_owned()))
}

/// Makes a request whose error is final.
fn demand(client: &mut Client, what: &str, question: &Value) -> Result<Value, DialError> {
    match ask(client, what, question)? {
        Answer::Value(value) => Ok(value),
        Answer::Error(_, words) => Err(DialError::failed(words)),
    }
}

/// Returns the stream for a subject, which may be a pattern.
fn stream_of(client: &mut Client, subject: &str) -> Result<Option<String>, DialError> {
    let names = demand(client, "STREAM.NAMES", &json!({ "subject": subject }))?;
    let name = names.get("streams").and_then(|names| names.get(0)).and_then(Value::as_str);
    Ok(name.map(str::to_owned))
}

/// Looks for the stream to write to, and creates it if requested. A client that may only write
/// cannot find out; then the answers to messages tell whether there is one.
pub(crate) fn check_stream(
    client: &mut Client,
    pattern: &str,
    options: &Options,
    backoff: &Backoff,
) -> Result<(), DialError> {
    let found = match stream_of(client, pattern) {
        Err(DialError::Failed(fault)) if is_forbidden(&fault.cause) => return Ok(()),
        found => found?,
    };
    let name = match (found, options.create) {
        (Some(name), _) => name,
        (None, Some(replicas)) => create(client, pattern, options, replicas)?,
        (None, None) => {
            let fault = Fault::new(FaultKind::Other, format_args!("no stream stores {pattern}"));
            return Err(fault
                .hint("to create one, add create=R1&stream=NAME to the address")
                .into());
        }
    };
    match &options.stream {
        Some(wanted) if *wanted != name => Err(DialError::failed(format!(
            "the subject belongs to the stream {name}, not to {wanted}"
        ))),
        _ => check_window(client, &name, options, backoff),
    }
}

/// Whether the server forbids the request. It keeps the connection.
fn is_forbidden(cause: &str) -> bool {
    cause.starts_with("Permissions Violation for Publish to \"$JS.API")
}

fn create(
    client: &mut Client,
    pattern: &str,
    options: &Options,
    replicas: u8,
) -> Result<String, DialError> {
    let name = match &options.stream {
        Some(name) => name.clone(),
        None => pattern.split('.').next().unwrap_or_default().to_ascii_uppercase(),
    };
    let stream = json!({
        "name": name, "subjects": [pattern], "num_replicas": replicas,
        "retention": "limits", "storage": "file", "discard": "old",
        "max_consumers": -1, "max_msgs": -1, "max_bytes": -1, "max_age": 0, "max_msg_size": -1,
        "duplicate_window": 120_000_000_000_u64,
    });
    demand(client, &format!("STREAM.CREATE.{name}"), &stream)?;
    report::note(format_args!("stream {name} created for {pattern}"));
    Ok(name)
}

/// Warns if repetitions after a while would not be recognised.
fn check_window(
    client: &mut Client,
    name: &str,
    options: &Options,
    backoff: &Backoff,
) -> Result<(), DialError> {
    let info = match client.ask(&format!("$JS.API.STREAM.INFO.{name}"), &json!({})) {
        Err(DialError::Failed(fault)) if is_forbidden(&fault.cause) => return Ok(()),
        info => info?,
    };
    let window = info.pointer("/config/duplicate_window").and_then(Value::as_u64);
    let window = window.map(Duration::from_nanos).filter(|_| !options.no_id);
    if let Some(window) = window.filter(|window| *window < backoff.max_delay) {
        report::repeated(
            "short duplicate windows",
            format_args!(
                "{name}: duplicate window of {} is shorter than --retry-max-delay: messages may be \
                 stored twice",
                Span(window)
            ),
        );
    }
    Ok(())
}

/// A consumer of a stream.
#[derive(Clone, Debug)]
pub(crate) struct Consumer {
    pub(crate) stream: String,
    pub(crate) name: String,
    /// The last message for it when it was requested.
    pub(crate) end: u64,
    /// Time after which the server sends an unacknowledged message again.
    pub(crate) ack_wait: Duration,
}

/// Returns the consumer of an address, and creates it unless it exists. It begins at `start`, which is
/// set here and kept when the connection breaks.
pub(crate) fn consumer(
    client: &mut Client,
    subject: &str,
    options: &Options,
    resets: bool,
    start: &mut Option<u64>,
) -> Result<Consumer, DialError> {
    let (stream, filter, info) = stream_to_read(client, subject, options)?;
    let last = info.pointer("/state/last_seq").and_then(Value::as_u64).unwrap_or(0);
    let end = match &filter {
        Some(filter) => last_of(client, &stream, filter)?,
        None => last,
    };
    if let Some(name) = &options.durable {
        let ack_wait = find(client, &stream, name)?;
        if let Some(ack_wait) = ack_wait.filter(|_| !resets) {
            return Ok(Consumer { stream, name: name.clone(), end, ack_wait });
        }
        if ack_wait.is_some() {
            demand(client, &format!("CONSUMER.DELETE.{stream}.{name}"), &json!({}))?;
            report::announce(format_args!("{name}: position reset by from="));
        }
    }
    *start = start.or_else(|| first(options, last));
    let config = configuration(options, filter.as_deref(), *start);
    let what = match &options.durable {
        Some(name) => format!("CONSUMER.DURABLE.CREATE.{stream}.{name}"),
        None => format!("CONSUMER.CREATE.{stream}"),
    };
    let made = demand(client, &what, &json!({ "stream_name": stream, "config": config }))?;
    let name = made.get("name").and_then(Value::as_str).unwrap_or_default().to_owned();
    Ok(Consumer { stream, name, end, ack_wait: ACK_WAIT })
}

/// Returns the number of the last message of a stream whose subject matches; 0 if there is none.
fn last_of(client: &mut Client, stream: &str, filter: &str) -> Result<u64, DialError> {
    let question = json!({ "last_by_subj": filter });
    match ask(client, &format!("STREAM.MSG.GET.{stream}"), &question)? {
        Answer::Value(found) => {
            Ok(found.pointer("/message/seq").and_then(Value::as_u64).unwrap_or(0))
        }
        Answer::Error(NO_MESSAGE, _) => Ok(0),
        Answer::Error(_, words) => Err(DialError::failed(words)),
    }
}

/// Returns the number of the last message that the consumer has delivered, to any reader.
pub(crate) fn delivered(client: &mut Client, consumer: &Consumer) -> Result<u64, DialError> {
    let Consumer { stream, name, .. } = consumer;
    let info = demand(client, &format!("CONSUMER.INFO.{stream}.{name}"), &json!({}))?;
    Ok(info.pointer("/delivered/stream_seq").and_then(Value::as_u64).unwrap_or(0))
}

/// Requests how far a consumer is behind; [`lag`] parses the answer.
pub(crate) fn ask_lag(client: &mut Client, consumer: &Consumer, reply: &str) {
    let Consumer { stream, name, .. } = consumer;
    let subject = format!("$JS.API.CONSUMER.INFO.{stream}.{name}");
    put_message(client.output(), subject.as_bytes(), reply, "", b"");
}

/// Returns the number of messages that no reader of the consumer has acknowledged.
pub(crate) fn lag(answer: &[u8]) -> Option<u64> {
    let info: Value = serde_json::from_slice(answer).ok()?;
    Some(info.get("num_pending")?.as_u64()? + info.get("num_ack_pending")?.as_u64()?)
}

/// Returns the acknowledgement timeout of a consumer, if it exists.
fn find(client: &mut Client, stream: &str, name: &str) -> Result<Option<Duration>, DialError> {
    match ask(client, &format!("CONSUMER.INFO.{stream}.{name}"), &json!({}))? {
        Answer::Value(info) => {
            let ack_wait = info.pointer("/config/ack_wait").and_then(Value::as_u64);
            Ok(Some(ack_wait.map_or(ACK_WAIT, Duration::from_nanos)))
        }
        Answer::Error(NO_CONSUMER, _) => Ok(None),
        Answer::Error(_, words) => Err(DialError::failed(words)),
    }
}

/// Returns the number of the first message to read, if it is known.
fn first(options: &Options, last: u64) -> Option<u64> {
    let next = last.saturating_add(1);
    let number = match &options.common.from {
        None | Some(From::Stored | From::Begin | From::Time(_)) => return None,
        Some(From::End) => next,
        Some(From::Number(sequence)) => *sequence,
        Some(From::Last(count)) => next.saturating_sub(*count),
    };
    Some(number.max(1))
}

fn configuration(options: &Options, filter: Option<&str>, start: Option<u64>) -> Value {
    let nanoseconds = |time: Duration| u64::try_from(time.as_nanos()).unwrap_or(u64::MAX);
    let mut config = json!({
        "ack_policy": "explicit", "ack_wait": nanoseconds(ACK_WAIT), "replay_policy": "instant",
        "max_ack_pending": MOST_PENDING, "max_deliver": -1, "max_waiting": 512,
    });
    match &options.durable {
        Some(name) => config["durable_name"] = json!(name),
        None => config["inactive_threshold"] = json!(nanoseconds(FORGOTTEN_AFTER)),
    }
    if let Some(filter) = filter {
        config["filter_subject"] = json!(filter);
    }
    match (start, &options.common.from) {
        (Some(start), _) => {
            config["deliver_policy"] = json!("by_start_sequence");
            config["opt_start_seq"] = json!(start);
        }
        (None, Some(From::Time(time))) => {
            config["deliver_policy"] = json!("by_start_time");
            config["opt_start_time"] = json!(time);
        }
        (None, _) => config["deliver_policy"] = json!("all"),
    }
    config
}

/// Returns the stream to read from, the subjects to read, and the server's information about it.
/// The subject may be the name of a stream.
fn stream_to_read(
    client: &mut Client,
    subject: &str,
    options: &Options,
) -> Result<(String, Option<String>, Value), DialError> {
    let may_be_name = !subject.contains(['.', '*', '>']);
    let named = options.stream.as_deref().or(may_be_name.then_some(subject));
    if let Some(name) = named {
        match ask(client, &format!("STREAM.INFO.{name}"), &json!({}))? {
            Answer::Value(info) => {
                let filter = (subject != name).then(|| subject.to_owned());
                return Ok((name.to_owned(), filter, info));
            }
            Answer::Error(NO_STREAM, _) if options.stream.is_none() => {}
            Answer::Error(_, words) => return Err(DialError::failed(format!("{name}: {words}"))),
        }
    }
    let Some(name) = stream_of(client, subject)? else {
        return Err(DialError::failed(format!("no stream has the name {subject} or stores it")));
    };
    let info = demand(client, &format!("STREAM.INFO.{name}"), &json!({}))?;
    Ok((name, Some(subject.to_owned()), info))
}
