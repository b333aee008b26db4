// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that are more than a payload.

pub(crate) mod capture;
pub(crate) mod field_arg;
pub(crate) mod logfmt;
pub(crate) mod map;
pub(crate) mod time_format;

use crate::structure::time_format::TimeFormat;
use bytes::Bytes;
use heka_core::codec::HeaderName;
use heka_core::codec::json::{self, Identity, Line};
use heka_core::codec::severity::SeverityMap;
use heka_core::wire::Message;

use crate::structure::capture::Captures;
use crate::structure::map::JsonMap;

/// How a record becomes a message.
#[derive(Debug)]
pub(crate) enum Structure {
    /// It is a message in JSON; what the command line says of messages replaces what it says.
    Message(Box<Message>),
    /// It is any JSON object.
    Json(JsonMap),
    /// It is a line of logfmt.
    Logfmt(JsonMap),
    /// A regular expression takes it apart.
    Captures(Captures),
}

impl Structure {
    /// Makes a message, or a mark, of `record`, upon what all messages have in common.
    pub(crate) fn apply(
        &self,
        record: &[u8],
        base: &Message,
        identity: Identity,
    ) -> Result<Line, String> {
        if let Self::Message(changes) = self {
            let Line { message, checkpoint } = json::parse(record, identity)?;
            return Ok(Line { message: message.map(|it| change(it, changes)), checkpoint });
        }
        let mut message = upon(base, record, identity);
        match self {
            Self::Message(_) => {}
            Self::Json(map) => map.apply_json(record, &mut message)?,
            Self::Logfmt(map) => map.apply_logfmt(record, &mut message)?,
            Self::Captures(captures) => captures.apply(record, &mut message)?,
        }
        Ok(Line { message: Some(message), checkpoint: None })
    }
}

/// A record as the payload of a message, upon what all messages have in common.
pub(crate) fn upon(base: &Message, record: &[u8], identity: Identity) -> Message {
    Message {
        uuid: Some(Bytes::copy_from_slice(&identity.uuid)),
        timestamp: Some(identity.timestamp),
        payload: Some(Bytes::copy_from_slice(record)),
        ..base.clone()
    }
}

fn change(mut message: Message, changes: &Message) -> Message {
    let replace = |old: &mut Option<Bytes>, new: &Option<Bytes>| {
        if new.is_some() {
            old.clone_from(new);
        }
    };
    replace(&mut message.uuid, &changes.uuid);
    replace(&mut message.r#type, &changes.r#type);
    replace(&mut message.logger, &changes.logger);
    replace(&mut message.env_version, &changes.env_version);
    replace(&mut message.hostname, &changes.hostname);
    message.timestamp = changes.timestamp.or(message.timestamp);
    message.severity = changes.severity.or(message.severity);
    message.pid = changes.pid.or(message.pid);
    message.fields.extend_from_slice(&changes.fields);
    message
}

/// What turns text into headers.
#[derive(Clone, Debug)]
pub(crate) struct Readers {
    pub(crate) times: TimeFormat,
    pub(crate) severities: SeverityMap,
}

impl Readers {
    /// Sets a header from text.
    pub(crate) fn set(
        &self,
        message: &mut Message,
        header: HeaderName,
        text: &[u8],
    ) -> Result<(), String> {
        let words = String::from_utf8_lossy(text);
        let bytes = Some(Bytes::copy_from_slice(text));
        match header {
            HeaderName::Type => message.r#type = bytes,
            HeaderName::Logger => message.logger = bytes,
            HeaderName::Payload => message.payload = bytes,
            HeaderName::EnvVersion => message.env_version = bytes,
            HeaderName::Hostname => message.hostname = bytes,
            HeaderName::Uuid => {
                let uuid = heka_core::os::clock::parse_uuid(&words)
                    .ok_or_else(|| format!("Uuid: {words}: not a Uuid"))?;
                message.uuid = Some(Bytes::copy_from_slice(&uuid));
            }
            HeaderName::Timestamp => {
                let now = message.timestamp.unwrap_or(0);
                let time = self.times.parse(&words, now);
                message.timestamp =
                    Some(time.ok_or_else(|| format!("Timestamp: {words}: not a known form"))?);
            }
            HeaderName::Severity => {
                let severity = self.severities.severity(&words);
                message.severity =
                    Some(severity.ok_or_else(|| format!("Severity: {words}: not known"))?);
            }
            HeaderName::Pid => {
                let whole = words.split('.').next().unwrap_or_default();
                let pid =
                    whole.trim().parse().map_err(|_| format!("Pid: {words}: not a number"))?;
                message.pid = Some(pid);
            }
        }
        Ok(())
    }
}
