// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts records of files to messages on stdout.

mod payload;
mod text;

use std::fs::File;
use std::path::Path;
use std::rc::Rc;

use crate::follow::{Chunk, Identity, position};
use heka_core::codec::{Encoder, Form};
use heka_core::delivery::checkpoint::put_header;
use heka_core::os::{Output, clock};
use heka_core::record::{Damage, Found, Record, Splitter};
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Frame, Header, MAX_CHECKPOINT_SIZE};

use crate::charset::Charset;
use crate::cli::UuidKind;
use crate::labels::Labels;
use crate::plan::{Job, Position};
use crate::state::key_of;
use crate::streams::Streams;
use payload::Payloads;
use text::Text;

/// Writes the records of all streams.
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) out: Output,
    encoder: Encoder,
    splitter: Rc<Splitter>,
    delimiter: u8,
    charset: Option<Charset>,
    text: Text,
    payloads: Payloads,
    messages: Messages,
    /// Indexed by stream.
    written: Vec<Written>,
    records: u64,
    lost: bool,
}

/// Converts payloads to messages.
#[derive(Debug)]
struct Messages {
    labels: Labels,
    uuid: UuidKind,
    /// Whether messages carry positions.
    hands_on: bool,
    message: Vec<u8>,
    /// The key of the stream in positions.
    key: String,
    position: Vec<u8>,
    /// The checkpoint of the next message.
    checkpoint: Vec<u8>,
}

/// Counts of what was written of a stream.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Written {
    pub(crate) records: u64,
    pub(crate) bytes: u64,
}

/// A stream, as its messages name it.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Origin<'a> {
    pub(crate) number: usize,
    pub(crate) name: &'a str,
    /// The identifier of the stream.
    pub(crate) id: &'a Path,
}

impl Emitter {
    pub(crate) fn new(job: &Job) -> Result<Self, Stop> {
        let out = Output::stdout()?.unbuffered(job.writing.unbuffered);
        let (encoder, out) = job.showing.open(Form::Heka, job.color, out)?;
        let is_payload = encoder.form() == Form::Payload;
        let splitter = if is_payload { &job.payload_splitter } else { &job.splitter };
        Ok(Self {
            out,
            encoder,
            splitter: Rc::new(splitter.clone()),
            delimiter: job.delimiter,
            charset: job.charset,
            text: Text::new(job.delimiter, job.chomp),
            payloads: Payloads::new(job),
            messages: Messages {
                labels: Labels::new(job),
                uuid: job.uuid,
                hands_on: matches!(job.position, Position::HandOn(_)),
                message: Vec::new(),
                key: String::new(),
                position: Vec::new(),
                checkpoint: Vec::new(),
            },
            written: Vec::new(),
            records: 0,
            lost: false,
        })
    }

    /// Reports if positions should be carried but cannot be.
    pub(crate) fn tell_form(&self) {
        if self.messages.hands_on && !self.encoder.has_positions() {
            report::warning("--resume: only -o heka and -o json carry positions");
        }
    }

    /// Returns the file that the records are written to, if it is a regular one.
    pub(crate) fn output(&self) -> Option<Identity> {
        let file = File::from(self.out.fd().try_clone_to_owned().ok()?);
        let metadata = file.metadata().ok()?;
        metadata.is_file().then(|| Identity::of(&metadata))
    }

    /// Forgets a removed stream, whose number may be reused.
    pub(crate) fn remove(&mut self, number: usize) {
        self.payloads.forget(number);
        self.messages.labels.forget(number);
        if let Some(written) = self.written.get_mut(number) {
            *written = Written::default();
        }
    }

    /// Returns the counts of a stream.
    pub(crate) fn written(&self, stream: usize) -> Written {
        self.written.get(stream).copied().unwrap_or_default()
    }

