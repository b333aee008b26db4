// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed Heka messages.

use bytes::Bytes;
use heka_core::wire::{Field, Header, Message, ValueType, put_frame, put_message};
use sha1::{Digest as _, Sha1};

use super::summary;
use crate::envelope::{Content, Envelope, Kind, Member, Stream, Value};

/// Severity of a line without its own.
const LINE_SEVERITY: i32 = 6;
/// Severity of anything but a log line.
const METRIC_SEVERITY: i32 = 7;
/// Maximum length of a label in a host name.
const MAX_LABEL_SIZE: usize = 63;

/// Appends one envelope.
pub(super) fn put(out: &mut Vec<u8>, envelope: &Envelope, name: Option<&str>) {
    let mut bytes = Vec::new();
    let mut message = message(envelope);
    if let Some(name) = name {
        message.fields.push(Field::string("cf_app", name.to_owned()));
    }
    put_message(&mut bytes, &message);
    // Only a message over 4 GiB fits no frame; an envelope is far below that.
    let _ = put_frame(out, Header::default(), &bytes);
}

/// Converts the envelope to a message.
pub(super) fn message(envelope: &Envelope) -> Message {
    let mut message = Message {
        uuid: Some(Bytes::copy_from_slice(&uuid(envelope))),
        timestamp: Some(envelope.timestamp),
        r#type: Some(Bytes::from_static(type_name(envelope.kind()).as_bytes())),
        logger: Some(logger(envelope)),
        severity: Some(METRIC_SEVERITY),
        hostname: hostname(envelope),
        pid: envelope.instance.as_ref().and_then(|instance| {
            std::str::from_utf8(instance).ok().and_then(|digits| digits.parse().ok())
        }),
        ..Message::default()
    };
    match &envelope.content {
        Content::Log { payload, stream } => {
            put_line(&mut message, payload, *stream);
        }
        Content::Other(kind, members) => {
            message.payload = Some(summary::of(envelope).into());
            members.iter().for_each(|member| put_member(&mut message.fields, *kind, member));
            put_duration(&mut message.fields, envelope);
            if envelope.is(Kind::Http) && *kind == Kind::Timer {
                put_request(&mut message.fields, envelope);
            }
        }
    }
    put_facts(&mut message.fields, envelope);
    message
}

/// Sets the text of a line, as far as it is text, and the stream that the app wrote to.
fn put_line(message: &mut Message, payload: &Bytes, stream: Stream) {
    message.severity = Some(stream.severity().unwrap_or(LINE_SEVERITY));
    let text = payload.strip_suffix(b"\n").unwrap_or(payload);
    let text = text.strip_suffix(b"\r").filter(|_| text.len() < payload.len()).unwrap_or(text);
    if std::str::from_utf8(text).is_ok() {
        message.payload = Some(payload.slice_ref(text));
    } else {
        message.payload = Some(String::from_utf8_lossy(text).into_owned().into());
        let mut raw = Field::empty("payload_raw", ValueType::Bytes);
        raw.value_bytes.push(payload.clone());
        message.fields.push(raw);
    }
    message.fields.push(Field::string("message_type", stream.to_string()));
}

/// Creates a Uuid (RFC 9562, version 8) that is the same however often and from wherever the
/// envelope is read, so that repetitions can be recognised. Equal envelopes differ by their number.
fn uuid(envelope: &Envelope) -> [u8; 16] {
    let mut sha1 = Sha1::new();
    sha1.update(envelope.source_id.as_deref().unwrap_or_default());
    sha1.update([0]);
    envelope.identify(|piece| sha1.update(piece));
    sha1.update(envelope.nth.max(1).to_le_bytes());
    let mut bytes = [0; 16];
    bytes.iter_mut().zip(sha1.finalize()).for_each(|(byte, hash)| *byte = hash);
    uuid::Uuid::new_v8(bytes).into_bytes()
}

fn type_name(kind: Kind) -> &'static str {
    match kind {
        Kind::Log => "CfLog",
        Kind::Http => "CfHttp",
        Kind::Value => "CfValue",
        Kind::Counter => "CfCounter",
        Kind::Container => "CfContainer",
        Kind::Gauge => "CfGauge",
        Kind::Timer => "CfTimer",
        Kind::Event => "CfEvent",
        Kind::Error => "CfError",
        Kind::Nothing => "CfNothing",
    }
}

