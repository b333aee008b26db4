// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages on their way out: identified, kept within the limit, signed, framed.

use bytes::Bytes;
use heka_core::codec::Encoder;
use heka_core::codec::json::Identity;
use heka_core::os::{Output, clock};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Header, Message, Signer, Template, put_message};

use crate::cli::{Oversize, Plan, Time, Uuid};

/// A message goes on in others only if their payloads may take at least this part of the limit:
/// else a long payload would come to many times its size.
const LEAST_PART: usize = 4;

/// Writes messages.
pub(crate) struct Emitter<'a> {
    plan: &'a Plan,
    encoder: Encoder,
    template: Template,
    scratch: Vec<u8>,
    /// Messages that were too long and are lost.
    lost: u64,
}

impl<'a> Emitter<'a> {
    pub(crate) fn new(plan: &'a Plan, encoder: Encoder) -> Self {
        let signer = plan.framing.then(|| plan.signer.clone()).flatten();
        let template = Template::new(&plan.base, signer);
        Self { plan, encoder, template, scratch: Vec::new(), lost: 0 }
    }

    /// How many messages were left out.
    pub(crate) fn lost(&self) -> u64 {
        self.lost
    }

    /// The Uuid and time of the next message, given the time now.
    pub(crate) fn identity(&self, now: i64) -> Identity {
        let uuid = match self.plan.uuid {
            Uuid::Random => clock::random_uuid(),
            Uuid::Fixed(uuid) => uuid,
        };
        let timestamp = match self.plan.time {
            Time::Now => now,
            Time::Fixed(time) => time,
        };
        Identity { uuid, timestamp }
    }

    /// How long a payload may be if all else is as in every message.
    pub(crate) fn room(&self) -> usize {
        let limit = self.plan.max_message_size;
        // The plan has seen to it that there is some.
        limit.saturating_sub(self.template.overhead(limit)).max(1)
    }

    /// Writes a payload that has room in one message.
    #[inline]
    pub(crate) fn put_payload(
        &mut self,
        payload: &[u8],
        now: i64,
        out: &mut Output,
    ) -> Result<(), Stop> {
        if !self.encoder.put_payload(out.buffer(), payload) {
            let Identity { uuid, timestamp } = self.identity(now);
            if self.encoder.form().is_binary() && self.plan.framing {
                let header = Header::default();
                self.template
                    .put_frame(out.buffer(), header, uuid, timestamp, payload)
                    .map_err(Stop::failed)?;
            } else {
                let mut bytes = std::mem::take(&mut self.scratch);
                bytes.clear();
                self.template.put_message(&mut bytes, uuid, timestamp, payload);
                let written = self.put_bytes(&bytes, out);
                self.scratch = bytes;
                return written;
            }
        }
        stats::MESSAGES.add(1);
        out.end_record()
    }

    /// Writes a message, or what the rule for long ones makes of it.
    pub(crate) fn put_message(
        &mut self,
        mut message: Message,
        out: &mut Output,
    ) -> Result<(), Stop> {
        let mut bytes = std::mem::take(&mut self.scratch);
        bytes.clear();
        put_message(&mut bytes, &message);
        let excess = bytes.len().saturating_sub(self.plan.max_message_size);
        let written = if excess == 0 {
            self.put_bytes(&bytes, out)
        } else {
            let payload = message.payload.take().unwrap_or_default();
            let room = payload.len().saturating_sub(excess);
            self.put_long(message, payload, room, out)
        };
        self.scratch = bytes;
        written
    }

    /// Writes a message whose payload has room only for `room` bytes beside the fields.
    fn put_long(
        &mut self,
        mut message: Message,
        mut payload: Bytes,
        room: usize,
        out: &mut Output,
    ) -> Result<(), Stop> {
        // The fields stand in the first message only, but for those that all messages have.
        let further = Message { fields: self.plan.base.fields.clone(), ..message.clone() };
        let further_room = self.room_beside(&further);
        let is_split = self.plan.oversize == Oversize::Split;
        let goes_on = further_room > self.plan.max_message_size / LEAST_PART;
        if room == 0 || self.plan.oversize == Oversize::Drop || is_split && !goes_on {
            return self.lose("message over the limit");
        }
        message.payload = Some(payload.split_to(cut(&payload, room)));
        self.put_new(&message, out)?;
        if !is_split {
            note_truncation();
            return Ok(());
        }
        message = further;
        while !payload.is_empty() {
            // A further piece is a message of its own.
            message.uuid = Some(Bytes::copy_from_slice(&self.identity(0).uuid));
            message.payload = Some(payload.split_to(cut(&payload, further_room)));
            self.put_new(&message, out)?;
        }
        Ok(())
    }

    /// How long a payload beside the rest of `message` may be.
    fn room_beside(&self, message: &Message) -> usize {
        let limit = self.plan.max_message_size;
        limit.saturating_sub(Template::new(message, None).overhead(limit))
    }

    fn put_new(&mut self, message: &Message, out: &mut Output) -> Result<(), Stop> {
        let mut bytes = Vec::new();
        put_message(&mut bytes, message);
        self.put_bytes(&bytes, out)
    }

    /// Tells of a message that is left out.
    pub(crate) fn lose(&mut self, what: &str) -> Result<(), Stop> {
        self.lost += 1;
        stats::SKIPPED.add(1);
        report::repeated("dropped records", format_args!("{what}, dropped"));
        Ok(())
    }

    /// Writes an encoded message with a header of its own.
    fn put_bytes(&mut self, message: &[u8], out: &mut Output) -> Result<(), Stop> {
        self.put_framed(Header::default(), message, out)
    }

    /// Writes an encoded message; `header` may carry extensions.
    pub(crate) fn put_framed(
        &mut self,
        header: Header<'_>,
        message: &[u8],
        out: &mut Output,
    ) -> Result<(), Stop> {
        let buffer = out.buffer();
        match &self.plan.signer {
            _ if self.encoder.form().is_binary() && !self.plan.framing => {
                buffer.extend_from_slice(message);
            }
            Some(signer) => put_signed(&mut self.encoder, signer, header, message, buffer)?,
            None => self.encoder.put_message(buffer, header, message)?,
        }
        stats::MESSAGES.add(1);
        out.end_record()
    }
}

fn put_signed(
    encoder: &mut Encoder,
    signer: &Signer,
    header: Header<'_>,
    message: &[u8],
    out: &mut Vec<u8>,
) -> Result<(), Stop> {
    let digest = signer.sign(message);
    encoder.put_message(out, signer.stamp(header, &digest), message).map_err(Stop::from)
}

/// Counts a payload that was cut.
pub(crate) fn note_truncation() {
    stats::counter("truncated").add(1);
}

/// Where to cut text so that at most `room` bytes stand before the cut: between two characters, if
/// it is UTF-8 there.
pub(crate) fn cut(text: &[u8], room: usize) -> usize {
    if text.len() <= room {
        return text.len();
    }
    let is_inside = |at: usize| text.get(at).is_some_and(|byte| byte & 0xc0 == 0x80);
    let near = (room.saturating_sub(3)..=room).rev().find(|&at| at > 0 && !is_inside(at));
    near.unwrap_or(room)
}
