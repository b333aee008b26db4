// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of files to messages on stdout.

use std::path::Path;
use std::rc::Rc;

use crate::follow::{Chunk, position};
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::checkpoint::put_header;
use heka_core::os::{Output, clock};
use heka_core::record::{Damage, Found, Record, Splitter};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Header, MAX_CHECKPOINT_SIZE, Message, Template};

use crate::cli::UuidKind;
use crate::plan::{Job, Position};

/// Writes the records of all streams.
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) out: Output,
    encoder: Encoder,
    splitter: Rc<Splitter>,
    delimiter: u8,
    chomp: bool,
    uuid: UuidKind,
    hands_on: bool,
    headers: bool,
    streams: Vec<Source>,
    last_stream: Option<usize>,
    message: Vec<u8>,
    position: Vec<u8>,
    checkpoint: Vec<u8>,
    lost: bool,
}

/// What the messages of one stream have in common.
#[derive(Debug)]
struct Source {
    name: String,
    key: String,
    template: Template,
    records: u64,
    bytes: u64,
}

impl Emitter {
    pub(crate) fn new(job: &Job) -> Result<Self, Stop> {
        let out = Output::stdout()?.unbuffered(job.writing.unbuffered);
        let (encoder, out) = job.showing.open(Form::Heka, job.color, out)?;
        Ok(Self {
            out,
            splitter: Rc::new(job.splitter.clone()),
            delimiter: job.delimiter,
            chomp: job.chomp,
            uuid: job.uuid,
            hands_on: matches!(job.position, Position::HandOn(_)),
            headers: job.headers && encoder.form() == Form::Payload,
            encoder,
            streams: Vec::new(),
            last_stream: None,
            message: Vec::new(),
            position: Vec::new(),
            checkpoint: Vec::new(),
            lost: false,
        })
    }

    /// Tells if positions are to be handed on and cannot.
    pub(crate) fn tell_form(&self) {
        if self.hands_on && self.encoder.form() != Form::Heka {
            report::warning("--resume: only framed messages (-o heka) carry their positions on");
        }
    }

    /// Makes a stream known by its number.
    pub(crate) fn add(&mut self, number: usize, job: &Job, name: &str, key: &str) {
        let logger = job.logger.as_deref().unwrap_or(name).to_owned();
        let message = Message { logger: Some(logger.into()), ..job.message.clone() };
        let source = Source {
            name: name.to_owned(),
            key: key.to_owned(),
            template: Template::new(&message, None),
            records: 0,
            bytes: 0,
        };
        match self.streams.get_mut(number) {
            Some(free) => *free = source,
            None => self.streams.push(source),
        }
    }

    /// A stream is gone; another one may get its number.
    pub(crate) fn remove(&mut self, number: usize) {
        self.last_stream = self.last_stream.filter(|last| *last != number);
    }

    /// How many records of a stream were written, and how many bytes that took.
    pub(crate) fn written(&self, stream: usize) -> (u64, u64) {
        self.streams.get(stream).map_or((0, 0), |source| (source.records, source.bytes))
    }

    /// Whether a record was left out, or part of one.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost
    }

    /// Writes the whole records of `chunk`, which belongs to stream number `stream`, and tells how
    /// many bytes that were.
    pub(crate) fn consume(&mut self, stream: usize, chunk: &mut Chunk<'_>) -> Result<usize, Stop> {
        let now = clock::now_ns();
        let splitter = Rc::clone(&self.splitter);
        let mut progress = std::mem::take(&mut chunk.progress);
        let mut records = splitter.records(chunk.data(), &mut progress, chunk.more);
        while let Some(found) = records.next() {
            let record = match found {
                Found::Record(record) => record,
                Found::Damage(damage) => {
                    self.tell(stream, chunk.path, &damage);
                    continue;
                }
                Found::Frame(_) => continue,
            };
            if self.hands_on {
                let key = self.streams.get(stream).map_or(0, |source| source.key.len());
                let room = MAX_CHECKPOINT_SIZE.saturating_sub(1 + key);
                let (done, skips) = (records.done(), records.is_skipping());
                chunk.put_position(&mut self.position, done, skips, room);
            }
            let uuid = match self.uuid {
                UuidKind::Random => clock::random_uuid(),
                UuidKind::Position => {
                    position::uuid(chunk.generation(), record.offset, record.whole)
                }
            };
            self.put(stream, &record, uuid, now)?;
        }
        let done = records.done();
        if let Some(source) = self.streams.get_mut(stream) {
            source.bytes += done as u64;
        }
        chunk.progress = progress;
        Ok(done)
    }

    /// Tells of a record that is too long.
    #[cold]
    fn tell(&mut self, stream: usize, path: &Path, damage: &Damage<'_>) {
        let Some(source) = self.streams.get_mut(stream) else { return };
        let path = path.display().to_string();
        let name = if Path::new(&path).ends_with(&source.name) { &source.name } else { &path };
        self.lost |= report::damage(name, damage);
    }

    fn put(
        &mut self,
        stream: usize,
        record: &Record<'_>,
        uuid: [u8; 16],
        now: i64,
    ) -> Result<(), Stop> {
        let payload = if self.chomp { record.text } else { record.whole };
        let Some(source) = self.streams.get_mut(stream) else { return Ok(()) };
        let form = self.encoder.form();
        if form == Form::Payload {
            if self.headers && self.last_stream != Some(stream) {
                let gap = if self.last_stream.is_some() { "\n" } else { "" };
                self.out.put(format!("{gap}==> {} <==\n", source.name).as_bytes());
                self.last_stream = Some(stream);
            }
            self.out.put(payload);
            // What a delimiter ends already needs no line end.
            if payload.last() != Some(&self.delimiter) {
                self.out.put(&[if self.delimiter == 0 { 0 } else { b'\n' }]);
            }
        } else {
            let mut header = Header::default();
            if self.hands_on {
                if !put_header(&mut self.checkpoint, &source.key, &self.position) {
                    self.position.clear();
                }
                header.checkpoint = (!self.position.is_empty()).then_some(&self.checkpoint);
            }
            if form == Form::Heka {
                source
                    .template
                    .put_frame(self.out.buffer(), header, uuid, now, payload)
                    .map_err(Stop::failed)?;
            } else {
                self.message.clear();
                source.template.put_message(&mut self.message, uuid, now, payload);
                self.encoder.put_message(self.out.buffer(), header, &self.message)?;
            }
        }
        source.records += 1;
        stats::MESSAGES.add(1);
        self.out.end_record()
    }
}
