// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program whose log is rotated.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::Duration;

use heka_tests::{eventually, rest};

/// Time between two lines.
const PACE: Duration = Duration::from_micros(500);

/// Writes numbered lines, and opens its file anew when it is told to.
pub(super) struct Writer {
    thread: std::thread::JoinHandle<()>,
    ends: Arc<AtomicBool>,
    /// Whether it is to be quiet, and whether it is.
    pause: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    /// The first line of the file that it has open.
    first: Arc<AtomicU64>,
}

const RUNS: u64 = 0;
const STOP: u64 = 1;
const STOPPED: u64 = 2;

impl Writer {
    pub(super) fn start(path: PathBuf) -> Self {
        let (ends, reopen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (pause, written) = (Arc::new(AtomicU64::new(RUNS)), Arc::new(AtomicU64::new(0)));
        let first = Arc::new(AtomicU64::new(0));
        let shared = (ends.clone(), reopen.clone(), pause.clone(), written.clone(), first.clone());
        let thread = std::thread::spawn(move || {
            let (ends, reopen, pause, written, first) = shared;
            let open = || OpenOptions::new().create(true).append(true).open(&path).unwrap();
            let mut file = open();
            while !ends.load(Ordering::SeqCst) {
                if pause.load(Ordering::SeqCst) != RUNS {
                    pause.store(STOPPED, Ordering::SeqCst);
                    rest(PACE);
                    continue;
                }
                let number = written.load(Ordering::SeqCst);
                if reopen.load(Ordering::SeqCst) {
                    file = open();
                    first.store(number, Ordering::SeqCst);
                    reopen.store(false, Ordering::SeqCst);
                }
                let line =
                    format!("{number:08} {}\n", "x".repeat(usize::try_from(number % 90).unwrap()));
                file.write_all(line.as_bytes()).unwrap();
                written.store(number + 1, Ordering::SeqCst);
                rest(PACE);
            }
        });
        Self { thread, ends, pause, reopen, written, first }
    }

    pub(super) fn quiet(&self) {
        self.pause.store(STOP, Ordering::SeqCst);
        eventually("the writer is quiet", || {
            (self.pause.load(Ordering::SeqCst) == STOPPED).then_some(())
        });
    }

    /// Has it open its file anew.
    pub(super) fn reopen(&self) {
        self.reopen.store(true, Ordering::SeqCst);
    }

    /// How many lines were written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// How many lines were written to other files than the one it has open; unknown while it is
    /// to open another.
    pub(super) fn left_behind(&self) -> Option<u64> {
        (!self.reopen.load(Ordering::SeqCst)).then(|| self.first.load(Ordering::SeqCst))
    }

    pub(super) fn go_on(&self) {
        self.pause.store(RUNS, Ordering::SeqCst);
    }

    pub(super) fn end(self) -> u64 {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        self.written.load(Ordering::SeqCst)
    }
}
