// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records that come in parts, as container runtimes write long lines: put together, stream by
//! stream. The position of a source whose last line is not whole is not told before it is.

use std::collections::BTreeMap;

use heka_core::delivery::checkpoint::decode_header;
use heka_core::wire::{Draft, Message, MessageView, TextHeader};

/// Parts of so many streams are kept; of more, the first is let go as it is.
const MAX_STREAMS: usize = 10_000;

/// Parts that wait for the rest of their record.
#[derive(Debug)]
pub(crate) struct Joiner {
    streams: BTreeMap<Vec<u8>, Held>,
    key: Vec<u8>,
    /// Most bytes of a record.
    limit: usize,
}

/// The parts of one record.
#[derive(Debug, Default)]
pub(crate) struct Held {
    /// The message of the first one.
    message: Vec<u8>,
    text: Vec<u8>,
    /// How far the source was read for them and what came since.
    checkpoint: Option<Vec<u8>>,
}

impl Held {
    /// What there is of the message, and how far its source was read.
    pub(crate) fn into_message(self) -> (Message, Option<Vec<u8>>) {
        let message = Message::parse(&self.message).unwrap_or_default();
        (Message { payload: Some(self.text.into()), ..message }, self.checkpoint)
    }
}

impl Joiner {
    pub(crate) fn new(limit: usize) -> Self {
        Self { streams: BTreeMap::new(), key: Vec::new(), limit }
    }

    /// Whether nothing waits.
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

    /// Keeps a part. What has become too long, or too much, comes back.
    pub(crate) fn hold(
        &mut self,
        source: &[u8],
        draft: &Draft,
        base: &MessageView<'_>,
        added: &MessageView<'_>,
        checkpoint: Option<&[u8]>,
    ) -> Option<Held> {
        self.name(source, draft);
        if self.streams.len() >= MAX_STREAMS && !self.streams.contains_key(&self.key) {
            return self.streams.pop_first().map(|(_, held)| held);
        }
        let held = self.streams.entry(self.key.clone()).or_default();
        if held.message.is_empty() {
            draft.finish(&mut held.message, base, added);
        }
        held.text.extend_from_slice(draft.text(TextHeader::Payload).unwrap_or_default());
        held.checkpoint = checkpoint.map(<[u8]>::to_vec);
        if held.text.len() < self.limit {
            return None;
        }
        self.streams.remove(&self.key)
    }

    /// Puts what was kept of a record before its end.
    pub(crate) fn complete(&mut self, source: &[u8], draft: &mut Draft) {
        self.name(source, draft);
        if let Some(mut held) = self.streams.remove(&self.key) {
            held.text.extend_from_slice(draft.text(TextHeader::Payload).unwrap_or_default());
            // A payload has always room.
            let _ok = draft.set_text(TextHeader::Payload, &held.text);
        }
    }

    /// Whether a position must wait because parts of its source do.
    pub(crate) fn withholds(&mut self, checkpoint: &[u8]) -> bool {
        let Some((source, _)) = decode_header(checkpoint) else { return false };
        let is_of_source = |held: &&mut Held| {
            let known = held.checkpoint.as_deref().and_then(decode_header);
            known.is_some_and(|(known, _)| known == source)
        };
        let mut found = false;
        for held in self.streams.values_mut().filter(is_of_source) {
            held.checkpoint = Some(checkpoint.to_vec());
            found = true;
        }
        found
    }

    /// Lets go of everything, at the end of the input.
    pub(crate) fn take_all(&mut self) -> impl Iterator<Item = Held> + use<> {
        std::mem::take(&mut self.streams).into_values()
    }
}
