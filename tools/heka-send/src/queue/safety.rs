// SPDX-License-Identifier: MIT OR Apache-2.0
//! Makes a queue survive a crash of the system, and decides when.

use std::fs::File;
use std::sync::Arc;
use std::time::Duration;

use super::Place;
use super::cursor::Cursor;
use super::keeper::{Job, Keeper};
use super::log::Log;
use heka_core::os::PrivateDir;
use heka_core::report::{Explain as _, Stop, stats};

/// Interval at which [`Safety::tick`] is called.
pub(crate) const TICK: Duration = Duration::from_millis(500);

/// How much of a queue is safe on the disk.
#[derive(Debug)]
pub(super) struct Safety {
    dir: Arc<PrivateDir>,
    pub(super) keeper: Keeper,
    /// Everything before this position has been synced, or will be by the sync in progress.
    pub(super) synced: Place,
    /// Acknowledged files that can be removed once the cursor says so.
    pub(super) acknowledged: Vec<String>,
    /// Whether the cursor on disk is out of date.
    pub(super) is_unsaved: bool,
    /// Number, in its block, of the last message that existed at the last tick.
    aged: u64,
    is_odd_tick: bool,
}

impl Safety {
    /// Creates the state with an unsaved cursor; an earlier process has synced everything before
    /// `synced`.
    pub(super) fn new(dir: Arc<PrivateDir>, synced: Place) -> Self {
        Self {
            keeper: Keeper::start(Arc::clone(&dir)),
            dir,
            synced,
            acknowledged: Vec::new(),
            is_unsaved: true,
            aged: 0,
            is_odd_tick: false,
        }
    }

    /// Syncs unacknowledged messages and the cursor.
    pub(super) fn sync(&mut self, cursor: &mut Cursor, log: &mut Log) -> Result<(), Stop> {
        stats::blocked_while(stats::On::Disk, || {
            self.keeper.finish()?;
            self.sync_soon(cursor, log)?;
            self.keeper.finish()
        })
    }

    /// Like [`Safety::sync`], without waiting for the disk; does nothing while the last call is in
    /// progress.
    pub(super) fn sync_soon(&mut self, cursor: &mut Cursor, log: &mut Log) -> Result<(), Stop> {
        if self.keeper.is_busy()? || !self.is_dirty(log) {
            return Ok(());
        }
        let mut sync = log.take_unsynced();
        let has_any = log.len_behind(cursor.place) > 0;
        if std::mem::take(&mut log.is_unsynced) && has_any {
            sync.push(log.last.file.try_clone().at(self.dir.display())?);
            self.synced = log.end();
            cursor.stored = log.appended;
            self.is_unsaved = true;
        }
        self.save_soon(sync, cursor, log);
        Ok(())
    }

    /// Begins to sync messages queued before the last call, unless they have been acknowledged. As
    /// long as the far end keeps up, no message has to go to the disk.
    pub(super) fn tick(&mut self, cursor: &mut Cursor, log: &mut Log) -> Result<(), Stop> {
        let aged = std::mem::replace(&mut self.aged, log.appended);
        self.is_odd_tick = !self.is_odd_tick;
        let is_promised = cursor.place < self.synced || cursor.place.file != log.end().file;
        let is_old = aged > cursor.stored.max(cursor.number + cursor.lost);
        if is_old || (is_promised && !self.is_odd_tick) {
            return self.sync_soon(cursor, log);
        }
        if is_promised || self.is_odd_tick || self.keeper.is_busy()? {
            return Ok(());
        }
        log.is_unsynced &= log.len_behind(cursor.place) > 0;
        if self.is_unsaved {
            self.save_soon(Vec::new(), cursor, log);
        }
        Ok(())
    }

    /// Schedules saving of the cursor, after syncing these files.
    fn save_soon(&mut self, sync: Vec<File>, cursor: &Cursor, log: &Log) {
        let end = log.end();
        let promised = if log.len_behind(cursor.place) == 0 || self.synced < end {
            // Promise nothing, so that the file may be started over.
            Some(cursor.place)
        } else {
            Some(end).filter(|end| log.last.extent > end.offset)
        };
        let cursor =
            std::mem::take(&mut self.is_unsaved).then(|| Cursor { promised, ..cursor.clone() });
        let remove = std::mem::take(&mut self.acknowledged);
        self.keeper.start_job(Job { sync, cursor, remove });
    }

    /// Whether the cursor on disk promises nothing in that file, the only one.
    ///
    /// # Errors
    /// Errors of the jobs that have ended since.
    pub(super) fn promises_nothing(&mut self, file: u64) -> Result<bool, Stop> {
        Ok(self.acknowledged.is_empty() && self.keeper.has_cleared(file)?)
    }

    /// Whether [`Safety::sync`] has something to do.
    pub(super) fn is_dirty(&self, log: &Log) -> bool {
        log.is_unsynced || self.is_unsaved
    }
}
