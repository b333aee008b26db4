// SPDX-License-Identifier: MIT OR Apache-2.0
//! Relief for busy directories, in which an event per write costs more than polling.
//!
//! The watch of a directory reports every write to every file in it. A directory that is too loud
//! is *split*: its watch is dropped, files in it with many writes are polled every [`POLL`], and
//! all others get watches of their own, so that their lines are still noticed at once. Changes of
//! names are then detected by the directory's modification time. When nothing in it is busy, it is
//! watched as before.

use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use crate::follow::identity::{Identity, is_settled, modified};

/// Polling interval of busy files.
pub(crate) const POLL: Duration = Duration::from_millis(100);
/// Interval over which events are counted, unless there are very many.
pub(crate) const WINDOW: Duration = Duration::from_millis(500);
/// Minimum interval over which events are counted.
pub(crate) const MIN_WINDOW: Duration = Duration::from_millis(50);
/// Files with fewer writes per second are never considered busy.
const MANY: u64 = 8;
/// Number of polls over which a busy file is judged.
pub(crate) const LOOKS: u32 = 5;
/// Number of consecutive calm judgements before a busy file is watched again.
const CALM: u32 = 4;
/// Minimum time that a directory stays split; doubled each time that it proved too short.
const PATIENCE: Duration = Duration::from_secs(2);
const MAX_PATIENCE: Duration = Duration::from_secs(64);

/// A directory that contains files of streams.
#[derive(Debug)]
pub(crate) struct Directory {
    pub(crate) identity: Identity,
    pub(crate) split: Option<Split>,
    patience: Duration,
    restored: Option<Instant>,
}

/// A directory whose files are watched individually or polled.
#[derive(Debug)]
pub(crate) struct Split {
    pub(crate) files: HashMap<PathBuf, Own>,
    changed: u64,
    is_settled: bool,
    until: Instant,
}

/// How growth of a file in a split directory is noticed.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Own {
    /// The file is watched.
    Watched(Identity),
    /// The file is busy and polled; holds the number of consecutive calm judgements.
    Busy(u32),
    /// The file cannot be watched, and is polled.
    Helpless,
    /// The file does not exist, or is only another name of a watched one.
    Absent,
}

/// The result of checking a directory.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Fate {
    Same,
    /// Names in it may have changed.
    Changed,
    /// It was removed or replaced.
    Lost,
}

impl Directory {
    pub(crate) fn new(identity: Identity) -> Self {
        Self { identity, split: None, patience: PATIENCE, restored: None }
    }

    /// Splits the directory.
    pub(crate) fn split(&mut self, busy: impl IntoIterator<Item = PathBuf>, now: Instant) {
        let is_again = self.restored.is_some_and(|restored| now < restored + MAX_PATIENCE);
        self.patience = if is_again { (self.patience * 2).min(MAX_PATIENCE) } else { PATIENCE };
        self.split = Some(Split {
            files: busy.into_iter().map(|path| (path, Own::Busy(0))).collect(),
            changed: 0,
            is_settled: false,
            until: now + self.patience,
        });
    }

    /// Reverts to watching the directory, if nothing in it is busy; returns its individual watches.
    pub(crate) fn restore(&mut self, now: Instant) -> Option<HashMap<PathBuf, Own>> {
        let is_calm = |split: &mut Split| {
            split.until <= now && !split.files.values().any(|own| matches!(own, Own::Busy(_)))
        };
        let split = self.split.take_if(is_calm)?;
        self.restored = Some(now);
        Some(split.files)
    }

    /// Checks the directory at `path`.
    pub(crate) fn look(&mut self, path: &Path) -> Fate {
        let Ok(metadata) = std::fs::metadata(path) else { return Fate::Lost };
        if Identity::of(&metadata) != self.identity {
            return Fate::Lost;
        }
        let Some(split) = &mut self.split else { return Fate::Same };
        let changed = modified(&metadata);
        let is_same = changed == split.changed && split.is_settled;
        split.is_settled = is_settled(changed);
        split.changed = changed;
        if is_same { Fate::Same } else { Fate::Changed }
    }
}

impl Split {
    /// Returns the files to poll.
    pub(crate) fn polled(&self) -> impl Iterator<Item = &Path> {
        let is_polled = |own: &Own| matches!(own, Own::Busy(_) | Own::Helpless);
        self.files.iter().filter(move |(_, own)| is_polled(own)).map(|(path, _)| path.as_path())
    }

    /// Judges the busy files after [`LOOKS`] polls, of which `grew` returns how many found new
    /// data; returns the files that are no longer busy.
    pub(crate) fn calm(&mut self, grew: impl Fn(&Path) -> u32) -> Vec<PathBuf> {
        let mut calm = Vec::new();
        for (path, own) in &mut self.files {
            if let Own::Busy(times) = own {
                *times = if grew(path) <= 1 { *times + 1 } else { 0 };
                if *times >= CALM {
                    calm.push(path.clone());
                }
            }
        }
        calm
    }
}

