// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON to messages: what [`super::put`] writes, and what heka-cat writes.

use bytes::Bytes;

use super::read_fields;
use super::typed::{base64, integer, text};
use super::value::Json;
use crate::wire::Message;

/// What a message gets that names none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Its Uuid.
    pub uuid: [u8; 16],
    /// Nanoseconds since 1970-01-01 UTC.
    pub timestamp: i64,
}

/// What a line of JSON says.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// A message, unless the line is a mark.
    pub message: Option<Message>,
    /// How far the source had been read.
    pub checkpoint: Option<Bytes>,
}

/// Reads one line. A message's Uuid and timestamp are completed unless they are `null`.
///
/// # Errors
/// Words on what is wrong.
pub fn parse(text: &[u8], identity: Identity) -> Result<Line, String> {
    let Json::Object(mut members) = Json::parse(text)? else {
        return Err("not an object".to_owned());
    };
    let checkpoint = take(&mut members, "_position").filter(|value| *value != Json::Null);
    let checkpoint = checkpoint.map(|value| base64("_position", &value)).transpose()?;
    // It stays a mark, whatever a filter between has added to it.
    let is_mark = take(&mut members, "_mark") == Some(Json::Bool(true));
    let message = if is_mark { None } else { Some(message(members, identity)?) };
    Ok(Line { message, checkpoint })
}

/// Takes out a member that is ours, if it is there.
fn take(members: &mut Vec<(String, Json)>, name: &str) -> Option<Json> {
    let at = members.iter().rposition(|(known, _)| known == name)?;
    Some(members.remove(at).1)
}

fn message(members: Vec<(String, Json)>, identity: Identity) -> Result<Message, String> {
    let mut message = Message::default();
    let has = |names: &[&str]| members.iter().any(|(name, _)| names.contains(&name.as_str()));
    let has_uuid = has(&["Uuid", "Uuid_base64", "uuid"]);
    let has_time = has(&["Timestamp", "TimestampNs", "timestamp"]);
    let mut time = None;
    let (mut fields, mut info) = (None, None);
    for (name, value) in members {
        match name.as_str() {
            "Uuid" | "Timestamp" if value == Json::Null => {}
            "TimestampNs" => message.timestamp = Some(integer(&name, &value)?),
            "Timestamp" | "timestamp" => time = Some(timestamp(&name, &value)?),
            "Fields" | "fields" => fields = Some(value),
            "FieldInfo" => info = Some(value),
            _ => read_header(&mut message, &name, &value)?,
        }
    }
    message.timestamp = time.or(message.timestamp);
    if !has_time {
        message.timestamp = Some(identity.timestamp);
    }
    if !has_uuid {
        message.uuid = Some(Bytes::copy_from_slice(&identity.uuid));
    }
    if let Some(fields) = fields {
        message.fields = read_fields::read(fields, info)?;
    }
    Ok(message)
}

fn read_header(message: &mut Message, name: &str, value: &Json) -> Result<(), String> {
    let (stem, is_base64) = match name.strip_suffix("_base64") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let member = match stem {
        "Severity" | "severity" => return set_number(&mut message.severity, name, value),
        "Pid" | "pid" => return set_number(&mut message.pid, name, value),
        // heka-cat's Uuid is base64 too.
        "uuid" => return set_bytes(&mut message.uuid, name, value),
        "Uuid" if !is_base64 => {
            let uuid = uuid::Uuid::try_parse(text(name, value)?)
                .map_err(|_| format!("{name}: not a Uuid"))?;
            message.uuid = Some(Bytes::copy_from_slice(uuid.as_bytes()));
            return Ok(());
        }
        "Uuid" => &mut message.uuid,
        "Type" | "type" => &mut message.r#type,
        "Logger" | "logger" => &mut message.logger,
        "Payload" | "payload" => &mut message.payload,
        "EnvVersion" | "env_version" => &mut message.env_version,
        "Hostname" | "hostname" => &mut message.hostname,
        _ => return Err(format!("unknown member {name}")),
    };
    if is_base64 {
        // The bytes themselves: they count, wherever the text beside them stands.
        return set_bytes(member, name, value);
    }
    let text = text(name, value)?;
    if member.is_none() {
        *member = Some(Bytes::copy_from_slice(text.as_bytes()));
    }
    Ok(())
}

fn set_number(member: &mut Option<i32>, name: &str, value: &Json) -> Result<(), String> {
    let number = integer(name, value)?;
    *member = Some(i32::try_from(number).map_err(|_| format!("{name}: out of range"))?);
    Ok(())
}

fn set_bytes(member: &mut Option<Bytes>, name: &str, value: &Json) -> Result<(), String> {
    *member = Some(base64(name, value)?);
    Ok(())
}

fn timestamp(name: &str, value: &Json) -> Result<i64, String> {
    match value {
        Json::Integer(nanoseconds) => Ok(*nanoseconds),
        Json::String(text) => text
            .parse::<jiff::Timestamp>()
            .ok()
            .and_then(|time| i64::try_from(time.as_nanosecond()).ok())
            .ok_or_else(|| format!("{name}: not an RFC 3339 time")),
        _ => Err(format!("{name}: neither a time nor a number")),
    }
}
