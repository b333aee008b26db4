// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any template on any message, separated by the first NUL: it is refused or filled in.

use heka_core::codec::time::Zone;
use heka_core::codec::{FieldList, Selector, logfmt, template::TextTemplate};
use heka_core::wire::MessageView;

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let Ok(text) = std::str::from_utf8(&input[..end]) else { return };
    let rest = input.get(end + 1..).unwrap_or_default();
    let mut message = MessageView::parse(rest).unwrap_or_default();
    message.payload = message.payload.or(Some(rest));
    if let Ok(template) = TextTemplate::new(text, Zone::utc()) {
        let (mut once, mut twice) = (Vec::new(), Vec::new());
        template.put(&mut once, &message);
        template.put(&mut twice, &message);
        template.put(&mut twice, &message);
        assert_eq!(twice, once.repeat(2));
    }
    // With its braces doubled, a text without a backslash expands to itself.
    if !text.contains('\\') {
        let doubled = text.replace('{', "{{").replace('}', "}}");
        let mut out = Vec::new();
        TextTemplate::new(&doubled, Zone::utc()).expect("plain text").put(&mut out, &message);
        assert_eq!(out, text.as_bytes());
    }
    let mut out = Vec::new();
    if let Some(selector) = Selector::parse(text) {
        selector.put(&mut out, &message);
        selector.put_json(&mut out, &message);
    }
    logfmt::put(&mut out, &message, &FieldList::parse(text));
}
