// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any file as a checkpoint file: it is refused or read, and the data read is unchanged after the
//! file is written again.

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
    // A file with lines of a later version is read but not written.
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
