// SPDX-License-Identifier: MIT OR Apache-2.0
//! Selects envelopes.

use clap::ValueEnum;
use heka_core::codec::regular::Regular;

use crate::envelope::{Content, Envelope, Kind, Stream, Value};

/// The conditions for an envelope to be written.
#[derive(Clone, Debug, Default)]
pub(crate) struct Filter {
    /// Prefixes of source types, case-insensitive; all if empty.
    pub(crate) sources: Vec<String>,
    /// The stream that the app wrote to.
    pub(crate) stream: Option<StreamName>,
    /// Kinds; all if empty.
    pub(crate) kinds: Vec<Kind>,
    /// Names of metrics; if absent, unnamed envelopes are selected too.
    pub(crate) name: Option<Regular>,
    /// Start of the time range, in nanoseconds since 1970.
    pub(crate) start: Option<i64>,
    /// End of the time range, exclusive.
    pub(crate) end: Option<i64>,
}

/// The output streams of an app.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum StreamName {
    /// Standard output
    Out,
    /// Standard error
    Err,
}

impl Filter {
    /// Whether an envelope is selected.
    pub(crate) fn takes(&self, envelope: &Envelope) -> bool {
        (self.kinds.is_empty() || self.kinds.iter().any(|kind| envelope.is(*kind)))
            && self.start.is_none_or(|start| envelope.timestamp >= start)
            && self.end.is_none_or(|end| envelope.timestamp < end)
            && self.takes_name(envelope)
            && self.takes_stream(envelope)
            && self.takes_source(envelope)
    }

    fn takes_name(&self, envelope: &Envelope) -> bool {
        let Some(wanted) = &self.name else { return true };
        let Content::Other(kind, members) = &envelope.content else { return false };
        members.iter().any(|member| match (kind, &member.value) {
            (Kind::Gauge | Kind::Container, _) => wanted.is_match(&member.name),
            (Kind::Event | Kind::Error, _) => false,
            (_, Value::Text(name)) => member.name == "name" && wanted.is_match(name),
            _ => false,
        })
    }

    fn takes_stream(&self, envelope: &Envelope) -> bool {
        let Some(wanted) = self.stream else { return true };
        match &envelope.content {
            Content::Log { stream: Stream::Out, .. } => wanted == StreamName::Out,
            Content::Log { stream: Stream::Err, .. } => wanted == StreamName::Err,
            _ => false,
        }
    }

    /// Whether the source type is selected. `APP` includes `APP/PROC/WEB`: only whole parts of the
    /// name match.
    fn takes_source(&self, envelope: &Envelope) -> bool {
        if self.sources.is_empty() {
            return true;
        }
        let source = envelope.source().map(|source| String::from_utf8_lossy(source).into_owned());
        let source = source.unwrap_or_default();
        self.sources.iter().any(|wanted| {
            source.get(..wanted.len()).is_some_and(|head| head.eq_ignore_ascii_case(wanted))
                && matches!(source.as_bytes().get(wanted.len()), None | Some(b'/'))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn log(source: &str, stream: Stream) -> Envelope {
        let content = Content::Log { payload: "x".into(), stream };
        Envelope { source_type: Some(source.to_owned().into()), content, ..Envelope::default() }
    }

    #[test]
    fn sources_match_by_whole_parts_in_any_case() {
        let filter =
            Filter { sources: vec!["APP".to_owned(), "rtr".to_owned()], ..Filter::default() };
        let takes = |source| filter.takes(&log(source, Stream::Out));
        assert!(takes("App") && takes("APP/PROC/WEB") && takes("RTR"));
        assert!(!takes("APPLE") && !takes("STG") && !takes("") && !takes("é"));
    }

    #[test]
    fn streams_and_kinds_are_told_apart() {
        let err = Filter { stream: Some(StreamName::Err), ..Filter::default() };
        assert!(err.takes(&log("x", Stream::Err)) && !err.takes(&log("x", Stream::Out)));
        assert!(!err.takes(&log("x", Stream::Unknown(7))) && !err.takes(&Envelope::default()));
        let logs = Filter { kinds: vec![Kind::Log], ..Filter::default() };
        assert!(logs.takes(&log("x", Stream::Out)) && !logs.takes(&Envelope::default()));
    }
}
