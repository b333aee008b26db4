// SPDX-License-Identifier: MIT OR Apache-2.0
//! The JSON form of v2 envelopes, parsed leniently.
//!
//! As in protobuf's own mapping, 64-bit integers are strings or numbers, bytes are base64 in either
//! alphabet with or without padding, enumerations are names or numbers, and `null` is the default.
//! Unknown members are skipped and camelCase names accepted, unlike in the platform's Go client. A
//! malformed envelope does not affect the others in the batch.

use std::hash::{DefaultHasher, Hash as _, Hasher as _};

use bytes::Bytes;
use data_encoding::{BASE64_NOPAD, BASE64URL_NOPAD};
use serde_json::{Map, Value as Json};

use super::Envelope;
use super::v1::Tag;
use super::v2::{
    Body, Counter, DeprecatedTag, Event, Gauge, GaugeValue, Log, Metric, TagData, TagValue, Timer,
    Wire,
};
use crate::json;

/// The contents of a batch.
#[derive(Debug, Default)]
pub(crate) struct Batch {
    /// The valid envelopes, in order.
    pub(crate) envelopes: Vec<Envelope>,
    /// The malformed ones.
    pub(crate) damaged: Vec<Damaged>,
}

/// A malformed envelope.
#[derive(Debug)]
pub(crate) struct Damaged {
    /// The error.
    pub(crate) error: String,
    /// Hash of its text, to recognise repetitions.
    pub(crate) hash: u64,
}

/// Parses `{"batch":[…]}`, or the same inside `{"envelopes":…}`.
///
/// # Errors
/// If `text` is neither.
pub(crate) fn read_batch(text: &[u8]) -> Result<Batch, String> {
    let json: Json = json::read(text)?;
    let Json::Object(mut object) = json else { return Err("not an object".to_owned()) };
    if let Some(inner) = object.remove("envelopes") {
        object = match inner {
            Json::Object(inner) => inner,
            Json::Null => return Ok(Batch::default()),
            _ => return Err("\"envelopes\" is not an object".to_owned()),
        };
    }
    let list = match object.remove("batch") {
        Some(Json::Array(list)) => list,
        None | Some(Json::Null) => return Ok(Batch::default()),
        Some(_) => return Err("\"batch\" is not a list".to_owned()),
    };
    let mut batch = Batch::default();
    for item in &list {
        match read_wire(item) {
            Ok(wire) => batch.envelopes.push(wire.into()),
            Err(error) => {
                let mut hasher = DefaultHasher::new();
                item.to_string().hash(&mut hasher);
                batch.damaged.push(Damaged { error, hash: hasher.finish() });
            }
        }
    }
    Ok(batch)
}

/// Parses one envelope.
pub(crate) fn read_wire(json: &Json) -> Result<Wire, String> {
    let object = object(json, "envelope")?;
    Ok(Wire {
        timestamp: long(member(object, "timestamp", "timestamp"), "timestamp")?,
        source_id: text(member(object, "source_id", "sourceId"), "source_id")?,
        instance_id: text(member(object, "instance_id", "instanceId"), "instance_id")?,
        tags: read_tags(member(object, "tags", "tags"))?,
        deprecated_tags: read_deprecated_tags(member(object, "deprecated_tags", "deprecatedTags"))?,
        body: read_body(object)?,
    })
}

fn read_body(envelope: &Map<String, Json>) -> Result<Option<Body>, String> {
    let mut bodies = Vec::new();
    for (name, read) in BODIES {
        if let Some(json) = member(envelope, name, name) {
            bodies.push(read(object(json, name)?)?);
        }
    }
    match bodies.len() {
        0 | 1 => Ok(bodies.pop()),
        _ => Err("more than one of log, counter, gauge, timer, event".to_owned()),
    }
}

type ReadBody = fn(&Map<String, Json>) -> Result<Body, String>;

const BODIES: [(&str, ReadBody); 5] = [
    ("log", |json| {
        Ok(Body::Log(Log {
            payload: base64(member(json, "payload", "payload"))?,
            r#type: stream(member(json, "type", "type"))?,
        }))
    }),
    ("counter", |json| {
        Ok(Body::Counter(Counter {
            name: text(member(json, "name", "name"), "name")?,
            delta: unsigned(member(json, "delta", "delta"), "delta")?,
            total: unsigned(member(json, "total", "total"), "total")?,
        }))
    }),
    ("gauge", |json| {
        Ok(Body::Gauge(Gauge { metrics: read_metrics(member(json, "metrics", "metrics"))? }))
    }),
    ("timer", |json| {
        Ok(Body::Timer(Timer {
            name: text(member(json, "name", "name"), "name")?,
            start: long(member(json, "start", "start"), "start")?,
            stop: long(member(json, "stop", "stop"), "stop")?,
        }))
    }),
    ("event", |json| {
        Ok(Body::Event(Event {
            title: text(member(json, "title", "title"), "title")?,
            body: text(member(json, "body", "body"), "body")?,
        }))
    }),
];

