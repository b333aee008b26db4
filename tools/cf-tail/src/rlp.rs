// SPDX-License-Identifier: MIT OR Apache-2.0
//! The RLP gateway: envelopes as server-sent events. It has no past; a log-cache beside it does.

use std::io::{ErrorKind, Read as _};

use heka_core::report;
use url::Url;

use crate::endpoint;
use crate::envelope::{Kind, read_batch};
use crate::failure::{Failure, shown};
use crate::http::Answer;
use crate::intake::Intake;
use crate::log_cache::Cache;
use crate::parts::Recent;
use crate::server::{Live, Server};
use crate::session::Session;
use crate::sse::{Event, Parser};

/// Number of bytes per read.
const BLOCK: usize = 64 * 1024;

/// Request parameters by kind.
const TYPES: [(Kind, &str); 5] = [
    (Kind::Log, "log"),
    (Kind::Counter, "counter"),
    (Kind::Gauge, "gauge"),
    (Kind::Timer, "timer"),
    (Kind::Event, "event"),
];

/// A server and a source.
#[derive(Debug)]
pub(crate) struct Rlp {
    /// Scheme `http` or `https`.
    pub(crate) base: Url,
    /// The apps' GUIDs; all if empty, for administrators.
    pub(crate) sources: Vec<String>,
    /// The shard ID, whose users share the stream.
    pub(crate) shard: Option<String>,
    /// The cache for the past.
    pub(crate) past: Option<Cache>,
}

impl Rlp {
    fn stream_url(&self, session: &Session) -> Url {
        let mut url = endpoint::at(&self.base, &["v2", "read"], false);
        let mut query: Vec<String> = TYPES
            .iter()
            .filter(|(kind, _)| session.wants_in_v2(*kind))
            .map(|(_, name)| (*name).to_owned())
            .collect();
        let escaped =
            |text: &str| url::form_urlencoded::byte_serialize(text.as_bytes()).collect::<String>();
        query.extend(self.sources.iter().map(|source| format!("source_id={}", escaped(source))));
        query.extend(self.shard.as_deref().map(|shard| format!("shard_id={}", escaped(shard))));
        url.set_query(Some(&query.join("&")));
        url
    }

    fn connect(&self, session: &Session) -> Result<Answer, Failure> {
        let url = self.stream_url(session);
        let headers = [
            ("Accept", "text/event-stream"),
            ("Cache-Control", "no-cache"),
            // A compressor would delay events until its buffer is full.
            ("Accept-Encoding", "identity"),
        ];
        let answer = session
            .authorized(|token| session.http.get_stream(&url, token, &headers)?.accepted())?;
        let content_type = answer.header("content-type").unwrap_or_default();
        if !content_type.to_ascii_lowercase().starts_with("text/event-stream") {
            return Err(Failure::BadResponse(format!("not an event stream but '{content_type}'")));
        }
        Ok(answer)
    }

    fn run(&self, session: &Session, answer: Answer, intake: &mut Intake) -> Failure {
        let mut body = answer.into_body();
        let mut parser = Parser::new(session.limits.max_message);
        let mut block = vec![0; BLOCK];
        let mut events = Vec::new();
        intake.is_readable = true;
        loop {
            match body.read(&mut block) {
                Ok(0) => return ended("the server ended the stream", true),
                Ok(len) => {
                    let bytes = block.get(..len).unwrap_or_default();
                    if parser.push(bytes, &mut events).is_err() {
                        return ended("event longer than the limit (--max-record)", false);
                    }
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => match session.http.explain_io(&error) {
                    stopped @ Failure::Stopped(_) => return stopped,
                    failure => return ended(&failure.to_string(), true),
                },
            }
            for event in events.drain(..) {
                if let Err(failure) = self.take(session, &event, intake) {
                    return failure;
                }
            }
            if let Some(Err(stop)) = self.past.as_ref().map(|past| past.fill_again(session, intake))
            {
                return Failure::Stopped(stop);
            }
        }
    }

    fn take(&self, session: &Session, event: &Event, intake: &mut Intake) -> Result<(), Failure> {
        match event.name.as_slice() {
            b"" | b"message" => {}
            b"closing" => {
                report::note(format_args!("{}: {}", self.url(), shown(&event.data)));
                return Err(Failure::Renew);
            }
            // Heartbeats, and unknown events.
            _ => return Ok(()),
        }
        match read_batch(&event.data) {
            Ok(batch) => {
                for damaged in batch.damaged {
                    session.sink.lock().skip(format_args!("{}: {}", self.url(), damaged.error));
                }
                for envelope in batch.envelopes {
                    intake.push(&session.sink, envelope)?;
                }
            }
            Err(error) => session.sink.lock().skip(format_args!("{}: {error}", self.url())),
        }
        Ok(())
    }
}

fn ended(how: &str, again: bool) -> Failure {
    Failure::Ended { how: how.to_owned(), in_order: false, again }
}

impl Server for Rlp {
    fn name(&self) -> &'static str {
        "log-stream"
    }

    fn url(&self) -> String {
        endpoint::shown(&self.base)
    }

    fn open<'a>(&'a self, session: &'a Session) -> Result<Live<'a>, Failure> {
        let answer = self.connect(session)?;
        Ok(Box::new(move |intake: &mut Intake| self.run(session, answer, intake)))
    }

    fn recent(&self, session: &Session) -> Result<Recent, Failure> {
        match &self.past {
            Some(past) => past.recent(session),
            None => Err(Failure::NotFound(
                "a log stream has no past, and no log-cache is known".to_owned(),
            )),
        }
    }

    fn fill(&self, session: &Session, intake: &mut Intake) -> Result<(), Failure> {
        self.past.as_ref().map_or(Ok(()), |past| past.fill(session, intake))
    }

    fn fills_gaps(&self) -> bool {
        self.past.is_some()
    }
}
