// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON from servers: a document that is short on the wire can take a hundred times its length in
//! memory, so the number of its values is limited before it is parsed.

use memchr::memchr_iter;
use serde_json::Value as Json;

/// Most objects in a document, which take about 700 bytes each, and most members and elements. A full
/// page of log-cache has a fiftieth of that.
const MAX_OBJECTS: usize = 200_000;
const MAX_VALUES: usize = 1_000_000;

/// Parses a document.
///
/// # Errors
/// If it is not JSON, or has too many values.
pub(crate) fn read(text: &[u8]) -> Result<Json, String> {
    let count = |byte| memchr_iter(byte, text).count();
    if count(b'{') > MAX_OBJECTS || count(b',') + count(b'[') > MAX_VALUES {
        return Err("too many values".to_owned());
    }
    serde_json::from_slice(text).map_err(|error| error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_document_has_so_many_values() {
        let list = |value: &str, count: usize| {
            format!("[{}{value}]", format!("{value},").repeat(count - 1))
        };
        for (value, most) in [("{}", MAX_OBJECTS), ("0", MAX_VALUES)] {
            assert!(read(list(value, most).as_bytes()).is_ok());
            assert_eq!(read(list(value, most + 1).as_bytes()), Err("too many values".to_owned()));
        }
        assert!(read(b"[").is_err());
    }
}