    /// Reports for each stream what was read and its distance from the end.
    pub(crate) fn report(&self, streams: &Streams) {
        for (number, followed) in streams.iter() {
            let (name, lag) = (followed.stream.name(), followed.stream.lag());
            let Written { records, bytes } = self.written(number);
            report::plain(format_args!(
                "{}: {name}: {records} messages, {bytes} bytes, {lag} bytes behind",
                report::program()
            ));
        }
    }

    /// Returns the number of records written, of all streams.
    pub(crate) fn records(&self) -> u64 {
        self.records
    }

    /// Whether a record, or part of one, was skipped.
    pub(crate) fn has_lost(&self) -> bool {
        self.lost
    }

    /// Writes the complete records of `chunk`, which belongs to a stream; returns their size in
    /// bytes.
    pub(crate) fn consume(
        &mut self,
        origin: Origin<'_>,
        chunk: &mut Chunk<'_>,
    ) -> Result<usize, Stop> {
        let before = self.records;
        let used = self.put_records(origin, chunk)?;
        if self.written.len() <= origin.number {
            self.written.resize(origin.number + 1, Written::default());
        }
        if let Some(written) = self.written.get_mut(origin.number) {
            written.records += self.records - before;
            written.bytes += used as u64;
        }
        stats::MESSAGES.add(self.records - before);
        Ok(used)
    }

    fn put_records(&mut self, origin: Origin<'_>, chunk: &mut Chunk<'_>) -> Result<usize, Stop> {
        let is_payload = self.encoder.form() == Form::Payload;
        self.messages.select(origin);
        if !is_payload {
            self.messages.labels.select(origin.number, origin.name, chunk.path);
        }
        let charset = self.charset.map(|charset| charset.of_file(chunk.head));
        if let Some(charset) = charset.filter(|charset| charset.is_wide()) {
            return self.put_wide(origin, charset, chunk);
        }
        let now = clock::now_ns();
        let splitter = Rc::clone(&self.splitter);
        let mut progress = std::mem::take(&mut chunk.progress);
        let mut records = splitter.records(chunk.data(), &mut progress, chunk.more);
        let as_they_are = is_payload && charset.is_none() && self.text.is_whole();
        if as_they_are
            && !self.out.writes_every_record()
            && let Some(whole) = records.whole()
        {
            self.put_lines(origin, whole)?;
        }
        while let Some(found) = records.next() {
            match found {
                Found::Record(record) => {
                    if self.messages.hands_on {
                        let (done, skips) = (records.done(), records.is_skipping());
                        self.messages.note(chunk, done, skips);
                    }
                    self.put(origin, chunk, &record, charset, now)?;
                }
                Found::Damage(damage) => self.tell(origin, chunk.path, &damage),
                Found::Frame(frame) => self.put_frame(origin, chunk, &frame, records.done())?,
            }
        }
        let done = records.done();
        chunk.progress = progress;
        Ok(done)
    }

    /// Writes a message from a frame that ends after `done` bytes.
    fn put_frame(
        &mut self,
        origin: Origin<'_>,
        chunk: &Chunk<'_>,
        frame: &Frame<'_>,
        done: usize,
    ) -> Result<(), Stop> {
        if frame.is_signal() {
            return Ok(());
        }
        self.messages.note(chunk, done, false);
        if self.encoder.form() == Form::Payload {
            self.payloads.begin(&mut self.out, origin.number, origin.name);
        }
        let checkpoint = self.messages.checkpoint();
        self.encoder.pass_on(self.out.buffer(), frame, checkpoint).map_err(Stop::failed)?;
        self.records += 1;
        self.out.end_record()
    }

    /// Writes payloads that end with delimiters.
    fn put_lines(&mut self, origin: Origin<'_>, lines: &[u8]) -> Result<(), Stop> {
        if lines.is_empty() {
            return Ok(());
        }
        self.payloads.begin(&mut self.out, origin.number, origin.name);
        self.records += memchr::memchr_iter(self.delimiter, lines).count() as u64;
        self.out.put_records(lines)
    }

