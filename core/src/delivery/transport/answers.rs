// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-listen's answers about messages: which are safe, and which it refuses.

use std::os::fd::BorrowedFd;

use crate::delivery::Refusal;
use crate::os::Input;
use crate::record::{Found, More, Progress, Splitter};
use crate::report::{self, Stop, stats};

/// Maximum length of an answer's frame.
const MAX_ANSWER: usize = 1024;

/// Answers on standard input.
#[derive(Debug)]
pub(super) struct Answers {
    input: Input,
    splitter: Splitter,
    progress: Progress,
    /// Number of the last record that is settled.
    done: u64,
    /// Whether any record was refused.
    pub(super) has_refused: bool,
}

impl Answers {
    /// Creates a reader of standard input.
    ///
    /// # Errors
    /// If standard input is closed.
    pub(super) fn new() -> Result<Self, Stop> {
        Ok(Self {
            input: Input::stdin()?,
            splitter: Splitter::frames(MAX_ANSWER),
            progress: Progress::default(),
            done: 0,
            has_refused: false,
        })
    }

    /// Returns the descriptor to wait for.
    pub(super) fn fd(&self) -> BorrowedFd<'_> {
        self.input.fd()
    }

    /// Returns the number of the last record that is settled.
    pub(super) fn done(&self) -> u64 {
        self.done
    }

    /// Reads the available answers without waiting; `false` at the end.
    ///
    /// # Errors
    /// If reading fails.
    pub(super) fn take(&mut self) -> Result<bool, Stop> {
        while self.input.is_ready()? {
            if !self.input.read()? {
                return Ok(false);
            }
            let mut records =
                self.splitter.records(self.input.data(), &mut self.progress, More::Idle);
            for found in records.by_ref() {
                let Found::Frame(frame) = found else { continue };
                let Some(number) = frame.header.acknowledged else { continue };
                self.done = self.done.max(number);
                if let Some(reason) = frame.header.refused.map(Refusal::from) {
                    let count = frame.header.refused_count.unwrap_or(1);
                    self.has_refused = true;
                    stats::skip(reason.skip(), count);
                    let text = format_args!("message {number} refused: {reason}");
                    report::repeated("refused messages", text);
                }
            }
            let done = records.done();
            self.input.consume(done);
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::os::fd::OwnedFd;

    use super::*;
    use crate::wire::{Header, put_frame};

    #[test]
    fn a_refused_message_is_counted_by_its_reason() {
        let (reader, mut writer) = std::io::pipe().unwrap();
        let mut frame = Vec::new();
        let refused = Some(Refusal::Signature.number());
        let header = Header { acknowledged: Some(1), refused, ..Header::default() };
        put_frame(&mut frame, header, &[]).unwrap();
        writer.write_all(&frame).unwrap();
        drop(writer);
        let input = Input::new(File::from(OwnedFd::from(reader)), "answers");
        let mut answers = Answers { input, ..Answers::new().unwrap() };
        assert!(!answers.take().unwrap());
        assert!(answers.has_refused && answers.done() == 1);
        let counted = stats::json();
        assert!(counted.contains(r#""unverified":1"#), "{counted}");
    }
}
