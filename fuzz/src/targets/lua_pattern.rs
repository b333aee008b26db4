// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any Lua pattern: it matches the same texts as the corresponding regular expression. The text to
//! search follows the first NUL.

use heka_core::codec::Matcher;
use heka_core::wire::MessageView;

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let Ok(pattern) = std::str::from_utf8(&input[..end]) else { return };
    let text = input.get(end + 1..).unwrap_or_default();
    let Ok(matcher) = Matcher::new(&format!("Payload =~ '{pattern}'")) else { return };
    let mut message = MessageView::default();
    message.payload = Some(text);
    let is_match = matcher.is_match(&message);
    let negated = Matcher::new(&format!("Payload !~ '{pattern}'")).expect("the same pattern");
    assert_eq!(negated.is_match(&message), !is_match);
    let Some(highlight) = matcher.highlight() else { return };
    let mut ranges = Vec::new();
    highlight.find(text, &mut ranges);
    assert!(is_match || ranges.is_empty(), "found {ranges:?} where nothing matches");
    assert!(ranges.iter().all(|range| range.end <= text.len()));
}
