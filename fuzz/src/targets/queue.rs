// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any files in the directory of a queue.

use crate::scratch;
use heka_core::delivery::queue_dir::QueueDir;

/// See the module.
pub fn run(input: &[u8]) {
    let dir = &scratch("queue");
    heka_send::queue(input, dir);
    // Reads the queue as heka-decode does.
    if let Ok(dir) = QueueDir::open(dir) {
        let _ = dir.read_all(|_| Ok(std::ops::ControlFlow::Continue(())));
    }
}
