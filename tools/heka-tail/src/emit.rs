// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records of files to messages on stdout.

use std::path::{Path, PathBuf};
use std::rc::Rc;

use crate::follow::{Chunk, position};
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::checkpoint::put_header;
use heka_core::os::{Output, clock};
use heka_core::record::{Damage, Found, Part, Record, Splitter};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Header, MAX_CHECKPOINT_SIZE, Template};

use crate::charset::Charset;
use crate::cli::UuidKind;
use crate::labels::Labels;
use crate::plan::{Job, Position};

/// Writes the records of all streams.
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) out: Output,
    encoder: Encoder,
    splitter: Rc<Splitter>,
    charset: Option<Charset>,
    text: String,
    delimiter: u8,
    chomp: bool,
    uuid: UuidKind,
    hands_on: bool,
    headers: bool,
    /// Whether the last payload of all may end without a delimiter.
    is_verbatim: bool,
    /// Whether the parts of a payload that is too long are written as one.
    joins: bool,
    /// The stream whose last payload lacks a delimiter before another one, and what part that was.
    open: Option<(usize, Part)>,
    labels: Labels,
    streams: Vec<Source>,
    last_stream: Option<usize>,
    message: Vec<u8>,
    position: Vec<u8>,
    checkpoint: Vec<u8>,
    written: u64,
    lost: bool,
}

/// What the messages of one stream have in common.
#[derive(Debug)]
struct Source {
    name: String,
    key: String,
    template: Template,
    /// The file that the template is for, if that matters.
    path: PathBuf,
    records: u64,
    bytes: u64,
}

/// What only one message has.
#[derive(Clone, Copy, Debug)]
struct Stamp {
    uuid: [u8; 16],
    now: i64,
}

impl Emitter {
    pub(crate) fn new(job: &Job) -> Result<Self, Stop> {
        let out = Output::stdout()?.unbuffered(job.writing.unbuffered);
        let (encoder, out) = job.showing.open(Form::Heka, job.color, out)?;
        let is_payload = encoder.form() == Form::Payload;
        let splitter = if is_payload { &job.payload_splitter } else { &job.splitter };
        let ends = !job.options.follow && !job.options.goes_on;
        Ok(Self {
            out,
            splitter: Rc::new(splitter.clone()),
            charset: job.charset,
            text: String::new(),
            is_verbatim: ends && !job.chomp && job.is_delimited,
            joins: is_payload && !job.is_limited,
            open: None,
            labels: Labels::new(job),
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
            written: 0,
            lost: false,
        })
    }

    /// Tells if positions are to be handed on and cannot.
    pub(crate) fn tell_form(&self) {
        if self.hands_on && !self.encoder.has_positions() {
            report::warning("--resume: only -o heka and -o json carry positions on");
        }
    }

