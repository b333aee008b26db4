// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames in a stream of bytes: building them, finding them, getting over damage.
//!
//! ```text
//! 0x1e  header length (1 byte)  header  0x1f  message (header.message_length bytes)
//! ```
//!
//! Nothing is escaped, so 0x1e may stand anywhere inside a frame too. A 0x1e is taken for the
//! start of a frame if a header follows that names a length, 0x1f stands behind it and the bytes
//! of that length are a message. If any of that fails, what follows is looked at from the next
//! byte on, so damage never costs an intact neighbour: a length that lies is found out when the
//! bytes behind it turn out not to be a message (at the latest at the end of the input).
//!
//! One kind of damage still looks like a message: bytes missing from the middle, so that a value
//! swallows the start of the next frame. It shows in what comes after: not 0x1e, and inside the
//! message a frame that runs on beyond its end. Such a frame is damage, and the inner one is read.
//! For that a frame that *could* be of this kind (rare: it has a 0x1e, a plausible header behind
//! it, and so on) is held until one more byte arrives, or the input falls idle, or ends; and, if
//! that byte is not 0x1e, until the inner one is complete or none, or the input ends.
//! heka-stream(5) says exactly what a reader can rely on; `tests/prop_framing.rs` holds it to that.

mod members;
mod whole;

use memchr::memchr;

use self::members::Beginning;
use self::whole::plain_header;

use super::header::{Header, put_stripped};
use super::varint::Malformed;
use super::view::{MessageView, Progress};

/// First byte of a frame.
pub const RECORD_SEPARATOR: u8 = 0x1e;
/// Byte between header and message.
pub const UNIT_SEPARATOR: u8 = 0x1f;
/// Bytes of a frame beside header and message.
pub const FRAMING_SIZE: usize = 3;

/// The shortest header: the tag of the length and one byte of it.
const MIN_HEADER_SIZE: u8 = 2;
/// How many protobuf tags may be read in vain between two frames. Only a stream made to be slow
/// exceeds it; the damaged stretch is then skipped as a whole.
const MAX_WORK: usize = 16 * 1024 * 1024;
/// How many frames inside a frame are looked at to tell whether the outer one is damaged.
const MAX_INNER_FRAMES: usize = 16;

/// Appends a frame around `message`. The header's length member is set from it.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes or the message more than `u32` tells.
pub fn put_frame(
    out: &mut Vec<u8>,
    header: Header<'_>,
    message: &[u8],
) -> Result<(), FrameTooLarge> {
    let message_length = u32::try_from(message.len()).map_err(|_| FrameTooLarge)?;
    put_header(out, Header { message_length, ..header })?;
    out.extend_from_slice(message);
    Ok(())
}

/// Appends what stands before a message: separator, header length, header, separator.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes; nothing is appended then.
pub fn put_header(out: &mut Vec<u8>, header: Header<'_>) -> Result<(), FrameTooLarge> {
    enclose_header(out, |out| header.put(out))
}

/// Appends what stands before the message of `frame`: its own header, with `extensions`' members
/// 100 to 103 in place of those that it has, and everything else unchanged.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes; nothing is appended then.
pub fn put_header_of(
    out: &mut Vec<u8>,
    frame: &Frame<'_>,
    extensions: &Header<'_>,
) -> Result<(), FrameTooLarge> {
    enclose_header(out, |out| {
        put_stripped(out, frame.header_bytes());
        extensions.put_extensions(out);
    })
}

fn enclose_header(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) -> Result<(), FrameTooLarge> {
    let start = out.len();
    out.extend_from_slice(&[RECORD_SEPARATOR, 0]);
    put(out);
    match u8::try_from(out.len() - start - 2) {
        Ok(len) => out[start + 1] = len,
        Err(_) => {
            out.truncate(start);
            return Err(FrameTooLarge);
        }
    }
    out.push(UNIT_SEPARATOR);
    Ok(())
}

/// A header over 255 bytes or a message over 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no frame holds a header of over 255 bytes or a message of over 4 GiB")]
pub struct FrameTooLarge;

