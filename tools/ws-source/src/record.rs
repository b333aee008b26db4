// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts messages to output records: payloads, JSON, Heka messages.
//!
//! ```text
//! {"time":"2026-01-02T03:04:05.000000006Z","type":"text","data":"…","url":"ws://host/path"}
//! {"time":"2026-01-02T03:04:05.000000006Z","type":"binary","data_base64":"…","url":"…"}
//! ```

use data_encoding::BASE64;
use heka_core::codec::Form;
use heka_core::codec::json::put_string;
use heka_core::codec::time::put_rfc3339;
use heka_core::net::ws::Kind;
use heka_core::os::clock;
use heka_core::record::Framing;
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{self, Field, Header, Template};
use memchr::memchr;

use crate::cli::{Binary, Plan, Prefixes};

/// Converts messages to records.
#[derive(Debug)]
pub(crate) struct Recorder {
    form: Form,
    framing: Framing,
    binary: Binary,
    prefixes: Prefixes,
    /// A payload after its prefix.
    prefixed: Vec<u8>,
    /// `,"url":"…"}` at the end of JSON.
    json_tail: Vec<u8>,
    text: Template,
    raw: Template,
    /// Whether a payload contained its own delimiter, which was reported.
    has_warned: bool,
    /// Number of records written.
    pub(crate) written: u64,
}

impl Recorder {
    pub(crate) fn new(plan: &Plan) -> Self {
        let url = plan.endpoint.shown.as_str();
        let mut json_tail = b",\"url\":".to_vec();
        put_string(&mut json_tail, url.as_bytes());
        json_tail.extend_from_slice(b"}\n");
        Self {
            form: plan.form,
            framing: plan.framing,
            binary: plan.binary,
            prefixes: plan.prefixes.clone(),
            prefixed: Vec::new(),
            json_tail,
            text: template(plan, Kind::Text),
            raw: template(plan, Kind::Binary),
            has_warned: false,
            written: 0,
        }
    }

    /// Appends the record for a message, or nothing if messages of this kind are skipped.
    pub(crate) fn put(&mut self, out: &mut Vec<u8>, kind: Kind, data: &[u8]) -> Result<(), Stop> {
        let is_binary = kind == Kind::Binary;
        if is_binary && self.binary == Binary::Skip {
            stats::skip(stats::Skip::Unwanted, 1);
            return Ok(());
        }
        self.written += 1;
        stats::MESSAGES.add(1);
        match self.form {
            Form::Payload if is_binary && self.binary == Binary::Base64 => {
                self.put_payload(out, kind, BASE64.encode(data).as_bytes())?;
            }
            Form::Json => self.put_json(out, kind, data),
            Form::Heka => {
                let template = if is_binary { &mut self.raw } else { &mut self.text };
                let (uuid, now) = (clock::random_uuid(), clock::now_ns());
                template
                    .put_frame(out, Header::default(), uuid, now, data)
                    .map_err(Stop::failed)?;
            }
            _ => self.put_payload(out, kind, data)?,
        }
        Ok(())
    }

    fn put_payload(&mut self, out: &mut Vec<u8>, kind: Kind, payload: &[u8]) -> Result<(), Stop> {
        if !self.has_warned
            && let Framing::Delimited(end) = self.framing
            && memchr(end, payload).is_some()
        {
            self.has_warned = true;
            let (what, remedy) = match end {
                0 => ("NUL", "--framing len32, -j or -o heka"),
                _ => ("a newline", "-0, --framing len32, -j or -o heka"),
            };
            report::warning(format_args!("a message contains {what}"));
            report::hint(format_args!("{remedy} keep them apart"));
        }
        let prefix = self.prefixes.of(kind);
        if prefix.is_empty() {
            return self.framing.put(out, payload).map_err(Stop::failed);
        }
        self.prefixed.clear();
        self.prefixed.extend_from_slice(prefix);
        self.prefixed.extend_from_slice(payload);
        self.framing.put(out, &self.prefixed).map_err(Stop::failed)
    }

    fn put_json(&self, out: &mut Vec<u8>, kind: Kind, data: &[u8]) {
        out.extend_from_slice(b"{\"time\":\"");
        put_rfc3339(out, clock::now_ns());
        match kind {
            Kind::Text => {
                out.extend_from_slice(b"\",\"type\":\"text\",\"data\":");
                put_string(out, data);
            }
            Kind::Binary => {
                out.extend_from_slice(b"\",\"type\":\"binary\",\"data_base64\":\"");
                out.extend_from_slice(BASE64.encode(data).as_bytes());
                out.push(b'"');
            }
        }
        out.extend_from_slice(&self.json_tail);
    }
}

fn template(plan: &Plan, kind: Kind) -> Template {
    let host = plan.endpoint.host.clone();
    let message = wire::Message {
        r#type: Some(plan.type_.clone().into()),
        logger: Some(plan.logger.clone().unwrap_or(host).into()),
        severity: Some(7),
        hostname: Some(clock::hostname().into()),
        fields: vec![
            Field::string("url", plan.endpoint.shown.clone()),
            Field::integer("opcode", kind as i64),
        ],
        ..wire::Message::default()
    };
    Template::new(&message, None)
}
