// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Heka message as an owned value, for callers that build or keep messages.
//!
//! The definitions follow `proto/message.proto` with two liberties that the wire format permits.
//! Text is declared as bytes, because log data need not be UTF-8 and a `string` would reject it.
//! `uuid` and `timestamp` are optional, because no Heka program enforces `required` in either
//! direction (heka-stream(5)).

use bytes::Bytes;

/// One log message.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Message {
    /// Identity, normally 16 bytes.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub uuid: Option<Bytes>,
    /// Nanoseconds since 1970-01-01 UTC.
    #[prost(int64, optional, tag = "2")]
    pub timestamp: Option<i64>,
    /// Kind of message.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub r#type: Option<Bytes>,
    /// Origin of the message, e.g. the name of a file or a program.
    #[prost(bytes = "bytes", optional, tag = "4")]
    pub logger: Option<Bytes>,
    /// Severity as in syslog (RFC 5424); absent means 7.
    #[prost(int32, optional, tag = "5")]
    pub severity: Option<i32>,
    /// The text of the message.
    #[prost(bytes = "bytes", optional, tag = "6")]
    pub payload: Option<Bytes>,
    /// Version of the sender's environment.
    #[prost(bytes = "bytes", optional, tag = "7")]
    pub env_version: Option<Bytes>,
    /// Process that created the message.
    #[prost(int32, optional, tag = "8")]
    pub pid: Option<i32>,
    /// Host that created the message.
    #[prost(bytes = "bytes", optional, tag = "9")]
    pub hostname: Option<Bytes>,
    /// Further named values; names may repeat.
    #[prost(message, repeated, tag = "10")]
    pub fields: Vec<Field>,
}

impl Message {
    /// Parses a message; `None` if `bytes` are not one.
    pub fn parse(bytes: &[u8]) -> Option<Self> {
        prost::Message::decode(bytes).ok()
    }
}

/// One named, typed list of values.
#[derive(Clone, PartialEq, prost::Message)]
pub struct Field {
    /// Name; absent only in damaged or foreign data.
    #[prost(bytes = "bytes", optional, tag = "1")]
    pub name: Option<Bytes>,
    /// Selects the list below that holds the values (see [`ValueType`]).
    #[prost(enumeration = "ValueType", optional, tag = "2")]
    pub value_type: Option<i32>,
    /// Free text that describes the values, e.g. `count`, `B`, `ns`, `ipv4`.
    #[prost(bytes = "bytes", optional, tag = "3")]
    pub representation: Option<Bytes>,
    /// Values of a `STRING` field.
    #[prost(bytes = "bytes", repeated, tag = "4")]
    pub value_string: Vec<Bytes>,
    /// Values of a `BYTES` field.
    #[prost(bytes = "bytes", repeated, tag = "5")]
    pub value_bytes: Vec<Bytes>,
    /// Values of an `INTEGER` field.
    #[prost(int64, repeated, packed = "true", tag = "6")]
    pub value_integer: Vec<i64>,
    /// Values of a `DOUBLE` field.
    #[prost(double, repeated, packed = "true", tag = "7")]
    pub value_double: Vec<f64>,
    /// Values of a `BOOL` field.
    #[prost(bool, repeated, packed = "true", tag = "8")]
    pub value_bool: Vec<bool>,
}

/// The declared type of a field's values.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord, prost::Enumeration)]
#[repr(i32)]
pub enum ValueType {
    /// Text.
    String = 0,
    /// Any bytes.
    Bytes = 1,
    /// Signed 64 bits.
    Integer = 2,
    /// IEEE 754 double.
    Double = 3,
    /// True or false.
    Bool = 4,
}

impl ValueType {
    /// All types in the order of their numbers.
    pub const ALL: [Self; 5] = [Self::String, Self::Bytes, Self::Integer, Self::Double, Self::Bool];

    /// Returns the type's name in the schema.
    pub fn name(self) -> &'static str {
        match self {
            Self::String => "STRING",
            Self::Bytes => "BYTES",
            Self::Integer => "INTEGER",
            Self::Double => "DOUBLE",
            Self::Bool => "BOOL",
        }
    }
}

/// Severity of a message that has none.
pub const DEFAULT_SEVERITY: i32 = 7;
