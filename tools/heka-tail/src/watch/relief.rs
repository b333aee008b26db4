// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keeps the number of events bearable: directories with too many are split, and restored when they
//! are quiet.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use notify::{RecursiveMode, Watcher as _};

use super::busy::{Directory, Fate, LOOKS, Noise, Own, POLL, Split, at_rate, is_busy, loudest};
use super::{Changes, Watch};
use crate::few::Few;
use heka_core::report;

/// Polls busy files.
pub(super) fn poll(watch: &mut Watch, now: Instant, changes: &mut Changes) {
    watch.poll_at = now + POLL;
    let mut changed = HashSet::new();
    for (path, directory) in &mut watch.directories {
        if directory.split.is_none() {
            continue;
        }
        match directory.look(path) {
            Fate::Same => {}
            Fate::Changed => drop(changed.insert(path.clone())),
            Fate::Lost => changes.all = true,
        }
    }
    let noted = watch.shared.lock();
    let splits = watch.directories.values().filter_map(|directory| directory.split.as_ref());
    let files = splits.flat_map(Split::polled);
    for streams in files.filter_map(|path| noted.files.get(path)) {
        changes.contents.extend(streams.iter());
    }
    drop(noted);
    watch.tell_names(&changed, changes);
    watch.looks += 1;
    if watch.looks >= LOOKS {
        judge(watch, changes);
    }
}

/// Finds files that are no longer busy, and watches them.
fn judge(watch: &mut Watch, changes: &mut Changes) {
    watch.looks = 0;
    let grew = std::mem::take(&mut watch.grew);
    let mut calm = Vec::new();
    {
        let noted = watch.shared.lock();
        let grew = |path: &Path| {
            let streams = noted.files.get(path).into_iter().flat_map(Few::iter);
            streams.filter_map(|&stream| grew.get(stream)).copied().max().unwrap_or(0)
        };
        for (path, directory) in &mut watch.directories {
            let Some(split) = &mut directory.split else { continue };
            for file in split.calm(grew) {
                split.files.insert(file.clone(), Own::Absent);
                calm.push((path.clone(), file));
            }
        }
    }
    for (directory, file) in calm {
        watch.watch_file(&directory, &file);
        if let Some(streams) = watch.shared.lock().files.get(file.as_path()) {
            changes.contents.extend(streams.iter());
        }
    }
}

/// Keeps the number of events within the limit.
pub(super) fn weigh(watch: &mut Watch, now: Instant, elapsed: Duration, changes: &mut Changes) {
    watch.counted_from = now;
    let events = watch.shared.lock().events;
    if events > at_rate(watch.limit, elapsed) {
        for noise in loudest(noises(watch, elapsed), watch.limit, elapsed) {
            relieve(watch, &noise.path, now, elapsed);
        }
    }
    if events > 0 {
        watch.shared.lock().reset_counts();
    }
    if watch.is_split {
        restore(watch, now, changes);
    }
}

/// Returns the sources of events.
fn noises(watch: &Watch, elapsed: Duration) -> Vec<Noise> {
    let noted = watch.shared.lock();
    let mut noises = Vec::new();
    let mut watched: HashMap<&Path, u64> = HashMap::new();
    for (path, &events) in &noted.writes {
        let Some(parent) = path.parent() else { continue };
        let is_split = |directory: &Directory| directory.split.is_some();
        if watch.directories.get(parent).is_some_and(is_split) {
            noises.push(Noise { path: path.to_path_buf(), events, spared: events });
        } else if !is_busy(events, elapsed) {
            *watched.entry(parent).or_default() += events;
        }
    }
    let whole = watch.directories.iter().filter(|(_, found)| found.split.is_none());
    for (path, _) in whole {
        let events = noted.watched.get(path).copied().unwrap_or(0);
        let spared = events.saturating_sub(watched.get(path.as_path()).copied().unwrap_or(0));
        noises.push(Noise { path: path.clone(), events, spared });
    }
    noises
}

/// Drops the watch of a directory, or of a file in a split one.
fn relieve(watch: &mut Watch, path: &Path, now: Instant, elapsed: Duration) {
    let is_split = |directory: &Directory| directory.split.is_some();
    if let Some(parent) =
        path.parent().filter(|at| watch.directories.get(*at).is_some_and(is_split))
        && let Some(split) = watch.directories.get_mut(parent).and_then(|at| at.split.as_mut())
    {
        drop(watch.watcher.unwatch(path));
        split.files.insert(path.to_owned(), Own::Busy(0));
        return;
    }
    let files: Vec<(PathBuf, u64)> = {
        let noted = watch.shared.lock();
        let is_here = |file: &Path| file.parent() == Some(path);
        let files = noted.files.keys().filter(|file| is_here(file));
        let writes = |file: &Arc<Path>| noted.writes.get(file).copied().unwrap_or(0);
        files.map(|file| (file.to_path_buf(), writes(file))).collect()
    };
    let (busy, quiet): (Vec<_>, Vec<_>) =
        files.into_iter().partition(|(_, writes)| is_busy(*writes, elapsed));
    let Some(directory) = watch.directories.get_mut(path) else { return };
    let ms = POLL.as_millis();
    report::note(format_args!("{}: busy; polling every {ms} ms", path.display()));
    directory.split(busy.into_iter().map(|(file, _)| file), now);
    watch.is_split = true;
    watch.poll_at = now;
    // This comes first: while a directory is watched, notify drops the watches of files that move.
    drop(watch.watcher.unwatch(path));
    for (file, _) in quiet {
        watch.watch_file(path, &file);
    }
    // The check of the directory that follows covers all names in it.
}

/// Watches split directories again if nothing in them is busy.
fn restore(watch: &mut Watch, now: Instant, changes: &mut Changes) {
    let mut restored = HashMap::new();
    for (path, directory) in &mut watch.directories {
        restored.extend(directory.restore(now).map(|files| (path.clone(), files)));
    }
    for (path, files) in &restored {
        report::note(format_args!("{}: quiet again", path.display()));
        watch.unwatch_files(files);
        if watch.watcher.watch(path, RecursiveMode::NonRecursive).is_err() {
            watch.directories.remove(path);
            watch.shared.lock().watched.remove(path);
            changes.all = true;
        }
    }
    watch.tell_names(&restored.into_keys().collect(), changes);
    watch.is_split = watch.directories.values().any(|directory| directory.split.is_some());
}
