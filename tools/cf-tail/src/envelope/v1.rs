// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes of the v1 traffic controller (dropsonde): protobuf package `events`, proto2.
//!
//! Timestamps are plain int64 here, not zigzag as in the legacy format. Required fields are
//! optional here and checked by [`Wire::complete`].

use bytes::Bytes;
use prost::Message as _;

use super::{Envelope, Unreadable, first_missing};

/// An envelope on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Wire {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) origin: Option<Bytes>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) event_type: Option<i32>,
    #[prost(int64, optional, tag = "6")]
    pub(crate) timestamp: Option<i64>,
    #[prost(message, optional, tag = "7")]
    pub(crate) http_start_stop: Option<HttpStartStop>,
    #[prost(message, optional, tag = "8")]
    pub(crate) log_message: Option<LogMessage>,
    #[prost(message, optional, tag = "9")]
    pub(crate) value_metric: Option<ValueMetric>,
    #[prost(message, optional, tag = "10")]
    pub(crate) counter_event: Option<CounterEvent>,
    #[prost(message, optional, tag = "11")]
    pub(crate) error: Option<ErrorEvent>,
    #[prost(message, optional, tag = "12")]
    pub(crate) container_metric: Option<ContainerMetric>,
    #[prost(bytes = "bytes", optional, tag = "13")]
    pub(crate) deployment: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "14")]
    pub(crate) job: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "15")]
    pub(crate) index: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "16")]
    pub(crate) ip: Option<Bytes>,
    #[prost(message, repeated, tag = "17")]
    pub(crate) tags: Vec<Tag>,
}

/// One entry of a map, which is a message on the wire (and may contain invalid UTF-8).
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Tag {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) value: Bytes,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogMessage {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) message: Option<Bytes>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) message_type: Option<i32>,
    #[prost(int64, optional, tag = "3")]
    pub(crate) timestamp: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(crate) app_id: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "5")]
    pub(crate) source_type: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) source_instance: Option<Bytes>,
}

/// 16 bytes as two little-endian numbers.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Uuid {
    #[prost(uint64, optional, tag = "1")]
    pub(crate) low: Option<u64>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) high: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct HttpStartStop {
    #[prost(int64, optional, tag = "1")]
    pub(crate) start_timestamp: Option<i64>,
    #[prost(int64, optional, tag = "2")]
    pub(crate) stop_timestamp: Option<i64>,
    #[prost(message, optional, tag = "3")]
    pub(crate) request_id: Option<Uuid>,
    #[prost(int32, optional, tag = "4")]
    pub(crate) peer_type: Option<i32>,
    #[prost(int32, optional, tag = "5")]
    pub(crate) method: Option<i32>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) uri: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "7")]
    pub(crate) remote_address: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub(crate) user_agent: Option<Bytes>,
    #[prost(int32, optional, tag = "9")]
    pub(crate) status_code: Option<i32>,
    #[prost(int64, optional, tag = "10")]
    pub(crate) content_length: Option<i64>,
    #[prost(message, optional, tag = "12")]
    pub(crate) application_id: Option<Uuid>,
    #[prost(int32, optional, tag = "13")]
    pub(crate) instance_index: Option<i32>,
    #[prost(bytes = "bytes", optional, tag = "14")]
    pub(crate) instance_id: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "15")]
    pub(crate) forwarded: Vec<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ValueMetric {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) name: Option<Bytes>,
    #[prost(double, optional, tag = "2")]
    pub(crate) value: Option<f64>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) unit: Option<Bytes>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct CounterEvent {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) name: Option<Bytes>,
    #[prost(uint64, optional, tag = "2")]
    pub(crate) delta: Option<u64>,
    #[prost(uint64, optional, tag = "3")]
    pub(crate) total: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ContainerMetric {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) application_id: Option<Bytes>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) instance_index: Option<i32>,
    #[prost(double, optional, tag = "3")]
    pub(crate) cpu_percentage: Option<f64>,
    #[prost(uint64, optional, tag = "4")]
    pub(crate) memory_bytes: Option<u64>,
    #[prost(uint64, optional, tag = "5")]
    pub(crate) disk_bytes: Option<u64>,
    #[prost(uint64, optional, tag = "6")]
    pub(crate) memory_bytes_quota: Option<u64>,
    #[prost(uint64, optional, tag = "7")]
    pub(crate) disk_bytes_quota: Option<u64>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct ErrorEvent {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) source: Option<Bytes>,
    #[prost(int32, optional, tag = "2")]
    pub(crate) code: Option<i32>,
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub(crate) message: Option<Bytes>,
}

