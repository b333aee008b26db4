// SPDX-License-Identifier: MIT OR Apache-2.0
//! What a v1 envelope says, in the form for all generations.

use bytes::Bytes;

use super::v1::{
    ContainerMetric, CounterEvent, ErrorEvent, HttpStartStop, LogMessage, ValueMetric, Wire,
    method_name, peer_name,
};
use super::{Content, Envelope, Kind, Member, Value};

/// Event types whose content is known.
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
        // Only what the type names counts, whatever else is there.
        match wire.event_type.unwrap_or_default() {
            event_type::LOG_MESSAGE => wire.log_message.map(|log| envelope.take_log(log)),
            event_type::HTTP_START_STOP => {
                wire.http_start_stop.map(|http| envelope.take_http(http))
            }
            event_type::CONTAINER_METRIC => {
                wire.container_metric.map(|metric| envelope.take_container(metric))
            }
            event_type::VALUE_METRIC => {
                wire.value_metric.map(|metric| envelope.content = metric.content())
            }
            event_type::COUNTER_EVENT => {
                wire.counter_event.map(|event| envelope.content = event.content())
            }
            event_type::ERROR => wire.error.map(|error| envelope.content = error.content()),
            _ => None,
        };
        if envelope.source_id.is_none() {
            envelope.source_id = envelope.tag(b"source_id").cloned();
        }
        envelope
    }
}

impl Envelope {
    fn take_log(&mut self, log: LogMessage) {
        self.timestamp = log.timestamp.unwrap_or_default();
        self.source_id = log.app_id;
        self.source_type = log.source_type;
        self.instance = log.source_instance;
        self.content = Content::log(log.message, log.message_type);
    }

    fn take_http(&mut self, http: HttpStartStop) {
        self.source_id = http.application_id.as_ref().map(|id| id.text().into());
        self.instance = http.instance_index.map(|index| index.to_string().into());
        self.content = Content::Other(Kind::Http, http.members());
    }

    fn take_container(&mut self, metric: ContainerMetric) {
        self.source_id = metric.application_id;
        self.instance = metric.instance_index.map(|index| index.to_string().into());
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
        self.content = Content::Other(Kind::Container, members);
    }
}

impl HttpStartStop {
    fn members(self) -> Vec<Member> {
        let mut members = vec![
            Member::new("start", Value::Long(self.start_timestamp.unwrap_or_default())),
            Member::new("stop", Value::Long(self.stop_timestamp.unwrap_or_default())),
        ];
        members.extend(self.request_id.map(|id| Member::text("request_id", id.text())));
        members.extend(self.peer_type.map(|peer| Member::text("peer_type", peer_name(peer))));
        members.extend(self.method.map(|method| Member::text("method", method_name(method))));
        members.extend(self.uri.map(|uri| Member::text("uri", uri)));
        members.extend(self.remote_address.map(|addr| Member::text("remote_address", addr)));
        members.extend(self.user_agent.map(|agent| Member::text("user_agent", agent)));
        members.extend(self.status_code.map(|code| Member::new("status_code", Value::Int(code))));
        members.extend(
            self.content_length.map(|length| Member::new("content_length", Value::Long(length))),
        );
        members.extend(self.instance_id.map(|id| Member::text("instance_id", id)));
        members.extend(self.forwarded.into_iter().map(|addr| Member::text("forwarded", addr)));
        members
    }
}

impl ValueMetric {
    fn content(self) -> Content {
        let name = Member::text("name", self.name.unwrap_or_default());
        let value = Member::measured(
            Bytes::from_static(b"value"),
            self.value.unwrap_or_default(),
            self.unit.unwrap_or_default(),
        );
        Content::Other(Kind::Value, vec![name, value])
    }
}

impl CounterEvent {
    fn content(self) -> Content {
        let mut members = vec![
            Member::text("name", self.name.unwrap_or_default()),
            Member::new("delta", Value::Unsigned(self.delta.unwrap_or_default())),
        ];
        members.extend(self.total.map(|total| Member::new("total", Value::Unsigned(total))));
        Content::Other(Kind::Counter, members)
    }
}

impl ErrorEvent {
    fn content(self) -> Content {
        Content::Other(
            Kind::Error,
            vec![
                Member::text("source", self.source.unwrap_or_default()),
                Member::new("code", Value::Int(self.code.unwrap_or_default())),
                Member::text("message", self.message.unwrap_or_default()),
            ],
        )
    }
}
