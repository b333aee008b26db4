// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow part of keeping a queue: a thread that waits for the disk, so that the messages need
//! not.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::cursor::Cursor;
use crate::exit::{Explain as _, Stop};

/// What is to be done, in this order.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// Files whose contents are to outlive the machine.
    pub(super) sync: Vec<File>,
    /// How far the far end has got.
    pub(super) cursor: Option<Cursor>,
    /// Files that nobody needs once the cursor is stored.
    pub(super) remove: Vec<PathBuf>,
}

impl Job {
    fn run(self, dir: &Path) -> Result<(), Stop> {
        for file in self.sync {
            file.sync_data().at(dir.display())?;
        }
        if let Some(cursor) = self.cursor {
            cursor.save(dir).at(dir.display())?;
        }
        for path in self.remove {
            std::fs::remove_file(&path).at(path.display())?;
        }
        Ok(())
    }
}

/// Does one job after the other.
#[derive(Debug)]
pub(super) struct Keeper {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<(), Stop>>,
    pending: usize,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(dir: PathBuf) -> Self {
        let (jobs, work) = channel::<Job>();
        let (report, done) = channel();
        let thread = std::thread::spawn(move || {
            for job in work {
                if report.send(job.run(&dir)).is_err() {
                    break;
                }
            }
        });
        Self { jobs: Some(jobs), done, pending: 0, thread: Some(thread) }
    }

    /// Whether a job is under way.
    ///
    /// # Errors
    /// Those of the jobs that have ended since.
    pub(super) fn is_busy(&mut self) -> Result<bool, Stop> {
        while let Ok(outcome) = self.done.try_recv() {
            self.pending -= 1;
            outcome?;
        }
        Ok(self.pending > 0)
    }

    pub(super) fn start_job(&mut self, job: Job) {
        if self.jobs.as_ref().is_some_and(|jobs| jobs.send(job).is_ok()) {
            self.pending += 1;
        }
    }

    /// Waits until all is done.
    ///
    /// # Errors
    /// Those of the jobs.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        while self.pending > 0 {
            let Ok(outcome) = self.done.recv() else { break };
            self.pending -= 1;
            outcome?;
        }
        Ok(())
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // It has told what went wrong, if anything did.
            let _ = thread.join();
        }
    }
}