    /// Like [`Emitter::put_records`], for lines of two-byte units.
    fn put_wide(
        &mut self,
        origin: Origin<'_>,
        charset: Charset,
        chunk: &mut Chunk<'_>,
    ) -> Result<usize, Stop> {
        let (now, data, more) = (clock::now_ns(), chunk.data(), chunk.more);
        let (unit, limit) = (charset.unit(self.delimiter), self.splitter.limit().size);
        let mut done = 0;
        while let Some(rest) = data.get(done..)
            && let Some((used, part)) = chunk.progress.next_wide(rest, unit, limit, more)
        {
            let bytes = rest.get(..used).unwrap_or(rest);
            let offset = chunk.offset + done as u64;
            done += used;
            let record = Record { text: bytes, whole: bytes, offset, part };
            self.messages.note(chunk, done, false);
            self.put(origin, chunk, &record, Some(charset), now)?;
        }
        Ok(done)
    }

    /// Reports a record over the limit, unless its parts are joined again.
    #[cold]
    fn tell(&mut self, origin: Origin<'_>, path: &Path, damage: &Damage<'_>) {
        let is_payload = self.encoder.form() == Form::Payload;
        if is_payload && self.payloads.joins() && !damage.is_loss() {
            return;
        }
        let path = path.display().to_string();
        let name = if Path::new(&path).ends_with(origin.name) { origin.name } else { &path };
        self.lost |= report::damage(name, damage);
    }

    #[inline]
    fn put(
        &mut self,
        origin: Origin<'_>,
        chunk: &Chunk<'_>,
        record: &Record<'_>,
        charset: Option<Charset>,
        now: i64,
    ) -> Result<(), Stop> {
        let payload = self.text.payload(record, charset);
        match self.encoder.form() {
            Form::Payload => {
                let stream = (origin.number, origin.name);
                self.payloads.put(&mut self.out, stream, payload, record.part);
            }
            form => {
                let uuid = self.messages.uuid_of(chunk, record);
                let Messages { labels, message, checkpoint, .. } = &mut self.messages;
                let checkpoint = Some(&**checkpoint).filter(|checkpoint| !checkpoint.is_empty());
                let header = Header { checkpoint, ..Header::default() };
                let (out, template) = (self.out.buffer(), labels.template());
                if form == Form::Heka {
                    template.put_frame(out, header, uuid, now, payload).map_err(Stop::failed)?;
                } else {
                    message.clear();
                    template.put_message(message, uuid, now, payload);
                    self.encoder.put_message(out, header, message)?;
                }
            }
        }
        self.records += 1;
        self.out.end_record()
    }
}

impl Messages {
    /// Selects the stream of the next messages.
    #[inline]
    fn select(&mut self, origin: Origin<'_>) {
        if self.hands_on {
            self.key.clear();
            self.key.push_str(&key_of(origin.id));
        }
    }

    /// Notes the position after a record, if messages carry positions.
    fn note(&mut self, chunk: &Chunk<'_>, done: usize, skips: bool) {
        if !self.hands_on {
            return;
        }
        let room = MAX_CHECKPOINT_SIZE.saturating_sub(1 + self.key.len());
        chunk.put_position(&mut self.position, done, skips, room);
        if !put_header(&mut self.checkpoint, &self.key, &self.position) {
            self.checkpoint.clear();
        }
    }

    /// Returns the checkpoint for the next message.
    fn checkpoint(&self) -> Option<&[u8]> {
        Some(&*self.checkpoint).filter(|checkpoint| !checkpoint.is_empty())
    }

    #[inline]
    fn uuid_of(&self, chunk: &Chunk<'_>, record: &Record<'_>) -> [u8; 16] {
        match self.uuid {
            UuidKind::Random => clock::random_uuid(),
            UuidKind::Position => position::uuid(chunk.generation(), record.offset, record.whole),
        }
    }
}
