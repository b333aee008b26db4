// SPDX-License-Identifier: MIT OR Apache-2.0
//! One sender: its stream, what of it is not a whole record yet, and what it is to be told.

use std::io::{ErrorKind, Read as _, Write as _};
use std::time::Instant;

use heka_core::exit::Stop;
use heka_core::net::{Interest, Stream};
use heka_core::stats;
use heka_core::stream::{Kind, detect};
use heka_core::wire::{Behind, Deframer, Header, Template, put_frame};

use crate::cli::InputForm;
use crate::intake::{Intake, Progress};
use crate::streams::Place;

/// An unfinished record of up to this size is copied in front of what is read next; a longer one
/// is read where it lies.
const SHORT: usize = 16 * 1024;

/// How a sender's bytes are cut into records.
#[derive(Debug)]
enum Splitter {
    Undecided,
    Frames(Box<Deframer>),
    Lines(Box<Template>),
    Bytes(Box<Template>),
}

/// Whether a connection goes on.
#[derive(Debug)]
pub(crate) enum Next {
    /// It does.
    Continue,
    /// The sender ended it.
    End,
    /// It broke, for this reason.
    Broken(std::io::Error),
}

/// A sender's connection.
#[derive(Debug)]
pub(crate) struct Connection {
    pub(crate) stream: Stream,
    pub(crate) peer: String,
    pub(crate) active: Instant,
    pub(crate) interest: Interest,
    splitter: Splitter,
    /// The beginning of a record whose end has not come.
    rest: Vec<u8>,
    need: usize,
    place: Place,
    /// Records that were confirmed.
    pub(crate) confirmed: u64,
    unsent: Vec<u8>,
}

impl Connection {
    pub(crate) fn new(stream: Stream, peer: String, form: InputForm, intake: &Intake) -> Self {
        let splitter = match form {
            InputForm::Auto => Splitter::Undecided,
            InputForm::Heka => Splitter::Frames(Box::new(intake.deframer())),
            InputForm::Lines => Splitter::Lines(Box::new(intake.template(&peer))),
            InputForm::Raw => Splitter::Bytes(Box::new(intake.template(&peer))),
        };
        Self {
            stream,
            peer,
            active: Instant::now(),
            interest: Interest::READ,
            splitter,
            rest: Vec::new(),
            need: 0,
            place: Place::default(),
            confirmed: 0,
            unsent: Vec::new(),
        }
    }

    /// Reads once, or until TLS holds nothing back, and takes the records that are complete.
    ///
    /// # Errors
    /// What ends the tool: its output.
    pub(crate) fn read(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        loop {
            let next = self.read_once(buffer, intake)?;
            if !matches!(next, Next::Continue) || intake.is_full() || !self.stream.has_buffered() {
                return Ok(next);
            }
        }
    }

    fn read_once(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        if self.rest.len() > SHORT {
            return self.read_behind_rest(buffer, intake);
        }
        let kept = self.rest.len();
        let (front, room) = buffer.split_at_mut(kept.min(buffer.len()));
        front.copy_from_slice(&self.rest);
        let len = match self.stream.read(room) {
            Ok(len) => len,
            Err(error) => return Ok(not_read(error)),
        };
        stats::BYTES_IN.add(len as u64);
        self.active = Instant::now();
        let behind = match len {
            0 => Behind::End,
            _ if len == room.len() => Behind::More,
            _ => Behind::Idle,
        };
        let data = buffer.get(..kept + len).unwrap_or_default();
        if data.len() >= self.need || behind == Behind::End {
            let progress = self.split(data, behind, intake)?;
            self.need = progress.need;
            self.rest.clear();
            self.rest.extend_from_slice(data.get(progress.done..).unwrap_or_default());
        } else {
            self.rest.extend_from_slice(data.get(kept..).unwrap_or_default());
        }
        self.shrink();
        Ok(if behind == Behind::End { Next::End } else { Next::Continue })
    }

    fn read_behind_rest(&mut self, buffer: &mut [u8], intake: &mut Intake) -> Result<Next, Stop> {
        let len = match self.stream.read(buffer) {
            Ok(len) => len,
            Err(error) => return Ok(not_read(error)),
        };
        stats::BYTES_IN.add(len as u64);
        self.active = Instant::now();
        let mut rest = std::mem::take(&mut self.rest);
        rest.extend_from_slice(buffer.get(..len).unwrap_or_default());
        let behind = if len == 0 { Behind::End } else { Behind::Idle };
        if rest.len() >= self.need || behind == Behind::End {
            let progress = self.split(&rest, behind, intake)?;
            self.need = progress.need;
            rest.drain(..progress.done.min(rest.len()));
        }
        self.rest = rest;
        self.shrink();
        Ok(if behind == Behind::End { Next::End } else { Next::Continue })
    }

    /// A connection that holds no unfinished record holds no memory for one.
    fn shrink(&mut self) {
        if self.rest.is_empty() {
            self.rest = Vec::new();
        } else if self.rest.capacity() > 4 * self.rest.len().max(SHORT) {
            self.rest.shrink_to_fit();
        }
    }

    fn split(
        &mut self,
        data: &[u8],
        behind: Behind,
        intake: &mut Intake,
    ) -> Result<Progress, Stop> {
        if matches!(self.splitter, Splitter::Undecided) {
            self.splitter = match detect(data, behind) {
                Some(Kind::Frames) => Splitter::Frames(Box::new(intake.deframer())),
                Some(Kind::Text) => Splitter::Lines(Box::new(intake.template(&self.peer))),
                None => return Ok(Progress { done: 0, need: 0 }),
            };
        }
        let peer = &self.peer;
        match &mut self.splitter {
            Splitter::Frames(deframer) => {
                intake.frames(deframer, &mut self.place, peer, data, behind)
            }
            Splitter::Lines(template) => intake.lines(template, peer, data, behind),
            Splitter::Bytes(template) if !data.is_empty() => {
                intake.text(template, peer, data)?;
                Ok(Progress { done: data.len(), need: 0 })
            }
            Splitter::Bytes(_) | Splitter::Undecided => Ok(Progress { done: 0, need: 0 }),
        }
    }

    /// Confirms everything that came, once it is safe.
    pub(crate) fn confirm(&mut self) -> std::io::Result<()> {
        // Confirmations that were not taken yet are made up for by the next one.
        if self.unsent.is_empty()
            && let Some((number, count)) = self.place.news()
        {
            self.confirmed += count;
            stats::counter("confirmed").add(count);
            let header = Header { acknowledged: Some(number), ..Header::default() };
            // A header of a few bytes always fits.
            let _fits = put_frame(&mut self.unsent, header, &[]);
        }
        self.send()
    }

    /// Writes what the sender is to be told, as much as it takes now.
    pub(crate) fn send(&mut self) -> std::io::Result<()> {
        while !self.unsent.is_empty() {
            match self.stream.write(&self.unsent) {
                Ok(len) => drop(self.unsent.drain(..len)),
                Err(error) if error.kind() == ErrorKind::WouldBlock => return Ok(()),
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        match self.stream.flush() {
            Err(error) if error.kind() == ErrorKind::WouldBlock => Ok(()),
            other => other,
        }
    }

    /// What to wait for.
    pub(crate) fn wanted(&self) -> Interest {
        Interest { read: true, write: !self.unsent.is_empty() || self.stream.wants_write() }
    }
}

fn not_read(error: std::io::Error) -> Next {
    match error.kind() {
        ErrorKind::WouldBlock | ErrorKind::Interrupted => Next::Continue,
        _ => Next::Broken(error),
    }
}
