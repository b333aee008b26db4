// SPDX-License-Identifier: MIT OR Apache-2.0
//! The host of a plugin whose messages go to standard output.

use std::os::fd::BorrowedFd;
use std::sync::Arc;
use std::time::{Duration, Instant};

use heka_core::codec::{Encoder, Unfit};
use heka_core::delivery::checkpoint;
use heka_core::os::{signal, wait};
use heka_core::report::{self, stats};
use heka_core::wire::{Header, MAX_CHECKPOINT_SIZE};
use nix::poll::PollFlags;

use crate::host::{Checkpoint, Host, answer, level};
use crate::outlet::Outlet;
use crate::sandbox::{Cause, Limits};

/// Maximum size of a checkpoint in bytes: hindsight's limit.
const MAX_CHECKPOINT: usize = 8191;
/// Interval of checks of the keeper's state.
const TICK: Duration = Duration::from_millis(100);

/// Writes messages and stores checkpoints.
#[derive(Debug)]
pub(crate) struct Stdout {
    pub(crate) outlet: Arc<Outlet>,
    pub(crate) limits: Arc<Limits>,
    pub(crate) encoder: Encoder,
    /// Number of messages written.
    pub(crate) written: u64,
    /// Number of messages that may still be written.
    pub(crate) left: Option<u64>,
    /// Key of this source in frame headers, if checkpoints are sent there.
    pub(crate) travel: Option<String>,
    /// The last checkpoint, for the next call.
    pub(crate) checkpoint: Option<Checkpoint>,
    /// Whether positions without messages are written.
    pub(crate) has_marks: bool,
    /// The checkpoint as sent in headers.
    pub(crate) travelling: Vec<u8>,
}

impl Host for Stdout {
    fn inject(&mut self, message: Option<&[u8]>, checkpoint: Option<&Checkpoint>) -> i32 {
        if message.is_none() && signal::pending().is_some() {
            self.limits.ask_to_end();
        }
        if checkpoint.is_some_and(is_too_long) {
            return answer::BAD_CHECKPOINT;
        }
        let position = checkpoint.map(encode);
        let answer = match message {
            Some(message) => self.write(message, position),
            None => position.map_or(answer::TAKEN, |position| self.note(position)),
        };
        if answer == answer::TAKEN
            && let Some(checkpoint) = checkpoint
        {
            self.checkpoint = Some(checkpoint.clone());
        }
        answer
    }

    fn log(&mut self, level: u8, component: &str, text: &str) {
        match level {
            level::ERROR => report::error(format_args!("{component}: {text}")),
            level::WARNING => report::warning(format_args!("{component}: {text}")),
            _ => report::announce(format_args!("{component}: {text}")),
        }
    }

    fn wait_readable(&mut self, fd: BorrowedFd<'_>) -> bool {
        let is_ready = |deadline| {
            let ready = wait(&[(fd, PollFlags::POLLIN)], Some(deadline));
            ready.map(|ready| !ready.iter().all(PollFlags::is_empty))
        };
        let mut deadline = Instant::now();
        loop {
            match is_ready(deadline) {
                Ok(true) => return true,
                Ok(false) if self.outlet.has_failed() => return false,
                Ok(false) => {
                    self.outlet.flush();
                    deadline = Instant::now() + TICK;
                }
                // A signal, which the plugin sees as the end of its input.
                Err(_) => {
                    self.limits.ask_to_end();
                    return false;
                }
            }
        }
    }
}

impl Stdout {
    fn write(&mut self, message: &[u8], position: Option<Vec<u8>>) -> i32 {
        if self.left == Some(0) {
            return answer::REFUSED;
        }
        self.travelling.clear();
        if let (Some(key), Some(position)) = (&self.travel, &position) {
            checkpoint::put(&mut self.travelling, key, position);
        }
        let travelling = Some(self.travelling.as_slice()).filter(|bytes| !bytes.is_empty());
        let follows = travelling.filter(|bytes| bytes.len() > MAX_CHECKPOINT_SIZE);
        let checkpoint = travelling.filter(|_| follows.is_none());
        let (encoder, has_marks) = (&mut self.encoder, self.has_marks);
        let put = |out: &mut Vec<u8>| {
            encoder.put_message(out, Header { checkpoint, ..Header::default() }, message)?;
            if let Some(checkpoint) = follows.filter(|_| has_marks) {
                encoder.put_mark(out, checkpoint);
            }
            Ok(())
        };
        match self.outlet.put::<Unfit>(position, put) {
            Some(Ok(())) => {}
            Some(Err(_)) => return answer::REFUSED,
            None => {
                self.limits.stop(Cause::Shutdown);
                return answer::REFUSED;
            }
        }
        self.outlet.wait_for_room(|| !self.limits.is_stopped());
        self.written += 1;
        stats::MESSAGES.add(1);
        if let Some(left) = &mut self.left {
            *left -= 1;
            if *left == 0 {
                self.limits.finish();
            }
        }
        answer::TAKEN
    }

    fn note(&mut self, position: Vec<u8>) -> i32 {
        let Some(key) = &self.travel else {
            self.outlet.note(position);
            return answer::TAKEN;
        };
        if !self.has_marks {
            return answer::TAKEN;
        }
        checkpoint::put(&mut self.travelling, key, &position);
        let put = |out: &mut Vec<u8>| {
            self.encoder.put_mark(out, &self.travelling);
            Ok::<_, Unfit>(())
        };
        if self.outlet.put(None, put).is_none() {
            self.limits.stop(Cause::Shutdown);
            return answer::REFUSED;
        }
        self.outlet.wait_for_room(|| !self.limits.is_stopped());
        answer::TAKEN
    }
}

/// Whether a checkpoint is too long; its text counts, not its stored form.
fn is_too_long(checkpoint: &Checkpoint) -> bool {
    matches!(checkpoint, Checkpoint::Text(text) if text.len() > MAX_CHECKPOINT)
}

/// Encodes a checkpoint: `n` and the shortest digits of the number, or `s` and the string.
pub(crate) fn encode(checkpoint: &Checkpoint) -> Vec<u8> {
    match checkpoint {
        Checkpoint::Number(number) => format!("n{number:?}").into_bytes(),
        Checkpoint::Text(text) => [b"s", text.as_slice()].concat(),
    }
}

/// Decodes a checkpoint of [`encode`]; `None` if it is malformed.
pub(crate) fn decode(position: &[u8]) -> Option<Checkpoint> {
    match position.split_first()? {
        (b'n', digits) => std::str::from_utf8(digits).ok()?.parse().ok().map(Checkpoint::Number),
        (b's', text) => Some(Checkpoint::Text(text.to_vec())),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_strings_of_any_bytes_come_back() {
        for number in [0.0, -1.5, 1e300, 5e-324, 9_007_199_254_740_993.0, 0.1, f64::INFINITY] {
            let checkpoint = Checkpoint::Number(number);
            assert_eq!(decode(&encode(&checkpoint)), Some(checkpoint));
        }
        let all = (0..=255).collect::<Vec<u8>>();
        for text in [b"".as_slice(), b"n1", b"it's \"quoted\"\\\n\0", &all] {
            let checkpoint = Checkpoint::Text(text.to_vec());
            assert_eq!(decode(&encode(&checkpoint)), Some(checkpoint));
        }
        assert_eq!(decode(b""), None);
        assert_eq!(decode(b"nx"), None);
        assert_eq!(decode(b"?"), None);
    }
}
