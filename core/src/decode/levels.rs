// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of log libraries: a time and a level, surrounded by a thread, a process or a logger in any
//! order, then the message. This is the default output of Python's `logging`, gunicorn, log4j,
//! logback, Spring Boot, `JBoss`, Tomcat and `java.util.logging`.

use super::cause::Cause;
use super::readers::{Readers, Target};
use super::tokens::{after_blanks, bracketed};
use crate::codec::json::number;
use crate::codec::severity;
use crate::wire::Value;

/// Maximum number of parts examined.
const MOST_PARTS: usize = 10;

/// The parts found so far.
#[derive(Default)]
struct Found<'a> {
    severity: Option<i32>,
    pid: Option<&'a [u8]>,
    thread: Option<&'a [u8]>,
    /// The application, which Spring Boot writes before the thread.
    app: Option<&'a [u8]>,
    logger: Option<&'a [u8]>,
    /// Milliseconds since the program started, which log4j can write.
    relative: Option<i64>,
    /// The method, which `java.util.logging` writes after the logger.
    method: Option<&'a [u8]>,
    /// Whether the next part follows directly after a colon.
    follows_colon: bool,
    /// Whether the line began with a time.
    has_time: bool,
    /// Whether a colon follows the level directly, after which only a logger may follow.
    has_colon: bool,
}

/// Reads a record of one or several lines.
pub(super) fn read(record: &[u8], readers: &Readers, target: &mut Target) -> Result<(), Cause> {
    let (mut time, mut rest) = match time_of(record, readers, target.now) {
        Some((time, rest)) => (Some(time), rest),
        None => (None, record),
    };
    let mut found = Found { has_time: time.is_some(), ..Found::default() };
    for _ in 0..MOST_PARTS {
        let here = separated(rest);
        if time.is_none()
            && found.severity.is_some()
            && !found.has_colon
            && let Some((behind_level, behind)) = time_of(here, readers, target.now)
        {
            time = Some(behind_level);
            rest = behind;
            continue;
        }
        found.follows_colon = rest.len() == here.len() + 1 && rest.first() == Some(&b':');
        match found.take(here, readers) {
            Some(behind) => rest = behind,
            None => break,
        }
        if found.severity.is_some() && found.logger.is_some() && is_separated(rest) {
            break;
        }
    }
    if let Some(time) = time {
        target.set_time(time);
    }
    found.put(target)?;
    target.set_payload(message_of(rest))?;
    Ok(())
}

/// Reads the time at the front, with or without brackets.
fn time_of<'a>(record: &'a [u8], readers: &Readers, now: i64) -> Option<(i64, &'a [u8])> {
    if let Some((inside, rest)) = bracketed(record, b'[', b']') {
        return readers.times.read(inside, now).map(|time| (time, rest));
    }
    // This number of digits is log4j's milliseconds since the program started.
    let digits = record.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let is_relative = digits == 9 && record.get(9).is_none_or(|next| *next != b'.');
    if is_relative { None } else { readers.times.read_front(record, now) }
}

/// Skips the separator before the next part.
fn separated(text: &[u8]) -> &[u8] {
    let mut rest = text;
    loop {
        let here = after_blanks(rest);
        // A dash that is followed by a word belongs to it.
        let dashes = here.iter().take_while(|&&byte| byte == b'-').count();
        let is_separator = dashes > 0 && here.get(dashes).is_none_or(|next| *next == b' ');
        rest = match here.first() {
            Some(b':' | b'|') => here.get(1..).unwrap_or_default(),
            Some(b'-') if is_separator => here.get(dashes..).unwrap_or_default(),
            _ => return here,
        };
    }
}

/// Whether a separator follows.
fn is_separated(text: &[u8]) -> bool {
    let next = after_blanks(text);
    matches!(next.first(), Some(b':' | b'|')) || next.starts_with(b"- ")
}

