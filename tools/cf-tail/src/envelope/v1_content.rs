// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts the content of a v1 envelope to the form for all generations.

use bytes::Bytes;

use super::v1::{
    ContainerMetric, CounterEvent, ErrorEvent, HttpStartStop, LogMessage, ValueMetric, Wire,
    method_name, peer_name,
};
use super::{Content, Envelope, Kind, Member, Value};

/// Event types with known content.
mod event_type {
    pub(super) const HTTP_START_STOP: i32 = 4;
    pub(super) const LOG_MESSAGE: i32 = 5;
    pub(super) const VALUE_METRIC: i32 = 6;
    pub(super) const COUNTER_EVENT: i32 = 7;
    pub(super) const ERROR: i32 = 8;
    pub(super) const CONTAINER_METRIC: i32 = 9;
}

impl From<Wire> for Envelope {
    fn from(wire: Wire) -> Self {
        let mut envelope = Self {
            timestamp: wire.timestamp.unwrap_or_default(),
            origin: wire.origin,
            deployment: wire.deployment,
            job: wire.job,
            index: wire.index,
            ip: wire.ip,
            tags: wire.tags.into_iter().map(|tag| (tag.name, tag.value)).collect(),
            ..Self::default()
        };
        // Only the content named by the type counts, whatever else is present.
        match wire.event_type.unwrap_or_default() {
            event_type::LOG_MESSAGE => wire.log_message.map(|log| take_log(&mut envelope, log)),
            event_type::HTTP_START_STOP => {
                wire.http_start_stop.map(|http| take_http(&mut envelope, http))
            }
            event_type::CONTAINER_METRIC => {
                wire.container_metric.map(|metric| take_container(&mut envelope, metric))
            }
            event_type::VALUE_METRIC => {
                wire.value_metric.map(|metric| envelope.content = value_content(metric))
            }
            event_type::COUNTER_EVENT => {
                wire.counter_event.map(|event| envelope.content = counter_content(event))
            }
            event_type::ERROR => wire.error.map(|error| envelope.content = error_content(error)),
            _ => None,
        };
        if envelope.source_id.is_none() {
            envelope.source_id = envelope.tag(b"source_id").cloned();
        }
        envelope
    }
}

fn take_log(envelope: &mut Envelope, log: LogMessage) {
    envelope.timestamp = log.timestamp.unwrap_or_default();
    envelope.source_id = log.app_id;
    envelope.source_type = log.source_type;
    envelope.instance = log.source_instance;
    envelope.content = Content::log(log.message, log.message_type);
}

fn take_http(envelope: &mut Envelope, http: HttpStartStop) {
    envelope.source_id = http.application_id.as_ref().map(|id| id.text().into());
    envelope.instance = http.instance_index.map(|index| index.to_string().into());
    envelope.content = Content::Other(Kind::Http, http_members(http));
}

fn take_container(envelope: &mut Envelope, metric: ContainerMetric) {
    envelope.source_id = metric.application_id;
    envelope.instance = metric.instance_index.map(|index| index.to_string().into());
    let percentage = Bytes::from_static(b"percentage");
    let cpu = Bytes::from_static(b"cpu_percentage");
    let mut members =
        vec![Member::measured(cpu, metric.cpu_percentage.unwrap_or_default(), percentage)];
    let sizes = [
        ("memory_bytes", metric.memory_bytes),
        ("disk_bytes", metric.disk_bytes),
        ("memory_bytes_quota", metric.memory_bytes_quota),
        ("disk_bytes_quota", metric.disk_bytes_quota),
    ];
    for (name, value) in sizes {
        members.extend(value.map(|value| Member {
            unit: Bytes::from_static(b"bytes"),
            ..Member::new(name, Value::Unsigned(value))
        }));
    }
    envelope.content = Content::Other(Kind::Container, members);
}

fn http_members(http: HttpStartStop) -> Vec<Member> {
    let mut members = vec![
        Member::new("start", Value::Long(http.start_timestamp.unwrap_or_default())),
        Member::new("stop", Value::Long(http.stop_timestamp.unwrap_or_default())),
    ];
    members.extend(http.request_id.map(|id| Member::text("request_id", id.text())));
    members.extend(http.peer_type.map(|peer| Member::text("peer_type", peer_name(peer))));
    members.extend(http.method.map(|method| Member::text("method", method_name(method))));
    members.extend(http.uri.map(|uri| Member::text("uri", uri)));
    members.extend(http.remote_address.map(|addr| Member::text("remote_address", addr)));
    members.extend(http.user_agent.map(|agent| Member::text("user_agent", agent)));
    members.extend(http.status_code.map(|code| Member::new("status_code", Value::Int(code))));
    members.extend(
        http.content_length.map(|length| Member::new("content_length", Value::Long(length))),
    );
    members.extend(http.instance_id.map(|id| Member::text("instance_id", id)));
    members.extend(http.forwarded.into_iter().map(|addr| Member::text("forwarded", addr)));
    members
}

fn value_content(metric: ValueMetric) -> Content {
    let name = Member::text("name", metric.name.unwrap_or_default());
    let value = Member::measured(
        Bytes::from_static(b"value"),
        metric.value.unwrap_or_default(),
        metric.unit.unwrap_or_default(),
    );
    Content::Other(Kind::Value, vec![name, value])
}

fn counter_content(event: CounterEvent) -> Content {
    let mut members = vec![
        Member::text("name", event.name.unwrap_or_default()),
        Member::new("delta", Value::Unsigned(event.delta.unwrap_or_default())),
    ];
    members.extend(event.total.map(|total| Member::new("total", Value::Unsigned(total))));
    Content::Other(Kind::Counter, members)
}

fn error_content(error: ErrorEvent) -> Content {
    Content::Other(
        Kind::Error,
        vec![
            Member::text("source", error.source.unwrap_or_default()),
            Member::new("code", Value::Int(error.code.unwrap_or_default())),
            Member::text("message", error.message.unwrap_or_default()),
        ],
    )
}
