// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any expression with groups on any text; a NUL byte separates them.

use crate::decode;
use heka_core::codec::regular;
use heka_core::decode::{Captures, Way};

/// See the module.
pub fn run(input: &[u8]) {
    let end = input.iter().position(|&byte| byte == 0).unwrap_or(input.len());
    let Ok(expression) = std::str::from_utf8(&input[..end]) else { return };
    let text = input.get(end + 1..).unwrap_or_default();
    let Ok(regex) = regular::compile(expression) else { return };
    let Ok(captures) = Captures::new(regex, &[]) else { return };
    decode(vec![Way::Captures(Box::new(captures))], text);
}
