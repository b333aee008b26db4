// SPDX-License-Identifier: MIT OR Apache-2.0
//! Heka streams in files and pipes: an [`Input`] that is deframed, with damage reported.

use std::fs::File;
use std::ops::ControlFlow;
use std::os::unix::fs::FileExt as _;
use std::time::{Duration, Instant};

use nix::poll::PollFlags;

use super::receive::{Flow, Receive, hand_over, hand_over_marks, hand_over_run};
use crate::os::{Ending, Input, Output, wait};
use crate::record::{Damage, Found, More, Progress, Splitter};
use crate::report::{self, Stop};
use crate::wire::Header;
use crate::wire::framing::{FRAMING_SIZE, RECORD_SEPARATOR, Reason, UNIT_SEPARATOR};

/// The contents of a stream of unknown kind.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Framed messages.
    Frames,
    /// Lines of text, or anything else.
    Text,
}

/// Distinguishes frames from text by the first bytes of a stream; `None` if more bytes are needed.
pub fn detect(data: &[u8], more: More) -> Option<Kind> {
    let undecided = if more == More::Ended { Some(Kind::Text) } else { None };
    match data {
        [] => None,
        [RECORD_SEPARATOR] => undecided,
        [RECORD_SEPARATOR, header_len, rest @ ..] => {
            let (header, separator) = match rest.split_at_checked(usize::from(*header_len)) {
                Some((header, [separator, ..])) => (header, *separator),
                _ => return undecided,
            };
            let is_frame = separator == UNIT_SEPARATOR && Header::parse(header).is_ok();
            Some(if is_frame { Kind::Frames } else { Kind::Text })
        }
        _ => Some(Kind::Text),
    }
}

/// Returns the ending of a file of frames with messages of up to `limit` bytes.
pub fn frames_ending(limit: usize) -> Ending {
    Ending::Whole(whole_frames, limit)
}

/// Number of bytes at the end of a file that are examined first; messages longer than half of that
/// are rare.
const END_SIZE: u64 = 8 * 1024 * 1024;

/// Returns the length of a file without an incomplete frame at its end. Reads only as much of the
/// end as is needed to find a whole frame, or to be sure that no message is that long.
fn whole_frames(file: &File, limit: usize) -> std::io::Result<u64> {
    let len = file.metadata()?.len();
    let longest = limit.saturating_add(FRAMING_SIZE + usize::from(u8::MAX)) as u64;
    let most = longest.saturating_mul(2).min(len);
    let mut span = most.min(END_SIZE);
    loop {
        let (whole, has_frames) = whole_frames_from(file, limit, len - span, len)?;
        if has_frames || span == most {
            return Ok(whole);
        }
        span = span.saturating_mul(4).min(most);
    }
}

/// Like `whole_frames`, examining the file from `start`; also returns whether there was a frame.
fn whole_frames_from(
    file: &File,
    limit: usize,
    start: u64,
    len: u64,
) -> std::io::Result<(u64, bool)> {
    let mut data = vec![0; usize::try_from(len - start).unwrap_or(usize::MAX)];
    file.read_exact_at(&mut data, start)?;
    let splitter = Splitter::frames(limit);
    let mut progress = Progress::at(start);
    let (mut whole, mut has_frames) = (len, false);
    let mut records = splitter.records(&data, &mut progress, More::Ended);
    while let Some(found) = records.next() {
        match found {
            Found::Damage(Damage::NoFrame(damage)) => {
                let is_last = records.done() == data.len();
                let is_torn = damage.reason == Reason::CutOff && is_last;
                whole = if is_torn { damage.offset } else { len };
            }
            Found::Frame(_) => (whole, has_frames) = (len, true),
            Found::Record(_) | Found::Damage(_) => {}
        }
    }
    Ok((whole, has_frames))
}

/// Reads frames from an input; skips and reports damage.
#[derive(Debug)]
pub struct FrameReader {
    input: Input,
    splitter: Splitter,
    progress: Progress,
    need: usize,
    damages: u64,
    strict: bool,
    follow: Option<Duration>,
    /// Where the frames of a run end.
    ends: Vec<usize>,
}

impl FrameReader {
    /// Creates a reader of frames with messages of up to `limit` bytes; the next byte of `input` is
    /// at `offset`.
    pub fn new(input: Input, limit: usize, offset: u64) -> Self {
        Self {
            input,
            splitter: Splitter::frames(limit),
            progress: Progress::at(offset),
            need: 0,
            damages: 0,
            strict: false,
            follow: None,
            ends: Vec::new(),
        }
    }

    /// Sets whether to stop at the first damage instead of skipping it.
    #[must_use]
    pub fn strict(mut self, strict: bool) -> Self {
        self.strict = strict;
        self
    }

    /// Sets the interval in which to poll for more at the end of a file.
    #[must_use]
    pub fn follow(mut self, every: Option<Duration>) -> Self {
        self.follow = every;
        self
    }

    /// Returns the number of damaged stretches so far.
    pub fn damages(&self) -> u64 {
        self.damages
    }

    /// Returns the input.
    pub fn input(&self) -> &Input {
        &self.input
    }

