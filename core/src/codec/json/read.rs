// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON to messages: the output of [`super::put`] and of heka-cat.

use bytes::Bytes;

use super::read_fields;
use super::typed::{base64, integer, text};
use super::value::Json;
use crate::wire::Message;

/// Defaults for a message without Uuid or timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Identity {
    /// Default Uuid.
    pub uuid: [u8; 16],
    /// Default timestamp in nanoseconds since 1970-01-01 UTC.
    pub timestamp: i64,
}

/// The content of a line of JSON.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Line {
    /// The message, unless the line is a mark.
    pub message: Option<Message>,
    /// How far the source had been read.
    pub checkpoint: Option<Bytes>,
}

/// Parses one line. An absent Uuid or timestamp is filled in unless it is `null`.
///
/// # Errors
/// A description of what is wrong.
pub fn parse(text: &[u8], identity: Identity) -> Result<Line, String> {
    let Json::Object(mut members) = Json::parse(text)? else {
        return Err("not an object".to_owned());
    };
    let checkpoint = take(&mut members, "_position").filter(|value| *value != Json::Null);
    let checkpoint = checkpoint.map(|value| base64("_position", &value)).transpose()?;
    // A mark stays a mark, whatever a filter in between has added.
    let is_mark = take(&mut members, "_mark") == Some(Json::Bool(true));
    let message = if is_mark { None } else { Some(message(members, identity)?) };
    Ok(Line { message, checkpoint })
}

/// Removes and returns a member of our own, if present.
fn take(members: &mut Vec<(String, Json)>, name: &str) -> Option<Json> {
    let at = members.iter().rposition(|(known, _)| known == name)?;
    Some(members.remove(at).1)
}

