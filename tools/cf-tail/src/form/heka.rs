// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed Heka messages.

use bytes::Bytes;
use heka_core::os::clock;
use heka_core::wire::{Field, Header, Message, ValueType, put_frame, put_message};

use super::summary;
use crate::envelope::{Content, Envelope, Kind, Member, Value};

/// Severity of a line that says nothing of its own.
const LINE_SEVERITY: i32 = 6;
/// Severity of what is no log line.
const METRIC_SEVERITY: i32 = 7;
/// Longest part of a host name.
const MAX_LABEL_SIZE: usize = 63;

/// Appends one envelope.
pub(super) fn put(out: &mut Vec<u8>, envelope: &Envelope) {
    let mut bytes = Vec::new();
    put_message(&mut bytes, &message(envelope));
    // Only a message over 4 GiB fits no frame; an envelope is far below that.
    let _ = put_frame(out, Header::default(), &bytes);
}

/// The envelope as a message.
pub(super) fn message(envelope: &Envelope) -> Message {
    let mut message = Message {
        uuid: Some(Bytes::copy_from_slice(&clock::random_uuid())),
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
            message.severity = Some(stream.severity().unwrap_or(LINE_SEVERITY));
            let text = payload.strip_suffix(b"\n").unwrap_or(payload);
            let text =
                text.strip_suffix(b"\r").filter(|_| text.len() < payload.len()).unwrap_or(text);
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
        Content::Other(kind, members) => {
            message.payload = Some(summary::of(envelope).into());
            members.iter().for_each(|member| put_member(&mut message.fields, *kind, member));
        }
    }
    put_facts(&mut message.fields, envelope);
    message
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

/// `org.space.app`, as in the platform's own syslog drains, else the address, else the app.
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
        // A router gets messages of many platforms: the name says of which this is one.
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

/// A named value; what repeats is gathered in one field.
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
