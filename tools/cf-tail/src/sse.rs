// SPDX-License-Identifier: MIT OR Apache-2.0
//! Server-sent events (WHATWG HTML §9.2), read as they arrive.
//!
//! CR, LF and CRLF end a line, a BOM is skipped, lines that start with a colon are comments, `id`
//! and `retry` are ignored. An event truncated by the end of the stream is dropped.

/// One event.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Event {
    /// Its `event`, empty if absent.
    pub(crate) name: Vec<u8>,
    /// Its `data` lines, joined by LF.
    pub(crate) data: Vec<u8>,
}

/// An event is over the limit.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct TooLarge;

/// Parses bytes into events.
#[derive(Debug)]
pub(crate) struct Parser {
    line: Vec<u8>,
    event: Event,
    has_data: bool,
    after_cr: bool,
    at_start: bool,
    limit: usize,
}

impl Parser {
    /// Creates a parser for events of up to `limit` bytes.
    pub(crate) fn new(limit: usize) -> Self {
        Self {
            line: Vec::new(),
            event: Event::default(),
            has_data: false,
            after_cr: false,
            at_start: true,
            limit,
        }
    }

    /// Parses bytes and appends the completed events.
    ///
    /// # Errors
    /// [`TooLarge`].
    pub(crate) fn push(
        &mut self,
        mut bytes: &[u8],
        events: &mut Vec<Event>,
    ) -> Result<(), TooLarge> {
        while !bytes.is_empty() {
            if std::mem::take(&mut self.after_cr)
                && let Some(rest) = bytes.strip_prefix(b"\n")
            {
                bytes = rest;
                continue;
            }
            let end = memchr::memchr2(b'\r', b'\n', bytes);
            let (line, rest) = bytes.split_at(end.unwrap_or(bytes.len()));
            if self.line.len() + self.event.data.len() + line.len() > self.limit {
                return Err(TooLarge);
            }
            self.line.extend_from_slice(line);
            let Some((&ending, rest)) = rest.split_first() else { return Ok(()) };
            self.after_cr = ending == b'\r';
            bytes = rest;
            let mut line = std::mem::take(&mut self.line);
            self.take_line(&line, events);
            line.clear();
            self.line = line;
        }
        Ok(())
    }

    fn take_line(&mut self, line: &[u8], events: &mut Vec<Event>) {
        let line = match line.strip_prefix(b"\xef\xbb\xbf") {
            Some(rest) if self.at_start => rest,
            _ => line,
        };
        self.at_start = false;
        if line.is_empty() {
            let event = std::mem::take(&mut self.event);
            if std::mem::take(&mut self.has_data) {
                events.push(event);
            }
            return;
        }
        let (field, value) = match memchr::memchr(b':', line) {
            Some(at) => line.split_at(at),
            None => (line, b"".as_slice()),
        };
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        match field {
            b"event" => self.event.name = value.to_vec(),
            b"data" => {
                if self.has_data {
                    self.event.data.push(b'\n');
                }
                self.has_data = true;
                self.event.data.extend_from_slice(value);
            }
            _ => {}
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn parse(bytes: &[u8], step: usize) -> Vec<Event> {
        let mut parser = Parser::new(1000);
        let mut events = Vec::new();
        for piece in bytes.chunks(step) {
            parser.push(piece, &mut events).unwrap();
        }
        events
    }

    fn event(name: &str, data: &str) -> Event {
        Event { name: name.into(), data: data.into() }
    }

    #[test]
    fn lines_may_end_in_any_way() {
        let expected = vec![event("", "one\ntwo"), event("closing", "bye")];
        for ending in ["\n", "\r", "\r\n"] {
            let text =
                "\u{feff}: comment\ndata: one\ndata:two\nid: 7\n\nevent: closing\ndata: bye\n\n"
                    .replace('\n', ending);
            for step in [1, 2, 3, 1000] {
                assert_eq!(parse(text.as_bytes(), step), expected, "{ending:?} {step}");
            }
        }
    }

    #[test]
    fn an_event_without_data_or_without_end_is_none() {
        assert_eq!(parse(b"event: x\n\ndata: cut off\n", 100), []);
        assert_eq!(parse(b"data\n\n", 100), [event("", "")]);
    }

    #[test]
    fn an_endless_line_is_refused() {
        let mut parser = Parser::new(10);
        assert_eq!(parser.push(b"data: 12345678", &mut Vec::new()), Err(TooLarge));
    }

    proptest! {
        #[test]
        fn pieces_make_no_difference(bytes in "[a:\r\n]{0,60}", step in 1usize..9) {
            prop_assert_eq!(parse(bytes.as_bytes(), step), parse(bytes.as_bytes(), 1000));
        }
    }
}
