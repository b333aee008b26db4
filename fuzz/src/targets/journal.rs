// SPDX-License-Identifier: MIT OR Apache-2.0
//! Entries of journald in the export format or JSON: each is read or refused, and the pieces in
//! which they arrive do not matter, except for invalid JSON, where they determine the record
//! boundaries.

use crate::records;
use heka_core::decode::{Decoder, Map, Readers, Way};
use heka_core::record::{Framing, Limit, Oversize, Splitter};
use heka_core::wire::MessageView;

/// See the module.
pub fn run(input: &[u8]) {
    let limit = Limit { size: 4096, oversize: Oversize::Drop };
    for splitter in [Splitter::journal(limit), Splitter::new(Framing::Journal, limit)] {
        // White space between records may belong to either record.
        let read = |piece: usize| {
            let mut found = records(&splitter, input, piece).0;
            found.iter_mut().for_each(|record| *record = record.trim_ascii().to_vec());
            found.retain(|record| !record.is_empty());
            found
        };
        let found = read(input.len().max(1));
        let sum: usize = found.iter().map(Vec::len).sum();
        assert!(sum <= input.len(), "more than came");
        assert!(found.iter().all(|record| record.len() <= 4096 + 1), "longer than the limit");
        let mut decoder =
            Decoder::new(vec![Way::Journal(Map::default())], Readers::default(), 4096);
        let mut is_sound = true;
        for record in &found {
            let is_read = decoder.read(record, 0, b"").is_ok();
            let mut made = Vec::new();
            decoder.draft().finish(&mut made, &MessageView::default(), &MessageView::default());
            MessageView::parse(&made).expect("a message");
            assert!(is_read || made.is_empty());
            is_sound &= is_read || !record.starts_with(b"{");
        }
        for piece in [1, 7] {
            assert!(!is_sound || read(piece) == found, "pieces matter");
        }
    }
}
