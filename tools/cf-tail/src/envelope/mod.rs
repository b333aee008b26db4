// SPDX-License-Identifier: MIT OR Apache-2.0
//! The reports of Cloud Foundry about an app, in one form for all generations of servers.
//!
//! [`legacy`], [`v1`] and [`v2`] are the wire formats; each is converted to an [`Envelope`], which
//! is all that filters and output forms know.

use bytes::Bytes;

pub(crate) mod legacy;
pub(crate) mod v1;
mod v1_content;
pub(crate) mod v2;
mod v2_json;

#[cfg(test)]
mod tests;

pub(crate) use v2_json::read_batch;

/// One log line, metric or event.
#[derive(Clone, Debug, Default, PartialEq)]
pub(crate) struct Envelope {
    /// Nanoseconds since 1970-01-01 UTC.
    pub(crate) timestamp: i64,
    /// The app's GUID, or the name of a component of the platform.
    pub(crate) source_id: Option<Bytes>,
    /// The component that created it: `APP/PROC/WEB`, `RTR`, `App` …
    pub(crate) source_type: Option<Bytes>,
    /// The instance of that component.
    pub(crate) instance: Option<Bytes>,
    pub(crate) origin: Option<Bytes>,
    pub(crate) deployment: Option<Bytes>,
    pub(crate) job: Option<Bytes>,
    pub(crate) index: Option<Bytes>,
    pub(crate) ip: Option<Bytes>,
    pub(crate) tags: Vec<(Bytes, Bytes)>,
    pub(crate) drain_urls: Vec<Bytes>,
    /// Whether it arrived after newer ones had been read.
    pub(crate) is_late: bool,
    /// Its number among equals, starting with 1; 0 if they are not counted.
    pub(crate) nth: u32,
    pub(crate) content: Content,
}

/// The content of an envelope.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Content {
    /// A line.
    Log {
        /// The bytes that the app wrote.
        payload: Bytes,
        /// The stream that the app wrote to.
        stream: Stream,
    },
    /// Anything else, as named values.
    Other(Kind, Vec<Member>),
}

impl Content {
    /// Creates a line of the legacy and v1 formats. [`first_missing`] has verified that it is
    /// complete.
    fn log(message: Option<Bytes>, message_type: Option<i32>) -> Self {
        Self::Log {
            payload: message.unwrap_or_default(),
            stream: Stream::from_number(message_type.unwrap_or_default()),
        }
    }
}

impl Default for Content {
    fn default() -> Self {
        Self::Other(Kind::Nothing, Vec::new())
    }
}

/// Kinds of envelopes. The names are those of `--type` and of the JSON form.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(crate) enum Kind {
    /// A line of an app, or of the platform about it.
    Log,
    /// A request served (v1).
    Http,
    /// A number (v1).
    Value,
    /// A count.
    Counter,
    /// The resource usage of an instance (v1).
    Container,
    /// Values measured together (v2).
    Gauge,
    /// The duration of an operation (v2).
    Timer,
    /// An event (v2).
    Event,
    /// An error in the platform (v1).
    Error,
    /// An envelope without content.
    #[value(skip)]
    Nothing,
}

impl Kind {
    /// Returns the name in filters and JSON.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Log => "log",
            Self::Http => "http",
            Self::Value => "value",
            Self::Counter => "counter",
            Self::Container => "container",
            Self::Gauge => "gauge",
            Self::Timer => "timer",
            Self::Event => "event",
            Self::Error => "error",
            Self::Nothing => "nothing",
        }
    }

    /// Returns the kind that corresponds to it in the newest generation.
    pub(crate) fn in_v2(self) -> Self {
        match self {
            Self::Http => Self::Timer,
            Self::Container | Self::Value => Self::Gauge,
            Self::Error => Self::Log,
            kind => kind,
        }
    }
}