fn message(members: Vec<(String, Json)>, identity: Identity) -> Result<Message, String> {
    let mut message = Message::default();
    let has = |names: &[&str]| members.iter().any(|(name, _)| names.contains(&name.as_str()));
    let has_uuid = has(&["Uuid", "Uuid_base64", "uuid"]);
    let has_time = has(&["Timestamp", "TimestampNs", "timestamp"]);
    let (mut time, mut nanoseconds) = (None, None);
    let (mut fields, mut info) = (None, None);
    let mut texts = Texts::default();
    for (name, value) in members {
        match name.as_str() {
            "Uuid" | "Timestamp" if value == Json::Null => {}
            "TimestampNs" => nanoseconds = Some(integer(&name, &value)?),
            "Timestamp" | "timestamp" => time = Some(timestamp(&name, &value)?),
            "Fields" | "fields" => fields = Some(value),
            "FieldInfo" => info = Some(value),
            _ => read_header(&mut message, &mut texts, &name, &value)?,
        }
    }
    texts.put(&mut message)?;
    message.timestamp = one_time(time, nanoseconds)?;
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

/// Combines the two representations of the time. The number may have lost what a double cannot
/// hold; any other difference means that one of them was edited, and it is unknown which.
fn one_time(time: Option<i64>, nanoseconds: Option<i64>) -> Result<Option<i64>, String> {
    match (time, nanoseconds) {
        (Some(time), Some(nanoseconds)) if time as f64 != nanoseconds as f64 => {
            Err("Timestamp and TimestampNs differ, delete the one that is not meant".to_owned())
        }
        _ => Ok(time.or(nanoseconds)),
    }
}

/// Headers as text, and as bytes where text cannot represent them.
#[derive(Debug, Default)]
struct Texts {
    said: [(Option<Bytes>, Option<Bytes>); 5],
}

/// Headers that are text, in the order of [`Texts`].
const TEXTS: [&str; 5] = ["Type", "Logger", "Payload", "EnvVersion", "Hostname"];

impl Texts {
    fn put(self, message: &mut Message) -> Result<(), String> {
        let members = [
            &mut message.r#type,
            &mut message.logger,
            &mut message.payload,
            &mut message.env_version,
            &mut message.hostname,
        ];
        for ((name, member), (text, bytes)) in TEXTS.iter().zip(members).zip(self.said) {
            *member = one_of(name, text, bytes)?;
        }
        Ok(())
    }
}

/// Combines bytes with their text representation. A difference means that one of them was edited.
pub(super) fn one_of(
    name: &str,
    text: Option<Bytes>,
    bytes: Option<Bytes>,
) -> Result<Option<Bytes>, String> {
    match (text, bytes) {
        (Some(text), Some(bytes)) => {
            let looks = String::from_utf8_lossy(&bytes);
            if looks.as_bytes() != text {
                return Err(format!(
                    "{name} and {name}_base64 differ, delete the one that is not meant"
                ));
            }
            Ok(Some(bytes))
        }
        (text, bytes) => Ok(bytes.or(text)),
    }
}

fn read_header(
    message: &mut Message,
    texts: &mut Texts,
    name: &str,
    value: &Json,
) -> Result<(), String> {
    let (stem, is_base64) = match name.strip_suffix("_base64") {
        Some(stem) => (stem, true),
        None => (name, false),
    };
    let index = match stem {
        "Severity" | "severity" => return set_number(&mut message.severity, name, value),
        "Pid" | "pid" => return set_number(&mut message.pid, name, value),
        // heka-cat's Uuid is base64 as well.
        "uuid" => return set_bytes(&mut message.uuid, name, value),
        "Uuid" if !is_base64 => {
            let uuid = uuid::Uuid::try_parse(text(name, value)?)
                .map_err(|_| format!("{name}: not a Uuid"))?;
            message.uuid = Some(Bytes::copy_from_slice(uuid.as_bytes()));
            return Ok(());
        }
        "Uuid" => return set_bytes(&mut message.uuid, name, value),
        "Type" | "type" => 0,
        "Logger" | "logger" => 1,
        "Payload" | "payload" => 2,
        "EnvVersion" | "env_version" => 3,
        "Hostname" | "hostname" => 4,
        _ => return Err(format!("unknown member {name}")),
    };
    let Some((as_text, as_bytes)) = texts.said.get_mut(index) else { return Ok(()) };
    if is_base64 {
        return set_bytes(as_bytes, name, value);
    }
    *as_text = Some(Bytes::copy_from_slice(text(name, value)?.as_bytes()));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_twice_must_agree() {
        let read = |text: &str| {
            let identity = Identity { uuid: [1; 16], timestamp: 1 };
            let message = parse(text.as_bytes(), identity)?.message.unwrap();
            Ok::<_, String>((message.timestamp, message.payload.unwrap_or_default()))
        };
        let differ = |text: &str| read(text).unwrap_err().contains("differ");
        let time = r#""Timestamp":"2014-08-23T22:54:00.000000007Z""#;
        let exact = 1_408_834_440_000_000_007;
        // A filter whose numbers are doubles has rounded it.
        for number in ["1408834440000000007", "1408834440000000000"] {
            let (found, _) = read(&format!("{{{time},\"TimestampNs\":{number}}}")).unwrap();
            assert_eq!(found, Some(exact));
        }
        assert!(differ(&format!("{{{time},\"TimestampNs\":1408834441000000000}}")));
        let payload = r#""Payload_base64":"Yf9i""#;
        let (_, found) = read(&format!("{{\"Payload\":\"a\u{fffd}b\",{payload}}}")).unwrap();
        assert_eq!(found, &b"a\xffb"[..]);
        assert!(differ(&format!("{{\"Payload\":\"edited\",{payload}}}")));
        assert_eq!(read(&format!("{{{payload}}}")).unwrap().1, &b"a\xffb"[..]);
        let array = |list: &str| {
            read(&format!(
                r#"{{"Fields":[{{"name":"n","value_string":{list},"value_string_base64":["Yf9i"]}}]}}"#
            ))
        };
        assert!(array("[\"a\u{fffd}b\"]").is_ok());
        assert!(array("[\"edited\"]").unwrap_err().contains("differ"));
        assert!(array("[\"a\u{fffd}b\",\"more\"]").unwrap_err().contains("differ"));
    }

    #[test]
    fn of_members_of_one_name_the_last_counts() {
        let identity = Identity { uuid: [1; 16], timestamp: 1 };
        let text = br#"{"Payload":"a","Payload":"b","Pid":1,"Pid":2,"Type":"t","type":"u"}"#;
        let message = parse(text, identity).unwrap().message.unwrap();
        assert_eq!((message.payload, message.pid), (Some("b".into()), Some(2)));
        assert_eq!(message.r#type, Some("u".into()));
    }
}
