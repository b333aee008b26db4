// SPDX-License-Identifier: MIT OR Apache-2.0
//! The colours of a line (ECMA-48 SGR), from the sixteen that every palette defines.

pub(super) const RESET: &str = "\x1b[0m";
pub(super) const DIM: &str = "\x1b[2m";
pub(super) const RED: &str = "\x1b[31m";
pub(super) const YELLOW: &str = "\x1b[33m";
/// As grep highlights a match.
pub(super) const HIGHLIGHT: &str = "\x1b[1;31m";

/// Colours of names, none of which stands for a severity.
const NAMES: [&str; 6] =
    ["\x1b[36m", "\x1b[32m", "\x1b[35m", "\x1b[34m", "\x1b[1;36m", "\x1b[1;35m"];

/// Appends a style if colours are enabled.
pub(super) fn put(out: &mut Vec<u8>, color: bool, style: &str) {
    if color {
        out.extend_from_slice(style.as_bytes());
    }
}

/// Returns the colour of a name, which is the same in every run and on every host (FNV-1a).
pub(super) fn of_name(name: &[u8]) -> &'static str {
    let hash = name.iter().fold(0xcbf2_9ce4_8422_2325_u64, |hash, &byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)
    });
    // The low bits of this hash depend too much on the last byte.
    let mixed = (hash ^ hash >> 32) % NAMES.len() as u64;
    NAMES.get(usize::try_from(mixed).unwrap_or(0)).copied().unwrap_or_default()
}