/// One intact frame, borrowed from the buffer it was found in.
#[derive(Clone, Copy, Debug)]
pub struct Frame<'a> {
    /// All of it, from 0x1e to the last byte of the message.
    pub bytes: &'a [u8],
    /// Its header.
    pub header: Header<'a>,
    /// The message's bytes.
    pub message: &'a [u8],
    /// The same, read.
    pub view: MessageView<'a>,
    /// Position of the 0x1e in the input.
    pub offset: u64,
}

impl<'a> Frame<'a> {
    /// Whether it is no message at all, but tells the neighbouring stage how far the stream is sent
    /// or safe.
    pub fn is_signal(&self) -> bool {
        let Header { acknowledged, sequence, .. } = self.header;
        self.message.is_empty() && (acknowledged.is_some() || sequence.is_some())
    }

    /// The header's bytes, without the separators around it.
    pub fn header_bytes(&self) -> &'a [u8] {
        let end = self.bytes.len().saturating_sub(self.message.len() + 1);
        self.bytes.get(2..end).unwrap_or_default()
    }
}

/// Whether more bytes follow those of a buffer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum More {
    /// More may come.
    Coming,
    /// Nothing right now: what can be delivered should be.
    Idle,
    /// Nothing ever.
    Ended,
}

/// A stretch of input that held no frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Damage {
    /// Where it begins.
    pub offset: u64,
    /// How many bytes it has.
    pub len: u64,
    /// What was wrong at its beginning.
    pub reason: Reason,
}

impl std::fmt::Display for Damage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let s = if self.len == 1 { "" } else { "s" };
        write!(f, "offset {}: {}, {} byte{s} skipped", self.offset, self.reason, self.len)
    }
}

/// What was wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Reason {
    /// No 0x1e where one must be.
    #[error("not a frame")]
    NotAFrame,
    /// A 0x1e, but no header that names a length, or no 0x1f behind it.
    #[error("bad header")]
    BadHeader,
    /// The length is over the limit.
    #[error("message length over the limit")]
    TooLong,
    /// The bytes of the length given are no message.
    #[error("bad message")]
    BadMessage,
    /// The input ended within the frame.
    #[error("cut off")]
    CutOff,
}

/// What [`Deframer::next`] found. The first number of each tells how many bytes at the front of
/// the buffer are done with; the caller drops them before it calls again.
#[derive(Clone, Copy, Debug)]
#[expect(
    clippy::large_enum_variant,
    reason = "the large variant is the usual one; it stays on the stack"
)]
pub enum Step<'a> {
    /// An intact frame.
    Frame(usize, Frame<'a>),
    /// A stretch that was skipped, told once it has ended (or the input falls idle).
    Damage(usize, Damage),
    /// No frame: what is left needs at least as many bytes as the second number says.
    Need(usize, usize),
}

/// Finds frames in a stream that arrives in any pieces.
#[derive(Clone, Debug)]
pub struct Deframer {
    limit: usize,
    offset: u64,
    damage: Option<Damage>,
    work: usize,
    /// How much of the unfinished message at the front of the buffer is known to be in order, so
    /// that a slow sender of many small members is not read from the beginning each time.
    checked: usize,
    /// How messages of this stream begin.
    beginning: Beginning,
}

/// Why a 0x1e starts no frame, or none yet.
#[derive(Clone, Copy)]
enum NoFrame {
    Damage(Reason),
    /// So many bytes are needed; so many of the message's are in order.
    Need(usize, usize),
}

impl Deframer {
    /// Takes messages of up to `limit` bytes.
    pub fn new(limit: usize) -> Self {
        Self::at(limit, 0)
    }

    /// The same, for an input whose first byte is at `offset`.
    pub fn at(limit: usize, offset: u64) -> Self {
        Self { limit, offset, damage: None, work: 0, checked: 0, beginning: Beginning::NONE }
    }

    /// The longest message taken.
    pub fn limit(&self) -> usize {
        self.limit
    }

    /// Position in the input of the first byte of the buffer.
    pub fn offset(&self) -> u64 {
        self.offset
    }