    /// Makes a stream known by its number.
    pub(crate) fn add(&mut self, number: usize, name: &str, key: &str) {
        let source = Source {
            name: name.to_owned(),
            key: key.to_owned(),
            template: self.labels.template(name, Path::new("")),
            path: PathBuf::new(),
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

    /// How many records of all streams were written.
    pub(crate) fn records(&self) -> u64 {
        self.written
    }

    /// Whether a record was left out, or part of one.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost
    }

    /// Writes the whole records of `chunk`, which belongs to stream number `stream`, and tells how
    /// many bytes that were.
    pub(crate) fn consume(&mut self, stream: usize, chunk: &mut Chunk<'_>) -> Result<usize, Stop> {
        self.label(stream, chunk.path);
        let charset = self.charset.map(|charset| charset.of_file(chunk.head));
        if let Some(charset) = charset.filter(|charset| charset.is_wide()) {
            return self.consume_wide(stream, charset, chunk);
        }
        let now = clock::now_ns();
        let splitter = Rc::clone(&self.splitter);
        let mut progress = std::mem::take(&mut chunk.progress);
        let mut records = splitter.records(chunk.data(), &mut progress, chunk.more);
        while let Some(found) = records.next() {
            let record = match found {
                Found::Record(record) => record,
                Found::Damage(damage) => {
                    if damage.is_loss() || !self.joins {
                        self.tell(stream, chunk.path, &damage);
                    }
                    continue;
                }
                Found::Frame(_) => continue,
            };
            let (done, skips) = (records.done(), records.is_skipping());
            self.note(stream, chunk, done, skips);
            let stamp = self.stamp(chunk, &record, now);
            self.put(stream, &record, charset, stamp)?;
        }
        let done = records.done();
        if let Some(source) = self.streams.get_mut(stream) {
            source.bytes += done as u64;
        }
        chunk.progress = progress;
        Ok(done)
    }

    /// The same for lines of two-byte units.
    fn consume_wide(
        &mut self,
        stream: usize,
        charset: Charset,
        chunk: &mut Chunk<'_>,
    ) -> Result<usize, Stop> {
        let (now, data, limit) = (clock::now_ns(), chunk.data(), self.splitter.limit().size);
        let mut done = 0;
        while let Some(rest) = data.get(done..)
            && let Some((used, part)) = charset.next_wide(rest, self.delimiter, limit, chunk.more)
        {
            let bytes = rest.get(..used).unwrap_or(rest);
            let offset = chunk.offset + done as u64;
            done += used;
            let record = Record { text: bytes, whole: bytes, offset, part };
            self.note(stream, chunk, done, false);
            let stamp = self.stamp(chunk, &record, now);
            self.put(stream, &record, Some(charset), stamp)?;
        }
        if let Some(source) = self.streams.get_mut(stream) {
            source.bytes += done as u64;
        }
        chunk.progress.pass(done);
        Ok(done)
    }

    /// Makes the messages of a stream those of that file.
    fn label(&mut self, stream: usize, path: &Path) {
        if self.labels.are_of_files()
            && let Some(source) = self.streams.get_mut(stream)
            && source.path != path
        {
            source.template = self.labels.template(&source.name, path);
            source.path = path.to_owned();
        }
    }

    /// Notes the position behind a record, if that goes along with it.
    fn note(&mut self, stream: usize, chunk: &Chunk<'_>, done: usize, skips: bool) {
        if self.hands_on {
            let key = self.streams.get(stream).map_or(0, |source| source.key.len());
            let room = MAX_CHECKPOINT_SIZE.saturating_sub(1 + key);
            chunk.put_position(&mut self.position, done, skips, room);
        }
    }

    fn stamp(&self, chunk: &Chunk<'_>, record: &Record<'_>, now: i64) -> Stamp {
        let uuid = match self.uuid {
            UuidKind::Random => clock::random_uuid(),
            UuidKind::Position => position::uuid(chunk.generation(), record.offset, record.whole),
        };
        Stamp { uuid, now }
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
        charset: Option<Charset>,
        stamp: Stamp,
    ) -> Result<(), Stop> {
        let whole = match charset {
            Some(charset) => {
                charset.decode(record.whole, &mut self.text);
                self.text.as_bytes()
            }
            None => record.whole,
        };
        let payload = match (self.chomp, charset) {
            (false, _) => whole,
            (true, None) => chomped(record.text, record.whole, self.delimiter),
            (true, Some(_)) => {
                let text = whole.strip_suffix(&[self.delimiter]).unwrap_or(whole);
                chomped(text, whole, self.delimiter)
            }
        };
        let Some(source) = self.streams.get_mut(stream) else { return Ok(()) };
        let form = self.encoder.form();
        if form == Form::Payload {
            let end = if self.delimiter == 0 { 0 } else { b'\n' };
            if self.open.take().is_some_and(|open| open != (stream, Part::Piece)) {
                self.out.put(&[end]);
            }
            if self.headers && self.last_stream != Some(stream) {
                let gap = if self.last_stream.is_some() { "\n" } else { "" };
                self.out.put(format!("{gap}==> {} <==\n", source.name).as_bytes());
                self.last_stream = Some(stream);
            }
            self.out.put(payload);
            // What a delimiter ends already needs no line end.
            if payload.last() != Some(&self.delimiter) {
                let is_piece = record.part == Part::Piece && self.joins;
                if is_piece || self.is_verbatim {
                    self.open = Some((stream, if is_piece { Part::Piece } else { Part::Whole }));
                } else {
                    self.out.put(&[end]);
                }
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
                    .put_frame(self.out.buffer(), header, stamp.uuid, stamp.now, payload)
                    .map_err(Stop::failed)?;
            } else {
                self.message.clear();
                source.template.put_message(&mut self.message, stamp.uuid, stamp.now, payload);
                self.encoder.put_message(self.out.buffer(), header, &self.message)?;
            }
        }
        source.records += 1;
        self.written += 1;
        stats::MESSAGES.add(1);
        self.out.end_record()
    }
}

/// A record without its delimiter; a newline may have a carriage return before it.
fn chomped<'a>(text: &'a [u8], whole: &[u8], delimiter: u8) -> &'a [u8] {
    let is_line = delimiter == b'\n' && text.len() < whole.len();
    if is_line { text.strip_suffix(b"\r").unwrap_or(text) } else { text }
}
