// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes in any pieces, frame by frame or in runs, all at once or in turns: the frames and the
//! damaged bytes are the same, every byte is accounted for, and the work is proportional to the
//! input.
//!
//! The first byte of the input determines the length of the pieces, the second the maximum size of
//! a message. The input is repeated, because slow input may only be noticed at length.

use heka_core::wire::{Deframer, More, Step};

/// Maximum number of steps per byte: those of all levels of groups, and a call.
const STEPS_PER_BYTE: usize = 128;
const STEPS_PER_CALL: usize = 64;
/// Number of bytes the input is repeated to.
const REPEATED: usize = 1 << 14;

/// A way to read a stream.
#[derive(Clone, Copy)]
struct Way {
    limit: usize,
    piece: usize,
    in_runs: bool,
    in_turns: bool,
}

/// The positions and lengths of frames, and the number of damaged bytes.
type Found = (Vec<(u64, usize)>, u64);

fn read(stream: &[u8], way: Way) -> Found {
    let mut deframer = Deframer::new(way.limit);
    let (mut frames, mut damaged) = (Vec::new(), 0);
    let (mut start, mut end) = (0, 0);
    let mut ends = Vec::new();
    let mut calls = 1;
    loop {
        end = (end + way.piece).min(stream.len());
        let more = if end == stream.len() { More::Ended } else { More::Coming };
        loop {
            if way.in_turns {
                deframer.allow(10);
            }
            calls += 1;
            if way.in_runs {
                ends.clear();
                let mut begin = 0;
                let offset = deframer.offset();
                let len = deframer.next_run(&stream[start..end], 3, &mut ends);
                for &end in &ends {
                    frames.push((offset + begin as u64, end - begin));
                    begin = end;
                }
                assert_eq!(begin, len, "the run ends with its last frame");
                start += len;
            }
            match deframer.next(&stream[start..end], more) {
                Step::Frame(done, frame) => {
                    frames.push((frame.offset, frame.bytes.len()));
                    start += done;
                }
                Step::Damage(done, damage) => {
                    damaged += damage.len;
                    start += done;
                }
                Step::Need(done, 0) => {
                    start += done;
                    assert!(way.in_turns, "needs nothing");
                }
                Step::Need(done, need) => {
                    start += done;
                    assert!(need > end - start, "asks for what it has");
                    break;
                }
            }
        }
        if more == More::Ended {
            assert_eq!(start, stream.len(), "bytes left at the end");
            let most = STEPS_PER_BYTE * stream.len() + STEPS_PER_CALL * calls;
            let work = deframer.work();
            assert!(work <= most as u64, "{work} steps for {} bytes", stream.len());
            return (frames, damaged);
        }
    }
}

/// See the module.
pub fn run(input: &[u8]) {
    let &[piece, limit, ref stream @ ..] = input else { return };
    if stream.is_empty() {
        return;
    }
    let limit = 1 << (limit % 32);
    let whole = Way { limit, piece: stream.len(), in_runs: false, in_turns: false };
    let found = read(stream, whole);
    let framed: usize = found.0.iter().map(|(_, len)| len).sum();
    assert_eq!(framed as u64 + found.1, stream.len() as u64, "bytes not accounted for");
    let piece = usize::from(piece).max(1);
    for (in_runs, in_turns) in [(false, false), (true, false), (false, true), (true, true)] {
        let way = Way { limit, piece, in_runs, in_turns };
        assert_eq!(read(stream, way), found, "pieces, runs or turns matter");
    }
    let repeated = stream.repeat(REPEATED / stream.len());
    read(&repeated, Way { piece: repeated.len().max(1), ..whole });
}
