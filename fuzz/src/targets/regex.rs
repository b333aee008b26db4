// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text as an RE2 regular expression: it is refused or compiled, and all engines give the same
//! result. The text to search follows the first NUL.

use heka_core::codec::regular::{Regular, compile};

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let Ok(expression) = std::str::from_utf8(&input[..end]) else { return };
    let text = input.get(end + 1..).unwrap_or_default();
    // A quoted text compiles and matches itself.
    if !expression.contains("\\E") && !expression.ends_with('\\') && expression.len() < 1000 {
        let quoted = Regular::new(&format!("^\\Q{expression}\\E$")).expect("quoted text");
        assert!(quoted.is_match(expression.as_bytes()));
    }
    let (regular, regex) = match (Regular::new(expression), compile(expression)) {
        (Ok(regular), Ok(regex)) => (regular, regex),
        (Err(mistake), _) => {
            let _ = mistake.indent(expression);
            return;
        }
        (Ok(_), Err(mistake)) => panic!("{mistake:?}"),
    };
    let is_match = regular.is_match(text);
    match std::str::from_utf8(text) {
        Ok(_) => assert_eq!(is_match, regex.is_match(text)),
        // Each invalid byte counts as one U+FFFD.
        Err(_) => {
            let mut replaced = String::new();
            for chunk in text.utf8_chunks() {
                replaced += chunk.valid();
                chunk.invalid().iter().for_each(|_| replaced.push('\u{fffd}'));
            }
            assert!(is_match || !regex.is_match(replaced.as_bytes()), "{replaced:?}");
        }
    }
}
