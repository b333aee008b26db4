// SPDX-License-Identifier: MIT OR Apache-2.0
//! Answers that a sender has not accepted yet.

use std::io::{ErrorKind, Write as _};

use heka_core::delivery::Refusal;
use heka_core::net::Stream;
use heka_core::wire::{Header, put_frame};

use crate::place::News;

/// Frames without messages.
#[derive(Debug, Default)]
pub(super) struct Answers {
    unsent: Vec<u8>,
}

impl Answers {
    pub(super) fn are_sent(&self) -> bool {
        self.unsent.is_empty()
    }

    /// Adds an empty frame, which only shows that this side speaks frames.
    pub(super) fn put_nothing(&mut self) {
        self.put_header(Header::default());
    }

    pub(super) fn put(&mut self, news: &News) {
        self.put_header(Header {
            stream_id: Some(&news.run),
            acknowledged: Some(news.number),
            refused: news.refused.map(Refusal::number),
            refused_count: news.refused.map(|_| news.count).filter(|count| *count > 1),
            ..Header::default()
        });
    }

    fn put_header(&mut self, header: Header<'_>) {
        // A header of a few bytes always fits.
        let _fits = put_frame(&mut self.unsent, header, &[]);
    }

    /// Writes as much as the sender accepts now.
    pub(super) fn send(&mut self, stream: &mut Stream) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match stream.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }
}