/// The stream that an app wrote to. The numbers are those of the legacy and v1 formats.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Stream {
    /// Standard output.
    Out,
    /// Standard error.
    Err,
    /// A number that means neither.
    Unknown(i32),
}

impl Stream {
    /// Converts a number: OUT = 1, ERR = 2.
    pub(crate) fn from_number(number: i32) -> Self {
        match number {
            1 => Self::Out,
            2 => Self::Err,
            other => Self::Unknown(other),
        }
    }
}

impl std::fmt::Display for Stream {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Out => f.write_str("OUT"),
            Self::Err => f.write_str("ERR"),
            Self::Unknown(number) => write!(f, "UNKNOWN({number})"),
        }
    }
}

impl Stream {
    /// Returns the severity as in syslog, which the platform's own drains assign.
    pub(crate) fn severity(self) -> Option<i32> {
        match self {
            Self::Out => Some(6),
            Self::Err => Some(3),
            Self::Unknown(_) => None,
        }
    }
}

/// A named value of an envelope other than a log line.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Member {
    pub(crate) name: Bytes,
    pub(crate) value: Value,
    /// The unit of a number; empty if unknown.
    pub(crate) unit: Bytes,
}

/// A value. Integers keep their width, because 64-bit ones become text in JSON.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Value {
    Text(Bytes),
    Int(i32),
    Long(i64),
    Unsigned(u64),
    Double(f64),
}

impl Value {
    /// Returns a number's eight bytes, those of a double if it is a size or a measurement.
    fn bytes(&self) -> [u8; 8] {
        match self {
            Self::Text(_) => [0; 8],
            Self::Int(number) => i64::from(*number).to_le_bytes(),
            Self::Long(number) => number.to_le_bytes(),
            #[expect(clippy::cast_precision_loss, reason = "the younger form loses it too")]
            Self::Unsigned(number) => (*number as f64).to_le_bytes(),
            Self::Double(number) => number.to_le_bytes(),
        }
    }
}

impl Member {
    pub(crate) fn new(name: &'static str, value: Value) -> Self {
        Self { name: Bytes::from_static(name.as_bytes()), value, unit: Bytes::new() }
    }

    pub(crate) fn text(name: &'static str, value: impl Into<Bytes>) -> Self {
        Self::new(name, Value::Text(value.into()))
    }

    pub(crate) fn measured(name: Bytes, value: f64, unit: Bytes) -> Self {
        Self { name, value: Value::Double(value), unit }
    }
}

impl Envelope {
    pub(crate) fn kind(&self) -> Kind {
        match &self.content {
            Content::Log { .. } => Kind::Log,
            Content::Other(kind, _) => *kind,
        }
    }

    /// Whether it is of a kind, in the form of its own or another generation.
    pub(crate) fn is(&self, kind: Kind) -> bool {
        let own = self.kind();
        own == kind
            || match (kind, own) {
                (Kind::Timer, Kind::Http) | (Kind::Gauge, Kind::Container | Kind::Value) => true,
                (Kind::Http, Kind::Timer) => {
                    matches!(self.member("name"), Some(Value::Text(name)) if name == "http")
                }
                (Kind::Container, Kind::Gauge) => self.is_container(),
                (Kind::Value, Kind::Gauge) => !self.is_container(),
                (Kind::Error, Kind::Log) => {
                    self.tag(b"__v1_type").is_some_and(|name| name == "Error")
                }
                _ => false,
            }
    }

    /// Whether it contains the resource usage of an instance.
    fn is_container(&self) -> bool {
        ["cpu", "memory", "disk"].iter().all(|name| self.member(name).is_some())
    }

