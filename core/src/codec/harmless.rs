// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes untrusted text safe for a terminal: characters that could move the cursor or hide text are
//! shown as escapes.

/// Whether `c` is a control, bidirectional, zero-width or invisible character or a line separator.
pub fn is_harmful(c: char) -> bool {
    c.is_control()
        || matches!(c,
            '\u{ad}' | '\u{61c}' | '\u{180e}' | '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}'
            | '\u{2060}'..='\u{206f}' | '\u{feff}' | '\u{fff9}'..='\u{fffb}'
            | '\u{e0000}'..='\u{e007f}')
}

/// Appends text with line ends and tabs kept and invalid UTF-8 shown as `\xNN`.
pub fn push_harmless(out: &mut Vec<u8>, text: &[u8]) {
    each_harmless(text, |c| {
        out.extend_from_slice(c.encode_utf8(&mut [0; 4]).as_bytes());
    });
}

/// Passes each character of `text` to `put`. Line ends and tabs are kept, harmful characters are
/// replaced by their escapes, and invalid UTF-8 is shown as `\xNN`.
pub(super) fn each_harmless(text: &[u8], mut put: impl FnMut(char)) {
    for chunk in text.utf8_chunks() {
        for c in chunk.valid().chars() {
            if is_harmful(c) && c != '\n' && c != '\t' {
                c.escape_default().for_each(&mut put);
            } else {
                put(c);
            }
        }
        for byte in chunk.invalid() {
            escape_byte(*byte).for_each(&mut put);
        }
    }
}

/// `\xNN`.
fn escape_byte(byte: u8) -> impl Iterator<Item = char> {
    let digit = |nibble: u8| char::from(b"0123456789abcdef"[usize::from(nibble & 15)]);
    ['\\', 'x', digit(byte >> 4), digit(byte)].into_iter()
}

/// Appends text as part of one line: line ends and tabs are escaped as well.
pub fn push_line(line: &mut String, text: &[u8]) {
    each_harmless(text, |c| match c {
        '\n' => line.push_str("\\n"),
        '\t' => line.push_str("\\t"),
        _ => line.push(c),
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn log_text_cannot_touch_the_terminal() {
        let mut out = Vec::new();
        push_harmless(&mut out, b"a\tb\n\x1b[31m\xff\xc3\xa9");
        assert_eq!(out, "a\tb\n\\u{1b}[31m\\xffé".as_bytes());
    }

    #[test]
    fn a_line_stays_one() {
        let mut line = String::new();
        push_line(&mut line, "a\nb\tc\u{202e}d\u{2028}\u{9b}".as_bytes());
        assert_eq!(line, "a\\nb\\tc\\u{202e}d\\u{2028}\\u{9b}");
    }
}
