// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes in any framing, with any limit and any rule for longer records: the pieces in which
//! they arrive do not matter, and framed records are found again.

use crate::records;
use heka_core::codec::regular::compile;
use heka_core::record::{At, Framing, Group, Limit, Oversize, Pattern, Splitter, Width};

fn splitter(choice: u8, limit: Limit) -> Splitter {
    let framing = match choice % 16 {
        0 => Framing::Delimited(b'\n'),
        1 => Framing::Counted(b'\n', 3),
        2 => Framing::Length(Width::Bits16),
        3 => Framing::Length(Width::Bits32),
        4 => Framing::Length(Width::Bits64),
        5 => Framing::LengthLe(Width::Bits16),
        6 => Framing::Docker,
        7 => Framing::Journal,
        8 => Framing::OctetCount,
        9 => Framing::Syslog,
        10 => Framing::Heka,
        11 => Framing::Whole,
        12 => return Splitter::json(limit),
        13 => return by_pattern("ab*(c)", At::End, limit),
        14 => return by_pattern("\\n(\\d+)", At::Start, limit),
        _ => {
            let start = Some(compile("^\\S").expect("an expression"));
            let group = Group { start, continuation: None };
            return Splitter::new(Framing::Delimited(b'\n'), limit).grouped(group);
        }
    };
    Splitter::new(framing, limit)
}

fn by_pattern(text: &str, at: At, limit: Limit) -> Splitter {
    Splitter::by_pattern(Pattern::new(text, at).expect("an expression"), limit)
}

fn without_blanks(records: Vec<Vec<u8>>) -> Vec<Vec<u8>> {
    let trimmed = records.iter().map(|record| record.trim_ascii().to_vec());
    trimmed.filter(|record| !record.is_empty()).collect()
}

/// Returns the bytes of all records that are not white space.
fn visible(records: &[Vec<u8>]) -> Vec<u8> {
    let bytes = records.iter().flatten().copied();
    bytes.filter(|byte| !byte.is_ascii_whitespace()).collect()
}

/// See the module.
pub fn run(input: &[u8]) {
    let &[choice, rule, piece, ref text @ ..] = input else { return };
    let oversize = [Oversize::Split, Oversize::Truncate, Oversize::Drop][usize::from(rule % 3)];
    let size = 1 << (rule / 3 % 16);
    let splitter = splitter(choice, Limit { size, oversize });
    let whole = records(&splitter, text, text.len().max(1));
    let sum: usize = whole.0.iter().map(Vec::len).sum();
    assert!(sum <= text.len(), "more than came");
    let pieces = records(&splitter, text, usize::from(piece).max(1));
    if choice % 16 == 12 {
        // White space between JSON values may belong to either, and counts towards the limit: a value
        // over it may be cut elsewhere, but nothing of it is lost if it is split.
        if oversize == Oversize::Split {
            assert_eq!(visible(&pieces.0), visible(&whole.0), "pieces matter");
        }
        if pieces.1 + whole.1 == 0 {
            assert_eq!(without_blanks(pieces.0), without_blanks(whole.0), "pieces matter");
        }
    } else {
        assert_eq!(pieces, whole, "pieces matter");
    }
    let framings = [
        Framing::Length(Width::Bits32),
        Framing::LengthLe(Width::Bits64),
        Framing::OctetCount,
        Framing::Docker,
    ];
    for framing in framings {
        let mut stream = Vec::new();
        framing.put(&mut stream, text).expect("a short record");
        framing.put(&mut stream, b"next").expect("a short record");
        let limit = Limit { size: 1 << 20, oversize: Oversize::Drop };
        let found = records(&Splitter::new(framing, limit), &stream, usize::from(piece).max(1));
        assert_eq!(found, (vec![text.to_vec(), b"next".to_vec()], 0), "{framing:?}");
    }
}