    /// Passes to `put`, piece by piece, what distinguishes it from others of its source: time,
    /// instance and content. This is the same in every generation's form.
    pub(crate) fn identify(&self, mut put: impl FnMut(&[u8])) {
        let mut put = |piece: &[u8]| {
            put(&(piece.len() as u64).to_le_bytes());
            put(piece);
        };
        put(&self.timestamp.to_le_bytes());
        put(self.instance.as_deref().unwrap_or_default());
        put(self.kind().in_v2().name().as_bytes());
        match &self.content {
            Content::Log { payload, stream } => {
                put(self.source().map_or(b"", |source| source));
                put(&stream.severity().unwrap_or_default().to_le_bytes());
                put(payload);
            }
            Content::Other(Kind::Http | Kind::Timer, members) => {
                let times = members.iter().filter(|it| matches!(it.value, Value::Long(_)));
                times.take(2).for_each(|time| put(&time.value.bytes()));
            }
            Content::Other(kind, members) if kind.in_v2() == Kind::Gauge => {
                // The generations name and order them differently, and not all send zeros.
                let measures = members.iter().filter(|it| !matches!(it.value, Value::Text(_)));
                let mut measures: Vec<[u8; 8]> = measures.map(|it| it.value.bytes()).collect();
                measures.retain(|bytes| *bytes != [0; 8]);
                measures.sort_unstable();
                measures.iter().for_each(|bytes| put(bytes));
            }
            Content::Other(_, members) => members.iter().for_each(|member| match &member.value {
                Value::Text(text) => put(text),
                value => put(&value.bytes()),
            }),
        }
    }

    /// Returns the component that created it, also if only a deprecated tag names it.
    pub(crate) fn source(&self) -> Option<&Bytes> {
        self.source_type.as_ref().or_else(|| self.tag(b"source_type"))
    }

    /// Returns the instance that created it, for sorting.
    pub(crate) fn instance_number(&self) -> i64 {
        let instance = self.instance.as_deref().unwrap_or_default();
        String::from_utf8_lossy(instance).parse().unwrap_or_default()
    }

    /// Returns the known facts about its origin, by name.
    pub(crate) fn facts(&self) -> impl Iterator<Item = (&'static str, &Bytes)> {
        let facts = [
            ("app_id", self.source_id.as_ref()),
            ("source_type", self.source()),
            ("source_instance", self.instance.as_ref()),
            ("origin", self.origin.as_ref()),
            ("deployment", self.deployment.as_ref()),
            ("job", self.job.as_ref()),
            ("index", self.index.as_ref()),
            ("ip", self.ip.as_ref()),
        ];
        facts.into_iter().filter_map(|(name, value)| Some((name, value?)))
    }

    /// Returns the value of a tag.
    pub(crate) fn tag(&self, name: &[u8]) -> Option<&Bytes> {
        self.tags.iter().find(|(known, _)| known == name).map(|(_, value)| value)
    }

    /// Returns a named value of an envelope other than a log line.
    pub(crate) fn member(&self, name: &str) -> Option<&Value> {
        let Content::Other(_, members) = &self.content else { return None };
        members.iter().find(|member| member.name == name).map(|member| &member.value)
    }
}

/// The reason why bytes are not an envelope.
#[derive(Debug)]
pub(crate) enum Unreadable {
    /// Not protobuf of that form.
    Malformed(prost::DecodeError),
    /// A required field is missing.
    Missing(&'static str),
    /// An envelope that agents exchange.
    AgentsEnvelope,
}

/// Returns the name of the first missing required field: prost checks none.
fn first_missing(fields: &[(&'static str, bool)]) -> Option<&'static str> {
    fields.iter().find(|(_, is_set)| !is_set).map(|&(name, _)| name)
}

impl From<prost::DecodeError> for Unreadable {
    fn from(error: prost::DecodeError) -> Self {
        Self::Malformed(error)
    }
}

impl std::fmt::Display for Unreadable {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Malformed(error) => write!(f, "{error}"),
            Self::Missing(name) => write!(f, "required field \"{name}\" not set"),
            Self::AgentsEnvelope => f.write_str("an envelope of the platform's agents, no message"),
        }
    }
}