fn read_tags(json: Option<&Json>) -> Result<Vec<Tag>, String> {
    entries(json, "tags")?
        .map(|(name, value)| {
            Ok(Tag { name: name.clone().into(), value: text(Some(value), "tag")? })
        })
        .collect()
}

fn read_deprecated_tags(json: Option<&Json>) -> Result<Vec<DeprecatedTag>, String> {
    entries(json, "deprecated_tags")?
        .map(|(name, value)| {
            let object = object(value, "tag")?;
            let data = if let Some(value) = member(object, "text", "text") {
                Some(TagData::Text(text(Some(value), "text")?))
            } else if let Some(value) = member(object, "integer", "integer") {
                Some(TagData::Integer(long(Some(value), "integer")?))
            } else if let Some(value) = member(object, "decimal", "decimal") {
                Some(TagData::Decimal(double(Some(value), "decimal")?))
            } else {
                None
            };
            Ok(DeprecatedTag { name: name.clone().into(), value: Some(TagValue { data }) })
        })
        .collect()
}

fn read_metrics(json: Option<&Json>) -> Result<Vec<Metric>, String> {
    entries(json, "metrics")?
        .map(|(name, value)| {
            let object = object(value, "metric")?;
            let value = GaugeValue {
                unit: text(member(object, "unit", "unit"), "unit")?,
                value: double(member(object, "value", "value"), "value")?,
            };
            Ok(Metric { name: name.clone().into(), value: Some(value) })
        })
        .collect()
}

/// Returns a member that is present and not null, under either of its names.
fn member<'a>(object: &'a Map<String, Json>, name: &str, camel: &str) -> Option<&'a Json> {
    object.get(name).or_else(|| object.get(camel)).filter(|json| !json.is_null())
}

fn object<'a>(json: &'a Json, name: &str) -> Result<&'a Map<String, Json>, String> {
    json.as_object().ok_or_else(|| format!("{name}: not an object"))
}

fn entries<'a>(
    json: Option<&'a Json>,
    name: &str,
) -> Result<impl Iterator<Item = (&'a String, &'a Json)> + use<'a>, String> {
    let object = json.map(|json| object(json, name)).transpose()?;
    Ok(object.into_iter().flatten())
}

fn text(json: Option<&Json>, name: &str) -> Result<Bytes, String> {
    match json {
        None | Some(Json::Null) => Ok(Bytes::new()),
        Some(Json::String(text)) => Ok(text.clone().into()),
        Some(_) => Err(format!("{name}: not a string")),
    }
}

fn base64(json: Option<&Json>) -> Result<Bytes, String> {
    let text = text(json, "payload")?;
    let end = text.iter().rposition(|&byte| byte != b'=').map_or(0, |last| last + 1);
    let digits = text.get(..end).unwrap_or_default();
    BASE64_NOPAD
        .decode(digits)
        .or_else(|_| BASE64URL_NOPAD.decode(digits))
        .map(Bytes::from)
        .map_err(|_| "payload: not base64".to_owned())
}

fn stream(json: Option<&Json>) -> Result<i32, String> {
    match json {
        None => Ok(0),
        Some(Json::String(name)) if name == "OUT" => Ok(0),
        Some(Json::String(name)) if name == "ERR" => Ok(1),
        Some(Json::Number(number)) => number
            .as_i64()
            .and_then(|number| i32::try_from(number).ok())
            .ok_or_else(|| format!("type: {number} is out of range")),
        Some(other) => Err(format!("type: {other} is unknown")),
    }
}

fn double(json: Option<&Json>, name: &str) -> Result<f64, String> {
    match json {
        None => Ok(0.0),
        Some(Json::Number(number)) => number.as_f64().ok_or_else(|| wrong(name)),
        Some(Json::String(text)) => match text.as_str() {
            "NaN" => Ok(f64::NAN),
            "Infinity" => Ok(f64::INFINITY),
            "-Infinity" => Ok(f64::NEG_INFINITY),
            text => text.parse().map_err(|_| wrong(name)),
        },
        Some(_) => Err(wrong(name)),
    }
}

fn long(json: Option<&Json>, name: &str) -> Result<i64, String> {
    let value = integer(json, name)?;
    i64::try_from(value).map_err(|_| wrong(name))
}

fn unsigned(json: Option<&Json>, name: &str) -> Result<u64, String> {
    let value = integer(json, name)?;
    u64::try_from(value).map_err(|_| wrong(name))
}

/// Parses an integer as a number or in a string, also in the form `1.5e9`.
fn integer(json: Option<&Json>, name: &str) -> Result<i128, String> {
    let written = match json {
        None => return Ok(0),
        Some(Json::Number(number)) => number.to_string(),
        Some(Json::String(text)) => text.clone(),
        Some(_) => return Err(wrong(name)),
    };
    if let Ok(value) = written.parse() {
        return Ok(value);
    }
    let value: f64 = written.parse().map_err(|_| wrong(name))?;
    if value.fract() != 0.0 || value.abs() > 1e19 {
        return Err(wrong(name));
    }
    #[expect(clippy::cast_possible_truncation, reason = "a whole number within 1e19")]
    Ok(value as i128)
}

fn wrong(name: &str) -> String {
    format!("{name}: not a number of its range")
}
