// SPDX-License-Identifier: MIT OR Apache-2.0
//! Joins records that arrive in parts, as container runtimes write long lines, separately for each
//! stream. The position of a source is not forwarded before its last line is complete.

use std::collections::BTreeMap;

use heka_core::delivery::checkpoint::decode_header;
use heka_core::wire::{Draft, Message, MessageView, TextHeader};

/// Maximum number of streams with pending parts; beyond that, the oldest is written as it is.
const MAX_STREAMS: usize = 10_000;

/// Parts that wait for the rest of their record.
#[derive(Debug)]
pub(crate) struct Joiner {
    streams: BTreeMap<Vec<u8>, Held>,
    /// Sources with pending parts.
    sources: BTreeMap<String, Source>,
    key: Vec<u8>,
    /// Maximum size of a record in bytes.
    limit: usize,
}

/// A source with pending parts.
#[derive(Debug, Default)]
struct Source {
    /// Number of pending records.
    held: usize,
    /// Position of the source.
    checkpoint: Vec<u8>,
}

/// The parts of one record.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The message of the first part.
    message: Vec<u8>,
    text: Vec<u8>,
    /// The source, if it has positions.
    source: String,
    /// Position of the source, once nothing else of it is pending.
    checkpoint: Option<Vec<u8>>,
}

impl Held {
    /// Returns the incomplete message, and the position of its source.
    pub(crate) fn into_message(self) -> (Message, Option<Vec<u8>>) {
        let message = Message::parse(&self.message).unwrap_or_default();
        (Message { payload: Some(self.text.into()), ..message }, self.checkpoint)
    }
}

impl Joiner {
    pub(crate) fn new(limit: usize) -> Self {
        let (streams, sources) = (BTreeMap::new(), BTreeMap::new());
        Self { streams, sources, key: Vec::new(), limit }
    }

    /// Whether nothing is pending.
    #[inline]
    pub(crate) fn is_empty(&self) -> bool {
        self.streams.is_empty()
    }

    fn name(&mut self, source: &[u8], draft: &Draft) {
        self.key.clear();
        self.key.extend_from_slice(source);
        self.key.push(0);
        let view = draft.field_view();
        if let Some(field) = view.field(b"stream", 0)
            && let Some(stream) = field.texts().next()
        {
            self.key.extend_from_slice(stream);
        }
    }

    /// Keeps a part. Returns a record that has become too long, or the oldest one if there are too
    /// many.
    pub(crate) fn hold(
        &mut self,
        source: &[u8],
        draft: &Draft,
        base: &MessageView<'_>,
        added: &MessageView<'_>,
        checkpoint: Option<&[u8]>,
    ) -> Option<Held> {
        self.name(source, draft);
        let is_over = self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&self.key);
        let let_go = if is_over { self.take_first() } else { None };
        let held = self.streams.entry(self.key.clone()).or_default();
        if held.message.is_empty() {
            draft.finish(&mut held.message, base, added);
        }
        held.text.extend_from_slice(draft.text(TextHeader::Payload).unwrap_or_default());
        let is_long = held.text.len() >= self.limit;
        match checkpoint.and_then(decode_header) {
            Some((source, _)) if held.source.is_empty() => {
                held.source = source.to_owned();
                self.sources.entry(source.to_owned()).or_default().held += 1;
            }
            Some(_) => {}
            None => held.checkpoint = checkpoint.map(<[u8]>::to_vec),
        }
        let _of_this = checkpoint.is_some_and(|checkpoint| self.withholds(checkpoint));
        if let_go.is_some() || !is_long {
            return let_go;
        }
        let held = self.streams.remove(&self.key)?;
        Some(self.released(held))
    }

    /// Removes the pending parts of a record and puts them before its end.
    pub(crate) fn complete(&mut self, source: &[u8], draft: &mut Draft) -> Option<Held> {
        self.name(source, draft);
        let mut held = self.streams.remove(&self.key)?;
        let len = held.text.len();
        held.text.extend_from_slice(draft.text(TextHeader::Payload).unwrap_or_default());
        // A payload always fits.
        let _ok = draft.set_text(TextHeader::Payload, &held.text);
        held.text.truncate(len);
        held = self.released(held);
        // The end carries the position.
        held.checkpoint = None;
        Some(held)
    }

    /// Whether a position must wait because parts of its source are pending.
    pub(crate) fn withholds(&mut self, checkpoint: &[u8]) -> bool {
        let Some((source, _)) = decode_header(checkpoint) else { return false };
        let Some(known) = self.sources.get_mut(source) else { return false };
        known.checkpoint.clear();
        known.checkpoint.extend_from_slice(checkpoint);
        true
    }

    /// Removes the oldest, if there is one.
    pub(crate) fn take_first(&mut self) -> Option<Held> {
        let (_, held) = self.streams.pop_first()?;
        Some(self.released(held))
    }

    /// Adds the position of its source, unless other parts of it are pending.
    fn released(&mut self, mut held: Held) -> Held {
        let Some(source) = self.sources.get_mut(&held.source) else { return held };
        source.held -= 1;
        if source.held == 0 {
            held.checkpoint = self.sources.remove(&held.source).map(|source| source.checkpoint);
        }
        held
    }
}

#[cfg(test)]
mod tests {
    use heka_core::delivery::checkpoint;
    use heka_core::wire::Value;

    use super::*;

    fn part(stream: &str, text: &str) -> Draft {
        let mut draft = Draft::new(1 << 20);
        draft.put_field(b"stream", b"", Value::String(stream.as_bytes())).unwrap();
        draft.set_text(TextHeader::Payload, text.as_bytes()).unwrap();
        draft
    }

    fn at(position: &str) -> Vec<u8> {
        let mut checkpoint = Vec::new();
        checkpoint::put(&mut checkpoint, "log", position.as_bytes());
        checkpoint
    }

    fn hold(joiner: &mut Joiner, stream: &str, position: &str) -> Option<Held> {
        let none = MessageView::default();
        joiner.hold(b"log", &part(stream, stream), &none, &none, Some(&at(position)))
    }

    #[test]
    fn the_last_part_of_a_source_has_its_position() {
        let mut joiner = Joiner::new(100);
        assert!(hold(&mut joiner, "a", "2").is_none());
        assert!(hold(&mut joiner, "b", "1").is_none());
        assert!(hold(&mut joiner, "a", "3").is_none());
        let (first, position) = joiner.take_first().unwrap().into_message();
        assert_eq!((first.payload.as_deref(), position), (Some(&b"aa"[..]), None));
        let (last, position) = joiner.take_first().unwrap().into_message();
        assert_eq!((last.payload.as_deref(), position), (Some(&b"b"[..]), Some(at("3"))));
        assert!(!joiner.withholds(&at("4")));
    }

    #[test]
    fn of_too_many_streams_none_is_lost() {
        let mut joiner = Joiner::new(100);
        let names: Vec<_> = (0..=MAX_STREAMS).map(|number| format!("{number:05}")).collect();
        let mut texts = Vec::new();
        for name in &names {
            texts.extend(hold(&mut joiner, name, name));
        }
        assert_eq!(texts.len(), 1);
        texts.extend(std::iter::from_fn(|| joiner.take_first()));
        let texts: Vec<_> = texts.into_iter().map(|held| held.text).collect();
        let expected: Vec<_> = names.into_iter().map(String::into_bytes).collect();
        assert_eq!(texts, expected);
    }
}
