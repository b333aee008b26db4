// SPDX-License-Identifier: MIT OR Apache-2.0
//! The program whose log is rotated.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use heka_tests::{eventually, rest};

/// Time between two lines.
const PACE: Duration = Duration::from_micros(500);

/// Writes numbered lines, and opens its file anew on request.
pub(super) struct Writer {
    thread: std::thread::JoinHandle<()>,
    ends: Arc<AtomicBool>,
    /// Whether it should pause, and whether it does.
    pause: Arc<AtomicU64>,
    reopen: Arc<AtomicBool>,
    written: Arc<AtomicU64>,
    files: Arc<Mutex<Files>>,
}

/// The files that it has written.
#[derive(Default)]
struct Files {
    /// For each file except the first: its first line, and the first of the lines that may have
    /// been written to the previous file after its rotation.
    begun: Vec<Begun>,
    /// Number of lines written when the file that it has open was rotated.
    rotated: Option<u64>,
}

/// The start of another file.
#[derive(Clone, Copy)]
pub(super) struct Begun {
    pub(super) late: u64,
    pub(super) first: u64,
}

impl Files {
    fn begin(&mut self, first: u64) {
        let late = self.rotated.take().unwrap_or(first);
        self.begun.push(Begun { late, first });
    }
}

const RUNS: u64 = 0;
const STOP: u64 = 1;
const STOPPED: u64 = 2;

impl Writer {
    pub(super) fn start(path: PathBuf) -> Self {
        let (ends, reopen) = (Arc::new(AtomicBool::new(false)), Arc::new(AtomicBool::new(false)));
        let (pause, written) = (Arc::new(AtomicU64::new(RUNS)), Arc::new(AtomicU64::new(0)));
        let files = Arc::new(Mutex::new(Files::default()));
        let shared = (ends.clone(), reopen.clone(), pause.clone(), written.clone(), files.clone());
        let thread = std::thread::spawn(move || {
            let (ends, reopen, pause, written, files) = shared;
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
                    files.lock().unwrap().begin(number);
                    reopen.store(false, Ordering::SeqCst);
                }
                let line =
                    format!("{number:08} {}\n", "x".repeat(usize::try_from(number % 90).unwrap()));
                file.write_all(line.as_bytes()).unwrap();
                written.store(number + 1, Ordering::SeqCst);
                rest(PACE);
            }
        });
        Self { thread, ends, pause, reopen, written, files }
    }

    pub(super) fn quiet(&self) {
        self.pause.store(STOP, Ordering::SeqCst);
        eventually("the writer is quiet", || {
            (self.pause.load(Ordering::SeqCst) == STOPPED).then_some(())
        });
    }

    /// Makes it open its file anew, which was rotated when `rotated` lines were written.
    pub(super) fn reopen(&self, rotated: u64) {
        self.files.lock().unwrap().rotated.get_or_insert(rotated);
        self.reopen.store(true, Ordering::SeqCst);
    }

    /// Notes that its file was truncated.
    pub(super) fn truncated(&self) {
        self.files.lock().unwrap().begin(self.written());
    }

    /// Returns the number of lines written.
    pub(super) fn written(&self) -> u64 {
        self.written.load(Ordering::SeqCst)
    }

    /// Returns the number of lines written to other files than the open one; unknown while it is
    /// about to open another.
    pub(super) fn left_behind(&self) -> Option<u64> {
        let files = self.files.lock().unwrap();
        let first = || files.begun.last().map_or(0, |begun| begun.first);
        (!self.reopen.load(Ordering::SeqCst)).then(first)
    }

    pub(super) fn go_on(&self) {
        self.pause.store(RUNS, Ordering::SeqCst);
    }

    /// Ends it; returns the number of lines, and where files other than the first begin.
    pub(super) fn end(self) -> (u64, Vec<Begun>) {
        self.ends.store(true, Ordering::SeqCst);
        self.thread.join().unwrap();
        let begun = std::mem::take(&mut self.files.lock().unwrap().begun);
        (self.written.load(Ordering::SeqCst), begun)
    }
}
