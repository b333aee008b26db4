// SPDX-License-Identifier: MIT OR Apache-2.0
//! Envelopes of the RLP gateway and of log-cache: protobuf package `loggregator.v2`, proto3.
//!
//! The gateways send them as JSON (`v2_json`); the protobuf form is used inside the platform.

use bytes::Bytes;

use super::v1::Tag;
use super::{Content, Envelope, Kind, Member, Stream, Value};

/// An envelope on the wire.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Wire {
    #[prost(int64, tag = "1")]
    pub(crate) timestamp: i64,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) source_id: Bytes,
    #[prost(message, repeated, tag = "3")]
    pub(crate) deprecated_tags: Vec<DeprecatedTag>,
    #[prost(bytes = "bytes", tag = "8")]
    pub(crate) instance_id: Bytes,
    #[prost(message, repeated, tag = "9")]
    pub(crate) tags: Vec<Tag>,
    #[prost(oneof = "Body", tags = "4, 5, 6, 7, 10")]
    pub(crate) body: Option<Body>,
}

/// The content of the envelope.
#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum Body {
    #[prost(message, tag = "4")]
    Log(Log),
    #[prost(message, tag = "5")]
    Counter(Counter),
    #[prost(message, tag = "6")]
    Gauge(Gauge),
    #[prost(message, tag = "7")]
    Timer(Timer),
    #[prost(message, tag = "10")]
    Event(Event),
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Log {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) payload: Bytes,
    /// OUT = 0, ERR = 1: one less than in the older generations.
    #[prost(int32, tag = "2")]
    pub(crate) r#type: i32,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Counter {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(uint64, tag = "2")]
    pub(crate) delta: u64,
    #[prost(uint64, tag = "3")]
    pub(crate) total: u64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Gauge {
    #[prost(message, repeated, tag = "1")]
    pub(crate) metrics: Vec<Metric>,
}

/// One entry of the map of metrics.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Metric {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<GaugeValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct GaugeValue {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) unit: Bytes,
    #[prost(double, tag = "2")]
    pub(crate) value: f64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Timer {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(int64, tag = "2")]
    pub(crate) start: i64,
    #[prost(int64, tag = "3")]
    pub(crate) stop: i64,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct Event {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) title: Bytes,
    #[prost(bytes = "bytes", tag = "2")]
    pub(crate) body: Bytes,
}

/// One entry of the map that [`Tag`]s replaced.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct DeprecatedTag {
    #[prost(bytes = "bytes", tag = "1")]
    pub(crate) name: Bytes,
    #[prost(message, optional, tag = "2")]
    pub(crate) value: Option<TagValue>,
}

#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct TagValue {
    #[prost(oneof = "TagData", tags = "1, 2, 3")]
    pub(crate) data: Option<TagData>,
}

#[derive(Clone, PartialEq, prost::Oneof)]
pub(crate) enum TagData {
    #[prost(bytes = "bytes", tag = "1")]
    Text(Bytes),
    #[prost(int64, tag = "2")]
    Integer(i64),
    #[prost(double, tag = "3")]
    Decimal(f64),
}

impl From<Wire> for Envelope {
    fn from(wire: Wire) -> Self {
        let mut tags: Vec<(Bytes, Bytes)> =
            wire.tags.into_iter().map(|tag| (tag.name, tag.value)).collect();
        let find = |tags: &[(Bytes, Bytes)], name: &[u8]| {
            tags.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone())
        };
        let source_type = find(&tags, b"source_type");
        for tag in wire.deprecated_tags {
            if find(&tags, &tag.name).is_none() {
                tags.push((
                    tag.name,
                    tag.value.and_then(|value| value.data).map_or_else(Bytes::new, TagData::text),
                ));
            }
        }
        let present = |bytes: Bytes| (!bytes.is_empty()).then_some(bytes);
        Self {
            timestamp: wire.timestamp,
            source_id: present(wire.source_id),
            source_type,
            instance: present(wire.instance_id),
            origin: find(&tags, b"origin"),
            deployment: find(&tags, b"deployment"),
            job: find(&tags, b"job"),
            index: find(&tags, b"index"),
            ip: find(&tags, b"ip"),
            tags,
            content: wire.body.map_or_else(Content::default, Body::content),
            ..Self::default()
        }
    }
}

impl TagData {
    fn text(self) -> Bytes {
        match self {
            Self::Text(text) => text,
            Self::Integer(number) => number.to_string().into(),
            Self::Decimal(number) => number.to_string().into(),
        }
    }
}

impl Body {
    fn content(self) -> Content {
        match self {
            Self::Log(log) => {
                let stream = match log.r#type {
                    0 => Stream::Out,
                    1 => Stream::Err,
                    other => Stream::Unknown(other),
                };
                Content::Log { payload: log.payload, stream }
            }
            Self::Counter(counter) => Content::Other(
                Kind::Counter,
                vec![
                    Member::text("name", counter.name),
                    Member::new("delta", Value::Unsigned(counter.delta)),
                    Member::new("total", Value::Unsigned(counter.total)),
                ],
            ),
            Self::Gauge(gauge) => {
                let mut members: Vec<Member> =
                    gauge.metrics.into_iter().map(Metric::member).collect();
                members.sort_by(|a, b| a.name.cmp(&b.name));
                Content::Other(Kind::Gauge, members)
            }
            Self::Timer(timer) => Content::Other(
                Kind::Timer,
                vec![
                    Member::text("name", timer.name),
                    Member::new("start", Value::Long(timer.start)),
                    Member::new("stop", Value::Long(timer.stop)),
                ],
            ),
            Self::Event(event) => Content::Other(
                Kind::Event,
                vec![Member::text("title", event.title), Member::text("body", event.body)],
            ),
        }
    }
}

impl Metric {
    fn member(self) -> Member {
        let value = self.value.unwrap_or_default();
        Member::measured(self.name, value.value, value.unit)
    }
}