/// Names of the methods, numbered from 1.
const METHODS: [&str; 44] = [
    "GET",
    "POST",
    "PUT",
    "DELETE",
    "HEAD",
    "ACL",
    "BASELINE_CONTROL",
    "BIND",
    "CHECKIN",
    "CHECKOUT",
    "CONNECT",
    "COPY",
    "DEBUG",
    "LABEL",
    "LINK",
    "LOCK",
    "MERGE",
    "MKACTIVITY",
    "MKCALENDAR",
    "MKCOL",
    "MKREDIRECTREF",
    "MKWORKSPACE",
    "MOVE",
    "OPTIONS",
    "ORDERPATCH",
    "PATCH",
    "PRI",
    "PROPFIND",
    "PROPPATCH",
    "REBIND",
    "REPORT",
    "SEARCH",
    "SHOWMETHOD",
    "SPACEJUMP",
    "TEXTSEARCH",
    "TRACE",
    "TRACK",
    "UNBIND",
    "UNCHECKOUT",
    "UNLINK",
    "UNLOCK",
    "UPDATE",
    "UPDATEREDIRECTREF",
    "VERSION_CONTROL",
];

fn named(names: &[&str], number: i32) -> String {
    let name = usize::try_from(number).ok().and_then(|number| names.get(number.checked_sub(1)?));
    name.map_or_else(|| format!("UNKNOWN({number})"), |&name| name.to_owned())
}

/// Returns the name of a method.
pub(crate) fn method_name(number: i32) -> String {
    named(&METHODS, number)
}

/// Returns the name of a peer type.
pub(crate) fn peer_name(number: i32) -> String {
    named(&["Client", "Server"], number)
}

impl Uuid {
    /// Formats the UUID.
    pub(crate) fn text(&self) -> String {
        let mut bytes = [0; 16];
        let (low, high) = bytes.split_at_mut(8);
        low.copy_from_slice(&self.low.unwrap_or_default().to_le_bytes());
        high.copy_from_slice(&self.high.unwrap_or_default().to_le_bytes());
        let mut text = data_encoding::HEXLOWER.encode(&bytes);
        for at in [20, 16, 12, 8] {
            text.insert(at, '-');
        }
        text
    }
}

impl Wire {
    /// Returns itself, if no required field is missing in it or its parts.
    pub(crate) fn complete(self) -> Result<Self, Unreadable> {
        let own = [("origin", self.origin.is_some()), ("eventType", self.event_type.is_some())];
        let missing = first_missing(&own)
            .or_else(|| self.http_start_stop.as_ref().and_then(HttpStartStop::missing))
            .or_else(|| self.log_message.as_ref().and_then(LogMessage::missing))
            .or_else(|| self.value_metric.as_ref().and_then(ValueMetric::missing))
            .or_else(|| self.counter_event.as_ref().and_then(CounterEvent::missing))
            .or_else(|| self.error.as_ref().and_then(ErrorEvent::missing))
            .or_else(|| self.container_metric.as_ref().and_then(ContainerMetric::missing));
        missing.map_or(Ok(self), |name| Err(Unreadable::Missing(name)))
    }
}

impl LogMessage {
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[
            ("message", self.message.is_some()),
            ("message_type", self.message_type.is_some()),
            ("timestamp", self.timestamp.is_some()),
        ])
    }
}

impl HttpStartStop {
    fn missing(&self) -> Option<&'static str> {
        let half = |uuid: &Option<Uuid>| match uuid {
            Some(uuid) => uuid.low.is_some() && uuid.high.is_some(),
            None => true,
        };
        first_missing(&[
            ("startTimestamp", self.start_timestamp.is_some()),
            ("stopTimestamp", self.stop_timestamp.is_some()),
            ("requestId", self.request_id.is_some() && half(&self.request_id)),
            ("peerType", self.peer_type.is_some()),
            ("method", self.method.is_some()),
            ("uri", self.uri.is_some()),
            ("remoteAddress", self.remote_address.is_some()),
            ("userAgent", self.user_agent.is_some()),
            ("statusCode", self.status_code.is_some()),
            ("contentLength", self.content_length.is_some()),
            ("applicationId", half(&self.application_id)),
        ])
    }
}

impl ValueMetric {
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[
            ("name", self.name.is_some()),
            ("value", self.value.is_some()),
            ("unit", self.unit.is_some()),
        ])
    }
}

impl CounterEvent {
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[("name", self.name.is_some()), ("delta", self.delta.is_some())])
    }
}

impl ErrorEvent {
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[
            ("source", self.source.is_some()),
            ("code", self.code.is_some()),
            ("message", self.message.is_some()),
        ])
    }
}

impl ContainerMetric {
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[
            ("applicationId", self.application_id.is_some()),
            ("instanceIndex", self.instance_index.is_some()),
            ("cpuPercentage", self.cpu_percentage.is_some()),
            ("memoryBytes", self.memory_bytes.is_some()),
            ("diskBytes", self.disk_bytes.is_some()),
        ])
    }
}

/// Decodes one envelope.
///
/// # Errors
/// If it is damaged or incomplete.
pub(crate) fn decode(bytes: Bytes) -> Result<Envelope, Unreadable> {
    Ok(Wire::decode(bytes)?.complete()?.into())
}
