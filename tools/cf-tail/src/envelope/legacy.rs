// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages of the legacy loggregator (2013 to 2016): protobuf package `logmessage`, proto2.
//!
//! Text is declared as bytes, because log data need not be UTF-8. Required fields are optional here
//! and checked by [`LogMessage::complete`], because prost does not check them.

use bytes::Bytes;
use prost::Message as _;

use super::{Content, Envelope, Unreadable, first_missing};

/// One line of an app, or of the platform about it. Field 5 (an obsolete enumeration of sources)
/// still occurs on the wire and is skipped as unknown.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogMessage {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) message: Option<Bytes>,
    /// OUT = 1, ERR = 2; other values are kept.
    #[prost(int32, optional, tag = "2")]
    pub(crate) message_type: Option<i32>,
    /// Nanoseconds since 1970; zigzag, unlike in all later generations.
    #[prost(sint64, optional, tag = "3")]
    pub(crate) timestamp: Option<i64>,
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub(crate) app_id: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub(crate) source_id: Option<Bytes>,
    #[prost(bytes = "bytes", repeated, tag = "7")]
    pub(crate) drain_urls: Vec<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "8")]
    pub(crate) source_name: Option<Bytes>,
}

/// The envelope that the platform's agents exchange over UDP. On a WebSocket it is an error,
/// recognised only to name it.
#[derive(Clone, PartialEq, prost::Message)]
pub(crate) struct LogEnvelope {
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub(crate) routing_key: Option<Bytes>,
    #[prost(bytes = "bytes", optional, tag = "2")]
    pub(crate) signature: Option<Bytes>,
    #[prost(message, optional, tag = "3")]
    pub(crate) log_message: Option<LogMessage>,
}

impl LogMessage {
    /// Returns the name of a missing required field.
    fn missing(&self) -> Option<&'static str> {
        first_missing(&[
            ("message", self.message.is_some()),
            ("message_type", self.message_type.is_some()),
            ("timestamp", self.timestamp.is_some()),
            ("app_id", self.app_id.is_some()),
        ])
    }

    /// Returns itself, if no required field is missing.
    pub(crate) fn complete(self) -> Result<Self, Unreadable> {
        self.missing().map_or(Ok(self), |name| Err(Unreadable::Missing(name)))
    }
}

impl LogEnvelope {
    /// Returns itself, if no required field is missing.
    pub(crate) fn complete(self) -> Result<Self, Unreadable> {
        let own = [
            ("routing_key", self.routing_key.is_some()),
            ("signature", self.signature.is_some()),
            ("log_message", self.log_message.is_some()),
        ];
        let missing =
            first_missing(&own).or_else(|| self.log_message.as_ref().and_then(LogMessage::missing));
        missing.map_or(Ok(self), |name| Err(Unreadable::Missing(name)))
    }
}

/// Decodes one message.
///
/// # Errors
/// If it is damaged, incomplete, or something else.
pub(crate) fn decode(bytes: Bytes) -> Result<Envelope, Unreadable> {
    match LogMessage::decode(bytes.clone()).map_err(Unreadable::from).and_then(LogMessage::complete)
    {
        Ok(message) => Ok(message.into()),
        Err(unreadable) => {
            let agents = LogEnvelope::decode(bytes).map_err(Unreadable::from);
            Err(match agents.and_then(LogEnvelope::complete) {
                Ok(_) => Unreadable::AgentsEnvelope,
                Err(_) => unreadable,
            })
        }
    }
}

impl From<LogMessage> for Envelope {
    fn from(message: LogMessage) -> Self {
        Self {
            timestamp: message.timestamp.unwrap_or_default(),
            source_id: message.app_id,
            source_type: message.source_name,
            instance: message.source_id,
            drain_urls: message.drain_urls,
            content: Content::log(message.message, message.message_type),
            ..Self::default()
        }
    }
}
