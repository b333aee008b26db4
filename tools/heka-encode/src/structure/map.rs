// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON objects of any shape, and logfmt, to messages: some members become headers, all others
//! fields.
//!
//! Members of objects in objects get names joined by dots (`http.status`), elements of arrays that
//! hold objects or several types their number (`hops.0.host`). Numbers are INTEGER or DOUBLE,
//! booleans BOOL, an array of one such type a field of several values; `null` is left out.

use crate::structure::logfmt;
use crate::structure::time_format::TimeFormat;
use heka_core::codec::HeaderName;
use heka_core::codec::json::{Json, named};
use heka_core::codec::severity::SeverityMap;
use heka_core::wire::Message;

use crate::structure::Readers;

/// What stands between the names of nested members.
const SEPARATOR: char = '.';

/// Which members become headers.
#[derive(Debug)]
pub(crate) struct JsonMap {
    headers: Vec<(HeaderName, String)>,
    readers: Readers,
    /// Longest message, in bytes.
    limit: usize,
}

/// A message in the making.
struct Work<'a> {
    message: &'a mut Message,
    /// The whole name of the member at hand.
    name: String,
    /// How many bytes of names and values may still come: a long name before many short ones must
    /// not take more memory than a message may.
    room: usize,
}

impl JsonMap {
    /// Reads `HEADER=MEMBER[,…]`.
    pub(crate) fn new(
        text: &str,
        times: TimeFormat,
        severities: SeverityMap,
        limit: usize,
    ) -> Result<Self, String> {
        let headers = text
            .split(',')
            .filter(|pair| !pair.is_empty())
            .map(|pair| {
                let (name, member) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("expected HEADER=MEMBER: {pair}"))?;
                let header = HeaderName::named(name).ok_or_else(|| format!("no header {name}"))?;
                Ok((header, member.to_owned()))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { headers, readers: Readers { times, severities }, limit })
    }

    /// Fills `message` from a JSON object.
    pub(crate) fn apply_json(&self, record: &[u8], message: &mut Message) -> Result<(), String> {
        match Json::parse(record)? {
            Json::Object(members) => {
                let mut work = self.work(message);
                members
                    .into_iter()
                    .try_for_each(|(name, value)| self.put_pair(&mut work, name, value))
            }
            _ => Err("not an object".to_owned()),
        }
    }

    /// Fills `message` from a line of logfmt. Bare words that are numbers or truth values in JSON's
    /// way of writing are taken for such.
    pub(crate) fn apply_logfmt(&self, record: &[u8], message: &mut Message) -> Result<(), String> {
        let text = std::str::from_utf8(record).map_err(|_| "not UTF-8")?;
        let mut work = self.work(message);
        for pair in logfmt::parse(text)? {
            let value = match pair.value {
                None => Json::Bool(true),
                Some(text) if pair.is_quoted => Json::String(text),
                Some(text) => match Json::parse(text.as_bytes()) {
                    Ok(value @ (Json::Integer(_) | Json::Double(_) | Json::Bool(_))) => value,
                    _ => Json::String(text),
                },
            };
            self.put_pair(&mut work, pair.key, value)?;
        }
        Ok(())
    }

    fn work<'a>(&self, message: &'a mut Message) -> Work<'a> {
        Work { message, name: String::new(), room: self.limit }
    }

    fn put_pair(&self, work: &mut Work<'_>, name: String, value: Json) -> Result<(), String> {
        work.name = name;
        self.put(work, value, true)
    }

    /// Takes the value of the member that is named in `work`; `is_outer`: it is in no other, so the
    /// name serves nobody else.
    fn put(&self, work: &mut Work<'_>, value: Json, is_outer: bool) -> Result<(), String> {
        if let Some((header, _)) = self.headers.iter().find(|(_, member)| *member == work.name) {
            return self.put_header(work.message, *header, &value);
        }
        match value {
            Json::Null => Ok(()),
            Json::Object(members) => members
                .into_iter()
                .try_for_each(|(inner, value)| self.put_inner(work, &inner, value)),
            Json::Array(values) if !is_uniform(&values) => values
                .into_iter()
                .enumerate()
                .try_for_each(|(index, value)| self.put_inner(work, &index.to_string(), value)),
            value => {
                work.room = (work.room)
                    .checked_sub(work.name.len() + text_len(&value))
                    .ok_or("fields over the limit")?;
                let name =
                    if is_outer { std::mem::take(&mut work.name) } else { work.name.clone() };
                work.message.fields.push(named(name, value, None)?);
                Ok(())
            }
        }
    }

    /// Takes a member of the member that is named in `work`.
    fn put_inner(&self, work: &mut Work<'_>, inner: &str, value: Json) -> Result<(), String> {
        let len = work.name.len();
        work.name.push(SEPARATOR);
        work.name.push_str(inner);
        let put = self.put(work, value, false);
        work.name.truncate(len);
        put
    }

    fn put_header(
        &self,
        message: &mut Message,
        header: HeaderName,
        value: &Json,
    ) -> Result<(), String> {
        let text = match value {
            Json::Null => return Ok(()),
            Json::String(text) => text.clone(),
            Json::Bool(truth) => truth.to_string(),
            Json::Integer(number) => number.to_string(),
            Json::Double(number) => number.to_string(),
            Json::Array(_) | Json::Object(_) => {
                return Err(format!("{header:?}: neither text nor a number"));
            }
        };
        self.readers.set(message, header, text.as_bytes())
    }
}

/// How many bytes of text a value has.
fn text_len(value: &Json) -> usize {
    match value {
        Json::String(text) => text.len(),
        Json::Array(values) => values.iter().map(text_len).sum(),
        _ => 0,
    }
}

/// Whether values can share a field: all text, all numbers or all truth values.
fn is_uniform(values: &[Json]) -> bool {
    let kind = |value: &Json| match value {
        Json::String(_) => Some(0),
        Json::Integer(_) | Json::Double(_) => Some(1),
        Json::Bool(_) => Some(2),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    };
    values.iter().all(|value| kind(value).is_some() && kind(value) == values.first().and_then(kind))
}
