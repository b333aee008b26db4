// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any file in the place of a checkpoint file: refused or read, and what is read is there after it was
//! written anew.

use crate::scratch;
use heka_core::delivery::checkpoint::{CheckpointFile, Positions};

/// See the module.
pub fn run(input: &[u8]) {
    let path = &scratch("positions");
    std::fs::write(path, input).expect("a scratch file");
    let Ok(before) = Positions::read(path) else {
        assert!(CheckpointFile::open(path).is_err());
        return;
    };
    // One with lines of a later version is read and not written to.
    let Ok(mut file) = CheckpointFile::open(path) else { return };
    assert_eq!(file.positions(), &before);
    file.set("another", b"\x00\xff");
    file.save().expect("a scratch file");
    drop(file);
    let after = Positions::read(path).expect("it was just written");
    assert_eq!(after.get("another"), Some(&b"\x00\xff"[..]));
    for (source, position) in before.iter().filter(|(source, _)| *source != "another") {
        assert_eq!(after.get(source), Some(position));
    }
}
