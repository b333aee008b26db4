// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any bytes in any pieces, frame by frame or in runs: the same frames and the same damaged bytes,
//! every byte accounted for.
//!
//! The first byte of the input tells how long the pieces are.
#![no_main]

use heka_core::wire::{More, Deframer, Step};
use libfuzzer_sys::fuzz_target;

/// Where frames stand, and how many bytes were damaged.
fn read(stream: &[u8], piece: usize, in_runs: bool) -> (Vec<(u64, usize)>, u64) {
    let mut deframer = Deframer::new(4096);
    let (mut frames, mut damaged) = (Vec::new(), 0);
    let (mut start, mut end) = (0, 0);
    let mut ends = Vec::new();
    loop {
        end = (end + piece).min(stream.len());
        let more = if end == stream.len() { More::Ended } else { More::Coming };
        loop {
            if in_runs {
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
                Step::Need(done, need) => {
                    start += done;
                    assert!(need > end - start, "asks for what it has");
                    break;
                }
            }
        }
        if more == More::Ended {
            assert_eq!(start, stream.len(), "bytes left at the end");
            return (frames, damaged);
        }
    }
}

fuzz_target!(|input: &[u8]| {
    let Some((&piece, stream)) = input.split_first() else { return };
    let (frames, damaged) = read(stream, stream.len().max(1), false);
    let framed: usize = frames.iter().map(|(_, len)| len).sum();
    assert_eq!(framed as u64 + damaged, stream.len() as u64, "bytes not accounted for");
    let piece = usize::from(piece).max(1);
    for in_runs in [false, true] {
        assert_eq!(read(stream, piece, in_runs), (frames.clone(), damaged), "pieces matter");
    }
});
