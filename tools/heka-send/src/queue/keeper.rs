// SPDX-License-Identifier: MIT OR Apache-2.0
//! The slow part of maintaining a queue: a thread that waits for the disk, so that messages need
//! not.

use std::fs::File;
use std::io::ErrorKind;
use std::sync::Arc;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use super::cursor::Cursor;
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop};

/// Work to be done in this order.
#[derive(Debug, Default)]
pub(super) struct Job {
    /// Files to be synced.
    pub(super) sync: Vec<File>,
    /// The cursor to be saved.
    pub(super) cursor: Option<Cursor>,
    /// Files that are not needed once the cursor is stored.
    pub(super) remove: Vec<String>,
}

impl Job {
    fn run(self, dir: &PrivateDir) -> Result<(), Stop> {
        for file in self.sync {
            file.sync_data().at(dir.display())?;
        }
        if let Some(cursor) = self.cursor {
            cursor.save(dir).at(dir.display())?;
        }
        for name in self.remove {
            match dir.remove_file(&name) {
                // It was missing when the queue was opened.
                Err(error) if error.kind() == ErrorKind::NotFound => {}
                other => other.at(dir.path_of(&name).display())?,
            }
        }
        Ok(())
    }
}

/// Progress of clearing the promise for the last file in the cursor on disk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Clearing {
    /// Not cleared.
    Nothing,
    /// Being cleared, for this file.
    Begun(u64),
    /// Cleared, for this file.
    Done(u64),
}

/// Executes one job after the other.
#[derive(Debug)]
pub(super) struct Keeper {
    jobs: Option<Sender<Job>>,
    done: Receiver<Result<(), Stop>>,
    pending: usize,
    /// Whether a job has failed. The system reports that only once; whatever else was to be synced
    /// is not safe either.
    has_failed: bool,
    clearing: Clearing,
    dir: Arc<PrivateDir>,
    thread: Option<JoinHandle<()>>,
}

impl Keeper {
    pub(super) fn start(dir: Arc<PrivateDir>) -> Self {
        let (jobs, work) = channel::<Job>();
        let (report, done) = channel();
        let place = Arc::clone(&dir);
        let thread = std::thread::spawn(move || {
            for job in work {
                if report.send(job.run(&place)).is_err() {
                    break;
                }
            }
        });
        let (jobs, thread) = (Some(jobs), Some(thread));
        Self { jobs, done, pending: 0, has_failed: false, clearing: Clearing::Nothing, dir, thread }
    }

    fn note(&mut self, outcome: Result<(), Stop>) -> Result<(), Stop> {
        self.pending = self.pending.saturating_sub(1);
        self.has_failed |= outcome.is_err();
        if let (0, Clearing::Begun(file)) = (self.pending, self.clearing) {
            self.clearing = Clearing::Done(file);
        }
        outcome
    }

    fn check(&self) -> Result<(), Stop> {
        if self.has_failed {
            let dir = self.dir.display();
            return Err(Stop::failed(format_args!("{dir}: not all of the queue could be stored")));
        }
        Ok(())
    }

    /// Whether a job is in progress.
    ///
    /// # Errors
    /// Errors of jobs that have ended since.
    pub(super) fn is_busy(&mut self) -> Result<bool, Stop> {
        while let Ok(outcome) = self.done.try_recv() {
            self.note(outcome)?;
        }
        self.check()?;
        Ok(self.pending > 0)
    }

    pub(super) fn start_job(&mut self, job: Job) {
        let clears = |cursor: &&Cursor| cursor.promised == Some(cursor.place);
        self.clearing = match job.cursor.as_ref().filter(clears).map(|cursor| cursor.place.file) {
            None => Clearing::Nothing,
            // The cursor is cleared before and after this job.
            Some(file) if self.clearing == Clearing::Done(file) => Clearing::Done(file),
            Some(file) => Clearing::Begun(file),
        };
        match &self.jobs {
            Some(jobs) if jobs.send(job).is_ok() => self.pending += 1,
            _ => self.has_failed = true,
        }
    }

    /// Whether the cursor on disk promises nothing in that file, and no job is in progress.
    ///
    /// # Errors
    /// Errors of the jobs that have ended since.
    pub(super) fn has_cleared(&mut self, file: u64) -> Result<bool, Stop> {
        Ok(!self.is_busy()? && self.clearing == Clearing::Done(file))
    }

    /// Whether the cursor on disk promises nothing in the last file, so that the file may be
    /// overwritten: after a crash of the system, old and new data in it could not be told apart.
    /// Otherwise begins to clear the cursor; ask again later.
    ///
    /// # Errors
    /// Errors of jobs that have ended since.
    pub(super) fn is_cleared(&mut self, cursor: &Cursor) -> Result<bool, Stop> {
        let (is_busy, file) = (self.is_busy()?, cursor.place.file);
        let is_cleared = self.clearing == Clearing::Done(file);
        if !is_cleared && !is_busy {
            let cursor = Cursor { promised: Some(cursor.place), ..cursor.clone() };
            self.start_job(Job { cursor: Some(cursor), ..Job::default() });
        }
        Ok(is_cleared)
    }

    /// Waits until all jobs are done.
    ///
    /// # Errors
    /// Errors of the jobs.
    pub(super) fn finish(&mut self) -> Result<(), Stop> {
        while self.pending > 0 {
            let Ok(outcome) = self.done.recv() else {
                self.has_failed = true;
                break;
            };
            self.note(outcome)?;
        }
        self.check()
    }
}

impl Drop for Keeper {
    fn drop(&mut self) {
        self.jobs = None;
        if let Some(thread) = self.thread.take() {
            // The thread has reported any errors.
            let _ = thread.join();
        }
    }
}