    /// Looks at `buffer`, which holds the bytes not yet done with.
    pub fn next<'a>(&mut self, buffer: &'a [u8], more: More) -> Step<'a> {
        let mut at = 0;
        let mut checked = std::mem::take(&mut self.checked);
        loop {
            let Some(distance) = memchr(RECORD_SEPARATOR, &buffer[at..]) else {
                self.skip(buffer.len() - at, Reason::NotAFrame);
                return self.pause(buffer.len(), FRAMING_SIZE, more);
            };
            self.skip(distance, Reason::NotAFrame);
            at += distance;
            // Only of the candidate at the very front.
            let checked = if at == 0 { std::mem::take(&mut checked) } else { 0 };
            let no_frame = match self.examine(&buffer[at..], more, checked) {
                Ok(frame) => match self.doubt(&frame, &buffer[at..], more) {
                    None => return self.found(at, frame),
                    Some(no_frame) => no_frame,
                },
                Err(no_frame) => no_frame,
            };
            match no_frame {
                NoFrame::Need(need, checked) => {
                    self.checked = checked;
                    return self.pause(at, need, more);
                }
                NoFrame::Damage(reason) => {
                    let len = self.stretch(&buffer[at..]);
                    self.skip(len, reason);
                    at += len;
                }
            }
        }
    }

    /// A frame, unless damage in front of it is to be told first.
    #[inline]
    fn found<'a>(&mut self, at: usize, frame: Frame<'a>) -> Step<'a> {
        self.work = 0;
        if let Some(damage) = self.damage.take() {
            return Step::Damage(at, damage);
        }
        self.offset += frame.bytes.len() as u64;
        Step::Frame(at + frame.bytes.len(), frame)
    }

    fn pause<'a>(&mut self, done: usize, need: usize, more: More) -> Step<'a> {
        match self.damage {
            Some(damage) if more != More::Coming => {
                self.damage = None;
                Step::Damage(done, damage)
            }
            _ => Step::Need(done, need),
        }
    }

    fn skip(&mut self, len: usize, reason: Reason) {
        if len > 0 {
            let offset = self.offset;
            let damage = self.damage.get_or_insert(Damage { offset, len: 0, reason });
            damage.len += len as u64;
            self.offset += len as u64;
        }
    }

    /// How much of a damaged candidate to pass over: its first byte, unless this stream has cost
    /// more work than any honest one.
    fn stretch(&mut self, candidate: &[u8]) -> usize {
        if self.work <= MAX_WORK {
            return 1;
        }
        self.work = 0;
        candidate.len().min(self.limit)
    }

    /// Whether what looks like a frame at the front of `buffer` is the kind of damage that does:
    /// one that was cut off, and whose length reaches into those behind it.
    #[inline]
    fn doubt(&mut self, frame: &Frame<'_>, buffer: &[u8], more: More) -> Option<NoFrame> {
        let is_followed = buffer.get(frame.bytes.len()) == Some(&RECORD_SEPARATOR);
        if is_followed { None } else { self.doubt_unfollowed(frame, buffer, more) }
    }

    fn doubt_unfollowed(
        &mut self,
        frame: &Frame<'_>,
        buffer: &[u8],
        more: More,
    ) -> Option<NoFrame> {
        let end = frame.bytes.len();
        let mut inner_frames = self.inner_frames(frame).peekable();
        inner_frames.peek()?;
        if buffer.get(end).is_none() {
            return (more == More::Coming).then_some(NoFrame::Need(end + 1, 0));
        }
        let starts: Vec<usize> = inner_frames.take(MAX_INNER_FRAMES).collect();
        for start in starts {
            match self.examine(&buffer[start..], more, 0) {
                // An empty message is found too easily to prove anything.
                Ok(inner) if start + inner.bytes.len() > end && !inner.message.is_empty() => {
                    return Some(NoFrame::Damage(Reason::BadMessage));
                }
                Err(NoFrame::Need(need, _)) => return Some(NoFrame::Need(start + need, 0)),
                _ => {}
            }
        }
        None
    }

    /// Places inside `frame` where another one may start that runs on beyond its end.
    fn inner_frames<'f>(&self, frame: &Frame<'f>) -> impl Iterator<Item = usize> + use<'f> {
        let limit = self.limit;
        let bytes = frame.bytes;
        let body = bytes.len() - frame.message.len();
        memchr::memchr_iter(RECORD_SEPARATOR, frame.message)
            .map(move |position| body + position)
            .filter(move |&start| match split(&bytes[start..], limit) {
                Ok((_, message_start, len)) => message_start + len > bytes.len() - start,
                Err(NoHeader::Need(_)) => true,
                Err(_) => false,
            })
    }

    /// Examines what a 0x1e at the front of `buffer` starts; so many bytes of its message, if it is
    /// unfinished, have been `checked` before.
    fn examine<'a>(
        &mut self,
        buffer: &'a [u8],
        more: More,
        checked: usize,
    ) -> Result<Frame<'a>, NoFrame> {
        let cut_off = |need, checked| match more {
            More::Ended => Err(NoFrame::Damage(Reason::CutOff)),
            More::Coming | More::Idle => Err(NoFrame::Need(need, checked)),
        };
        let (header, start, len) = match split(buffer, self.limit) {
            Ok(parts) => parts,
            Err(NoHeader::Need(need)) => return cut_off(need, 0),
            Err(NoHeader::Damage(reason)) => return Err(NoFrame::Damage(reason)),
        };
        let whole = start + len;
        let Some(message) = buffer.get(start..whole) else {
            let unchecked = buffer.get(start + checked..).unwrap_or_default();
            let (view, progress) = MessageView::parse_counting(unchecked);
            if view.is_err_and(|malformed| malformed == Malformed::Invalid) {
                self.work += progress.tags;
                return Err(NoFrame::Damage(Reason::BadMessage));
            }
            return cut_off(whole, checked + progress.checked);
        };
        let mut view = MessageView::default();
        let mut progress = Progress::default();
        if view.read(message, &mut progress).is_err() {
            self.work += progress.tags;
            return Err(NoFrame::Damage(Reason::BadMessage));
        }
        let bytes = &buffer[..whole];
        Ok(Frame { bytes, header, message, view, offset: self.offset })
    }
}