/// Returns the message after at most one separator: further ones are part of the message.
fn message_of(text: &[u8]) -> &[u8] {
    let here = after_blanks(text);
    if is_separated(here) { after_blanks(here.get(1..).unwrap_or_default()) } else { here }
}

impl<'a> Found<'a> {
    /// Stores the parts found.
    fn put(self, target: &mut Target) -> Result<(), Cause> {
        let Some(severity) = self.severity else {
            return Err(Cause::new("contains no level"));
        };
        target.set_severity(severity);
        if let Some(pid) = self.pid {
            target.set_pid(b"pid", pid)?;
        }
        if let Some(relative) = self.relative {
            target.draft.put_field(b"relative", b"ms", Value::Integer(relative))?;
        }
        let texts: [(&[u8], _); 4] = [
            (b"thread", self.thread),
            (b"app", self.app),
            (b"logger", self.logger),
            (b"method", self.method),
        ];
        for (name, text) in texts {
            text.map_or(Ok(()), |text| target.put(name, text))?;
        }
        Ok(())
    }

    /// Reads the part at the front; returns the rest, or `None` if the message begins.
    fn take(&mut self, text: &'a [u8], readers: &Readers) -> Option<&'a [u8]> {
        match text.first()? {
            b'[' | b'(' if self.has_colon => None,
            b'[' => {
                let (inside, rest) = bracketed(text, b'[', b']')?;
                let inside = inside.trim_ascii();
                if inside.is_empty() && self.severity.is_some() {
                    // log4j's context, which is usually empty.
                    return is_separated(rest).then_some(rest);
                }
                let is_number = inside.iter().all(u8::is_ascii_digit);
                if is_number && self.severity.is_some() && !precedes_logger(rest) {
                    // Brackets after the level may be the message: ERROR [404] not found.
                    return None;
                }
                self.take_inside(inside, readers)?;
                Some(rest)
            }
            b'(' if self.thread.is_none() && self.severity.is_some() == self.logger.is_some() => {
                let (inside, rest) = bracketed(text, b'(', b')')?;
                self.thread = Some(inside);
                Some(rest)
            }
            b'\n' if self.severity.is_none() => text.get(1..),
            _ => self.take_word(text, readers),
        }
    }

    /// Reads text in brackets: a level, a process, a thread or a logger.
    fn take_inside(&mut self, inside: &'a [u8], readers: &Readers) -> Option<()> {
        // After the level there are names and numbers; several words in brackets belong to the
        // message.
        if inside.contains(&b' ') && self.severity.is_some() {
            return None;
        }
        if inside.is_empty() {
            return Some(());
        }
        if self.severity.is_none()
            && let Some(severity) = level(inside, readers)
        {
            self.severity = Some(severity);
        } else if self.pid.is_none() && number::integer(inside).is_some() {
            self.pid = Some(inside);
        } else if self.logger.is_none() && is_dotted(inside) {
            self.logger = Some(inside);
        } else if self.thread.is_none() {
            self.thread = Some(inside);
        } else if self.app.is_none() && self.logger.is_none() {
            self.app = self.thread.replace(inside);
        } else {
            return None;
        }
        Some(())
    }

    /// Reads a level, if there was none: in capitals, or set off after a time.
    fn take_level(&mut self, word: &[u8], rest: &[u8], readers: &Readers) -> bool {
        if self.severity.is_some() || !(is_shouted(word) || self.has_time && is_separated(rest)) {
            return false;
        }
        self.severity = level(word, readers);
        self.has_colon = self.severity.is_some() && rest.first() == Some(&b':');
        self.severity.is_some()
    }

    /// Reads a level, a process number, or a logger, followed by a separator.
    fn take_word(&mut self, text: &'a [u8], readers: &Readers) -> Option<&'a [u8]> {
        let (word, rest) = split_word(text);
        if word.is_empty() {
            return None;
        }
        if self.take_level(word, rest, readers) {
            return Some(rest);
        }
        let next = after_blanks(rest);
        if self.severity.is_none()
            && self.relative.is_none()
            && let Some(relative) = number::integer(word)
        {
            self.relative = Some(relative);
            return Some(rest);
        }
        if self.pid.is_none() && number::integer(word).is_some() {
            let is_alone = next.starts_with(b"--- ");
            self.pid = Some(word).filter(|_| is_alone);
            return is_alone.then_some(rest);
        }
        let is_logger = match self.severity {
            None => self.logger.is_none() && is_set_off(word, rest),
            Some(_) => self.logger.is_none() && is_logger(word, rest, self.follows_colon),
        };
        if is_logger && is_name(word) {
            self.logger = Some(word);
            return Some(rest);
        }
        let is_method = self.severity.is_none() && self.logger.is_some() && self.method.is_none();
        if is_method && rest.first() == Some(&b'\n') && is_name(word) {
            self.method = Some(word);
            return Some(rest);
        }
        None
    }
}

/// Whether a word before the level is a logger, that is, only separators are between it and the
/// level.
fn is_set_off(word: &[u8], rest: &[u8]) -> bool {
    let next = after_blanks(rest);
    // The class and the method of java.util.logging are on a line of their own.
    let line = next.split(|&byte| byte == b'\n').next().unwrap_or_default();
    let is_own_line = next.len() > line.len() && (line.is_empty() || is_name(line));
    is_separated(rest) || next.first() == Some(&b'[') || is_own_line || word.contains(&b'.')
}

/// Whether a word after the level is a logger: a dotted name that is set off, the common name of a
/// root logger, or anything between two colons in Python's default format.
fn is_logger(word: &[u8], rest: &[u8], follows_colon: bool) -> bool {
    let next = after_blanks(rest);
    let is_set_off = matches!(next.first(), Some(b':' | b'|')) || next.starts_with(b"- ");
    let has_dots = word.iter().filter(|&&byte| byte == b'.').count();
    let is_between = follows_colon && rest.first() == Some(&b':');
    let is_known = matches!(word, b"root" | b"__main__") && is_set_off;
    is_between || is_known || is_set_off && has_dots >= 1 || has_dots >= 2
}

/// Whether a logger or a separator follows, possibly after more brackets.
fn precedes_logger(text: &[u8]) -> bool {
    let mut rest = text;
    loop {
        if is_separated(rest) {
            return true;
        }
        let next = after_blanks(rest);
        if let Some((_, behind)) = bracketed(next, b'[', b']') {
            rest = behind;
            continue;
        }
        let (word, behind) = split_word(next);
        return is_name(word) && is_logger(word, behind, false);
    }
}

/// Splits off the word at the front.
fn split_word(text: &[u8]) -> (&[u8], &[u8]) {
    let is_end = |byte: &u8| matches!(byte, b' ' | b'\t' | b'\n' | b':' | b'|');
    text.split_at(text.iter().position(is_end).unwrap_or(text.len()))
}

/// Returns the severity of a level; single letters and numbers are not levels.
fn level(word: &[u8], readers: &Readers) -> Option<i32> {
    if word.len() < 3 || !word.iter().all(u8::is_ascii_alphabetic) {
        return None;
    }
    let is_known = is_shouted(word) || severity::named(word).is_some();
    readers.severities.severity(word).filter(|_| is_known)
}

fn is_shouted(word: &[u8]) -> bool {
    word.iter().all(u8::is_ascii_uppercase)
}

fn is_name(word: &[u8]) -> bool {
    let is_part = |byte: &u8| {
        byte.is_ascii_alphanumeric()
            || matches!(byte, b'.' | b'_' | b'$' | b'/' | b'-' | b'<' | b'>')
    };
    word.first().is_some_and(|first| first.is_ascii_alphabetic() || *first == b'_')
        && word.iter().all(is_part)
}

fn is_dotted(word: &[u8]) -> bool {
    word.contains(&b'.') && is_name(word)
}
