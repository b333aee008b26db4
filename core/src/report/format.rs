// SPDX-License-Identifier: MIT OR Apache-2.0
//! Formats diagnostics for people, for the journal and for programs.

use std::time::Duration;

use anstyle::{AnsiColor, Style};

use super::stats;
use crate::codec::harmless::is_harmful;
use crate::codec::json::put_string;
use crate::codec::time::put_rfc3339;

/// The format of lines on stderr.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// `PROG: SUBJECT: CAUSE`.
    #[default]
    Text,
    /// `Text` in colour.
    Color,
    /// `Text` with a priority for the journal: sd-daemon(3).
    Journal,
    /// One JSON object per line.
    Json,
}

/// The kind of a line.
#[derive(Clone, Copy, Debug)]
pub(super) struct Kind {
    name: &'static str,
    prefix: &'static str,
    color: AnsiColor,
    /// Priority as in syslog(3).
    priority: u8,
}

impl Kind {
    pub(super) fn new(
        name: &'static str,
        prefix: &'static str,
        color: AnsiColor,
        priority: u8,
    ) -> Self {
        Self { name, prefix, color, priority }
    }
}

impl Format {
    /// Formats a line of this kind; `after` is the time since the start, if it is to be shown.
    pub(super) fn line(
        self,
        program: &str,
        kind: Kind,
        after: Option<Duration>,
        text: &str,
    ) -> String {
        let mut line = match self {
            Self::Json => return object(program, kind.name, text),
            Self::Journal => format!("<{}>", kind.priority),
            Self::Text | Self::Color => String::new(),
        };
        let style = if self == Self::Color { kind.color.on_default() } else { Style::new() };
        line += &format!("{style}{program}:{style:#} ");
        if let Some(after) = after {
            line += &format!("[{:.6}] ", after.as_secs_f64());
        }
        line += kind.prefix;
        push_harmless(&mut line, text);
        line.push('\n');
        line
    }

    /// Formats a line with the name of the program.
    pub(super) fn plain(self, program: &str, text: &str) -> String {
        match self {
            Self::Json => {
                let own = text.strip_prefix(program).and_then(|rest| rest.strip_prefix(": "));
                object(program, "info", own.unwrap_or(text))
            }
            Self::Journal => format!("<6>{text}\n"),
            Self::Text | Self::Color => format!("{text}\n"),
        }
    }
}

fn object(program: &str, level: &str, text: &str) -> String {
    let mut line = b"{\"time\":\"".to_vec();
    put_rfc3339(&mut line, stats::time());
    line.extend_from_slice(format!("\",\"level\":\"{level}\",\"tool\":").as_bytes());
    put_string(&mut line, program.as_bytes());
    line.extend_from_slice(b",\"message\":");
    put_string(&mut line, text.as_bytes());
    line.extend_from_slice(b"}\n");
    String::from_utf8_lossy(&line).into_owned()
}

/// Appends `text` with all characters escaped that could move the cursor of a terminal or hide
/// text.
fn push_harmless(line: &mut String, text: &str) {
    for c in text.chars() {
        match c {
            '\t' => line.push(c),
            '\n' => line.push_str("\\n"),
            _ if is_harmful(c) => line.extend(c.escape_default()),
            _ => line.push(c),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(format: Format, text: &str) -> String {
        let kind = Kind::new("warning", "warning: ", AnsiColor::Yellow, 4);
        format.line("heka-x", kind, None, text)
    }

    #[test]
    fn what_a_peer_says_cannot_touch_the_terminal() {
        let text = "a\x1b[2Jb\nc\u{202e}d\u{9b}";
        let shown = "a\\u{1b}[2Jb\\nc\\u{202e}d\\u{9b}";
        assert_eq!(line(Format::Text, text), format!("heka-x: warning: {shown}\n"));
        assert_eq!(line(Format::Journal, text), format!("<4>heka-x: warning: {shown}\n"));
    }

    #[test]
    fn a_program_reads_an_object() {
        let object = line(Format::Json, "a: \"b\"\nc");
        let end = "\"level\":\"warning\",\"tool\":\"heka-x\",\"message\":\"a: \\\"b\\\"\\nc\"}\n";
        assert!(object.starts_with("{\"time\":\"") && object.ends_with(end), "{object}");
        let plain = Format::Json.plain("heka-x", "heka-x: 3 messages");
        assert!(plain.contains("\"info\"") && plain.contains(":\"3 messages\"}"), "{plain}");
    }
}