    /// Passes every message to `receive`, to the end of the input or until the receiver stops.
    ///
    /// # Errors
    /// As [`Input::fill`], and any error of `receive`.
    pub fn read_all(&mut self, out: &mut Output, receive: &mut impl Receive) -> Flow {
        loop {
            let filled = self.fill(out, receive)?;
            let flow = match (filled, self.follow) {
                (Filled::Enough, _) => return Ok(ControlFlow::Break(())),
                (Filled::End, Some(every)) if self.input.is_regular() => {
                    self.wait_for_growth(every, out, receive)?
                }
                (Filled::End, _) => return self.deliver(More::Ended, out, receive),
                (Filled::More, _) => self.deliver(More::Coming, out, receive)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// Passes on the messages of the next block; returns whether that was the last one or the
    /// receiver stopped.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub fn read_block(
        &mut self,
        out: &mut Output,
        receive: &mut impl Receive,
    ) -> Result<bool, Stop> {
        match self.fill(out, receive)? {
            Filled::Enough => Ok(true),
            Filled::End => self.deliver(More::Ended, out, receive).map(|_| true),
            Filled::More => Ok(self.deliver(More::Coming, out, receive)?.is_break()),
        }
    }

    /// Like [`Self::read_all`], up to the current end of a followed file.
    ///
    /// # Errors
    /// As [`Self::read_all`].
    pub fn read_present(&mut self, out: &mut Output, receive: &mut impl Receive) -> Flow {
        loop {
            let flow = match self.fill(out, receive)? {
                Filled::Enough => return Ok(ControlFlow::Break(())),
                Filled::End => return self.deliver(More::Idle, out, receive),
                Filled::More => self.deliver(More::Coming, out, receive)?,
            };
            if flow.is_break() {
                return Ok(flow);
            }
        }
    }

    /// Waits for a file to grow; a truncated file is read from its beginning.
    fn wait_for_growth(
        &mut self,
        every: Duration,
        out: &mut Output,
        receive: &mut impl Receive,
    ) -> Flow {
        if self.deliver(More::Idle, out, receive)?.is_break() {
            return Ok(ControlFlow::Break(()));
        }
        receive.rest(out)?;
        out.flush()?;
        let watch: Vec<_> = out.reader_watch().into_iter().collect();
        let gone = wait(&watch, Some(Instant::now() + every))?;
        if gone.iter().any(|ready| ready.contains(PollFlags::POLLERR)) {
            return Err(Stop::BrokenPipe);
        }
        if self.input.rewind_if_truncated()? {
            report::note(format_args!(
                "{}: truncated, reading from its beginning",
                self.input.name()
            ));
            self.progress.restart();
            self.need = 0;
        }
        Ok(ControlFlow::Continue(()))
    }

    /// Passes on the frames in the bytes that have been read.
    ///
    /// # Errors
    /// Any error of `receive`.
    pub fn deliver(&mut self, more: More, out: &mut Output, receive: &mut impl Receive) -> Flow {
        let name = self.input.name();
        let mut records = self.splitter.records(self.input.data(), &mut self.progress, more);
        let flow = loop {
            match hand_over_run(&mut records, &mut self.ends, out, receive) {
                Ok(ControlFlow::Continue(())) => {}
                flow => break flow,
            }
            match records.next() {
                // Large enough to be processed in place.
                Some(Found::Frame(ref frame)) => match hand_over(frame, out, receive) {
                    Ok(ControlFlow::Continue(())) => {}
                    Ok(ControlFlow::Break(())) => {
                        break hand_over_marks(&mut records, out, receive);
                    }
                    flow => break flow,
                },
                Some(Found::Damage(damage)) => {
                    self.damages += 1;
                    if self.strict {
                        break Err(Stop::failed(format_args!("{name}: {damage}")));
                    }
                    report::damage(name, &damage);
                }
                Some(Found::Record(_)) => {}
                None => break Ok(ControlFlow::Continue(())),
            }
        };
        let (done, need) = (records.done(), records.need());
        self.need = need;
        self.input.consume(done);
        flow
    }

    /// Reads until another attempt is worthwhile. Pending output is delivered before waiting.
    fn fill(&mut self, out: &mut Output, receive: &mut impl Receive) -> Result<Filled, Stop> {
        loop {
            if !self.input.is_ready()? {
                if self.deliver(More::Idle, out, receive)?.is_break() {
                    return Ok(Filled::Enough);
                }
                receive.rest(out)?;
            }
            match self.input.fill_until(out, receive.due())? {
                Some(false) => return Ok(Filled::End),
                Some(true) if self.input.data().len() >= self.need => return Ok(Filled::More),
                // Not enough yet, a deadline, or HUP.
                Some(true) | None => {}
            }
        }
    }
}

/// The result of reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Filled {
    /// More bytes are available.
    More,
    /// The input has ended.
    End,
    /// The receiver stopped.
    Enough,
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;
    use crate::wire::put_frame;
    use crate::wire::varint::put_varint;

    /// Creates a message with a payload of `len` bytes.
    fn frame(len: usize) -> Vec<u8> {
        let mut message = vec![0x32];
        put_varint(&mut message, len as u64);
        message.resize(message.len() + len, b'x');
        let mut frame = Vec::new();
        put_frame(&mut frame, Header::default(), &message).unwrap();
        frame
    }

    #[test]
    fn a_torn_end_is_found_behind_messages_of_any_length() {
        const LIMIT: usize = 64 << 20;
        let last = frame(12 << 20);
        let whole = [frame(10), frame(5 << 20), frame(20), last.clone()].concat();
        for torn in [0, 1, 9, 4 << 20, 10 << 20] {
            let mut file = tempfile::tempfile().unwrap();
            file.write_all(&whole).unwrap();
            file.write_all(&last[..torn]).unwrap();
            assert_eq!(whole_frames(&file, LIMIT).unwrap(), whole.len() as u64, "{torn}");
        }
    }
}