/// A source of events, with their number.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Noise {
    /// The directory, or the file in a split directory.
    pub(crate) path: PathBuf,
    pub(crate) events: u64,
    /// Number of events that splitting or polling would avoid.
    pub(crate) spared: u64,
}

/// Returns the number of events within `elapsed` at a rate of `per_second`.
pub(crate) fn at_rate(per_second: u64, elapsed: Duration) -> u64 {
    let ms = u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX);
    per_second.saturating_mul(ms) / 1000
}

/// Whether this number of writes within `elapsed` makes a file busy.
pub(crate) fn is_busy(writes: u64, elapsed: Duration) -> bool {
    writes >= at_rate(MANY, elapsed).max(2)
}

/// Returns the loudest of `noises`, such that half of `limit` events per second are left, if
/// possible.
pub(crate) fn loudest(mut noises: Vec<Noise>, limit: u64, elapsed: Duration) -> Vec<Noise> {
    let mut left: u64 = noises.iter().map(|noise| noise.events).sum();
    let bearable = at_rate(limit / 2, elapsed);
    noises.retain(|noise| is_busy(noise.spared, elapsed) && noise.spared >= noise.events / 2);
    noises.sort_by(|a, b| b.spared.cmp(&a.spared).then_with(|| a.path.cmp(&b.path)));
    let enough = noises.iter().position(|noise| {
        let is_enough = left <= bearable;
        left = left.saturating_sub(noise.spared);
        is_enough
    });
    noises.truncate(enough.unwrap_or(noises.len()));
    noises
}

#[cfg(test)]
mod tests {
    use super::*;

    fn noise(path: &str, events: u64, spared: u64) -> Noise {
        Noise { path: path.into(), events, spared }
    }

    #[test]
    fn the_loudest_go_until_the_rest_is_bearable() {
        let second = Duration::from_secs(1);
        let noises = vec![noise("a", 600, 600), noise("b", 1500, 1500), noise("c", 3, 3)];
        let names = |limit| -> Vec<PathBuf> {
            loudest(noises.clone(), limit, second).into_iter().map(|noise| noise.path).collect()
        };
        assert_eq!(names(2000), [PathBuf::from("b")]);
        assert_eq!(names(1000), [PathBuf::from("b"), PathBuf::from("a")]);
        assert_eq!(names(1), [PathBuf::from("b"), PathBuf::from("a")]);
        assert!(names(10_000).is_empty());
        // Many files with few lines each: nothing would be gained.
        assert_eq!(loudest(vec![noise("d", 3000, 40)], 2000, second), []);
    }

    #[test]
    fn a_busy_file_is_calm_after_a_while_and_the_directory_with_it() {
        let dir = tempfile::tempdir().unwrap();
        let start = Instant::now();
        let mut directory = Directory::new(Identity::of(&std::fs::metadata(dir.path()).unwrap()));
        directory.split([dir.path().join("a")], start);
        assert_eq!(directory.look(dir.path()), Fate::Changed, "nothing is known of it yet");
        assert_eq!(directory.restore(start + MAX_PATIENCE), None, "still busy");
        let split = directory.split.as_mut().unwrap();
        for _ in 1..CALM {
            assert!(split.calm(|_| 1).is_empty());
        }
        assert!(split.calm(|_| 5).is_empty(), "busy again");
        for _ in 1..CALM {
            assert!(split.calm(|_| 0).is_empty());
        }
        assert_eq!(split.calm(|_| 0), [dir.path().join("a")]);
        split.files.insert(dir.path().join("a"), Own::Absent);
        assert_eq!(directory.restore(start), None, "not yet");
        assert!(directory.restore(start + PATIENCE).is_some());
        directory.split([], start + PATIENCE);
        assert_eq!(directory.restore(start + PATIENCE * 2), None, "twice as long");
    }

    #[test]
    fn a_directory_tells_of_new_names() {
        let dir = tempfile::tempdir().unwrap();
        let mut directory = Directory::new(Identity::of(&std::fs::metadata(dir.path()).unwrap()));
        directory.split([], Instant::now());
        while directory.look(dir.path()) == Fate::Changed {
            std::thread::yield_now();
        }
        std::fs::write(dir.path().join("new"), "").unwrap();
        assert_eq!(directory.look(dir.path()), Fate::Changed);
        std::fs::remove_dir_all(dir.path()).unwrap();
        assert_eq!(directory.look(dir.path()), Fate::Lost);
    }
}