fn logger(envelope: &Envelope) -> Bytes {
    let logger = match envelope.content {
        Content::Log { .. } => envelope.source(),
        Content::Other(..) => envelope.origin.as_ref().or_else(|| envelope.source()),
    };
    logger.cloned().unwrap_or(Bytes::from_static(b"unknown"))
}

/// Returns `org.space.app`, as in the platform's own syslog drains, otherwise the address,
/// otherwise the app.
fn hostname(envelope: &Envelope) -> Option<Bytes> {
    let names = ["organization_name", "space_name", "app_name"];
    let labels: Vec<String> = names
        .iter()
        .filter_map(|name| envelope.tag(name.as_bytes()))
        .map(|value| {
            let value = String::from_utf8_lossy(value).replace(' ', "-");
            let mut label: String =
                value.chars().filter(|c| c.is_ascii_alphanumeric() || *c == '-').collect();
            label.truncate(MAX_LABEL_SIZE);
            label
        })
        .collect();
    if labels.is_empty() {
        return envelope.ip.clone().or_else(|| envelope.source_id.clone());
    }
    Some(labels.join(".").into())
}

fn put_facts(fields: &mut Vec<Field>, envelope: &Envelope) {
    for (name, value) in envelope.facts() {
        // A router gets messages of many platforms: the name makes clear that this is Cloud
        // Foundry's.
        let name = if name == "app_id" { "cf_app_id" } else { name };
        fields.push(Field::string(name, value.clone()));
    }
    fields.push(Field::string("event_type", envelope.kind().name()));
    if !envelope.drain_urls.is_empty() {
        let mut urls = Field::empty("drain_urls", ValueType::String);
        urls.value_string.clone_from(&envelope.drain_urls);
        fields.push(urls);
    }
    for (name, value) in &envelope.tags {
        let name = [b"tag_".as_slice(), name].concat();
        fields.push(Field::string(name, value.clone()));
    }
}

/// Adds a duration in nanoseconds.
fn put_duration(fields: &mut Vec<Field>, envelope: &Envelope) {
    if let (Some(Value::Long(start)), Some(Value::Long(stop))) =
        (envelope.member("start"), envelope.member("stop"))
    {
        let mut field = Field::integer("duration", stop.saturating_sub(*start));
        field.representation = Some(Bytes::from_static(b"ns"));
        fields.push(field);
    }
}

/// Adds the tags of a request's timer, with the names and types that requests have in the older
/// generation.
fn put_request(fields: &mut Vec<Field>, envelope: &Envelope) {
    for name in ["method", "uri", "peer_type", "remote_address", "user_agent", "request_id"] {
        if let Some(value) = envelope.tag(name.as_bytes()) {
            fields.push(Field::string(name, value.clone()));
        }
    }
    for name in ["status_code", "content_length"] {
        let digits = envelope.tag(name.as_bytes()).and_then(|tag| std::str::from_utf8(tag).ok());
        if let Some(number) = digits.and_then(|digits| digits.parse().ok()) {
            fields.push(Field::integer(name, number));
        }
    }
}

/// Adds a named value; repeated values are collected in one field.
fn put_member(fields: &mut Vec<Field>, kind: Kind, member: &Member) {
    if kind == Kind::Http
        && let Value::Text(text) = &member.value
        && let Some(field) =
            fields.iter_mut().find(|field| field.name.as_ref() == Some(&member.name))
    {
        field.value_string.push(text.clone());
        return;
    }
    let name = member.name.clone();
    let mut field = match &member.value {
        Value::Text(text) => Field::string(name, text.clone()),
        Value::Int(number) => Field::integer(name, i64::from(*number)),
        Value::Long(number) => Field::integer(name, *number),
        Value::Unsigned(number) => match i64::try_from(*number) {
            Ok(number) => Field::integer(name, number),
            Err(_) => Field::string(name, number.to_string()),
        },
        Value::Double(number) => {
            let mut field = Field::empty(name, ValueType::Double);
            field.value_double.push(*number);
            field
        }
    };
    if !member.unit.is_empty() {
        field.representation = Some(member.unit.clone());
    }
    fields.push(field);
}
