// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of files to records on stdout.

use heka_core::clock;
use heka_core::exit::Stop;
use heka_core::io::Output;
use heka_core::stats;
use heka_core::tail::{Chunk, Reason};
use heka_core::wire::{Header, Message, Template};
use memchr::memchr_iter;

use crate::cli::{Form, Plan};

/// Writes the lines of all streams.
#[derive(Debug)]
pub(crate) struct Emitter {
    pub(crate) out: Output,
    form: Form,
    delimiter: u8,
    chomp: bool,
    max_line: usize,
    templates: Vec<Template>,
}

impl Emitter {
    pub(crate) fn new(plan: &Plan, loggers: &[String]) -> Result<Self, Stop> {
        let mut out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
        if out.is_terminal() && plan.form == Some(Form::Heka) {
            return Err(Stop::usage("framed messages are not for a terminal (hint: | cat)"));
        }
        let default = if out.is_terminal() { Form::Payload } else { Form::Heka };
        let form = plan.form.unwrap_or(default);
        if form != Form::Heka {
            out = out.text();
        }
        let templates = loggers.iter().map(|logger| {
            let logger = plan.logger.as_ref().unwrap_or(logger).clone();
            let message = Message { logger: Some(logger.into()), ..plan.message.clone() };
            Template::new(&message, None)
        });
        Ok(Self {
            out,
            form,
            delimiter: plan.options.delimiter,
            chomp: plan.chomp,
            max_line: plan.max_line,
            templates: templates.collect(),
        })
    }

    /// Writes the whole lines of `chunk`, which belongs to stream number `stream`, and tells how
    /// many bytes that were.
    pub(crate) fn consume(&mut self, stream: usize, chunk: &mut Chunk<'_>) -> Result<usize, Stop> {
        let now = clock::now_ns();
        let data = chunk.data();
        let mut done = 0;
        let unseen = data.get(chunk.scanned..).unwrap_or(&[]);
        for end in memchr_iter(self.delimiter, unseen) {
            let end = chunk.scanned + end + 1;
            self.put_split(stream, &data[done..end], now)?;
            done = end;
        }
        chunk.scanned = data.len();
        while data.len() - done > self.max_line {
            self.put(stream, &data[done..done + self.max_line], now)?;
            done += self.max_line;
        }
        if chunk.reason == Reason::End && done < data.len() {
            self.put(stream, &data[done..], now)?;
            done = data.len();
        }
        Ok(done)
    }

    /// Writes a line, in pieces if it is too long.
    fn put_split(&mut self, stream: usize, mut line: &[u8], now: i64) -> Result<(), Stop> {
        while line.len() > self.max_line {
            let (piece, rest) = line.split_at(self.max_line);
            self.put(stream, piece, now)?;
            line = rest;
        }
        self.put(stream, line, now)
    }

    fn put(&mut self, stream: usize, record: &[u8], now: i64) -> Result<(), Stop> {
        let chomped = record.strip_suffix(&[self.delimiter]);
        match self.form {
            Form::Payload => {
                self.out.put(chomped.unwrap_or(record));
                self.out.put(&[self.delimiter]);
            }
            Form::Heka => {
                let payload = if self.chomp { chomped.unwrap_or(record) } else { record };
                if let Some(template) = self.templates.get_mut(stream) {
                    let uuid = clock::random_uuid();
                    template
                        .put_frame(self.out.buffer(), Header::default(), uuid, now, payload)
                        .map_err(Stop::failed)?;
                }
            }
        }
        stats::MESSAGES.add(1);
        self.out.end_record()
    }
}