/// Why there is no header to read.
enum NoHeader {
    Damage(Reason),
    Need(usize),
}

/// Reads the header at the front of `buffer`: the header, where its message starts, how long it is.
fn split(buffer: &[u8], limit: usize) -> Result<(Header<'_>, usize, usize), NoHeader> {
    if let Some((start, len)) = plain_header(buffer) {
        let message_length = u32::try_from(len).ok().filter(|_| len <= limit);
        let message_length = message_length.ok_or(NoHeader::Damage(Reason::TooLong))?;
        return Ok((Header { message_length, ..Header::default() }, start, len));
    }
    let Some(&header_len) = buffer.get(1) else {
        return Err(NoHeader::Need(FRAMING_SIZE));
    };
    let start = FRAMING_SIZE + usize::from(header_len);
    if header_len < MIN_HEADER_SIZE {
        return Err(NoHeader::Damage(Reason::BadHeader));
    }
    let Some(&separator) = buffer.get(start - 1) else {
        // Most candidates are refused without waiting for the whole header.
        return Err(match Header::parse(&buffer[2..]) {
            Err(Malformed::Invalid) => NoHeader::Damage(Reason::BadHeader),
            _ => NoHeader::Need(start),
        });
    };
    if separator != UNIT_SEPARATOR {
        return Err(NoHeader::Damage(Reason::BadHeader));
    }
    let Ok(header) = Header::parse(&buffer[2..start - 1]) else {
        return Err(NoHeader::Damage(Reason::BadHeader));
    };
    match usize::try_from(header.message_length) {
        Ok(len) if len <= limit => Ok((header, start, len)),
        _ => Err(NoHeader::Damage(Reason::TooLong)),
    }
}

#[cfg(test)]
mod tests;
