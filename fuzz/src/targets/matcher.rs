// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as an expression: it is accepted or refused without a panic; an accepted expression can
//! be evaluated.
//!
//! The input is the expression; after the first NUL follows the data to evaluate it on, once as a
//! message and once as the text of headers.

use heka_core::codec::Matcher;
use heka_core::wire::MessageView;

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let Ok(expression) = std::str::from_utf8(&input[..end]) else { return };
    let Ok(matcher) = Matcher::new(expression) else { return };
    let text = input.get(end + 1..).unwrap_or_default();
    let mut message = MessageView::parse(text).unwrap_or_default();
    let _ = matcher.is_match(&message);
    (message.uuid, message.type_, message.payload) = (Some(text), Some(text), Some(text));
    let _ = matcher.is_match(&message);
}
