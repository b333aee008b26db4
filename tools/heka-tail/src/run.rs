// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks at files when something happens to them, and waits.

use std::collections::{BTreeMap, BTreeSet, HashSet};
use std::ops::Bound;
use std::path::PathBuf;
use std::rc::Rc;
use std::time::Instant;

use crate::follow::{Block, Look, Relation, Seen, Stream};
use crate::watch::Watch;
use heka_core::os::{Wanted, drain, raise_open_files, signal, wait};
use heka_core::record::More;
use heka_core::report::{self, Cause as _, Status, Stop};
use nix::poll::PollFlags;
use nix::unistd::Pid;

use crate::emit::{Emitter, Origin, Written};
use crate::numbers::Readings;
use crate::plan::{Job, Plan};
use crate::show::show;
use crate::sources::{Scan, Sources};
use crate::state::State;
use crate::streams::Streams;

/// Does what was asked for.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let job = match plan {
        Plan::Show(path) => return show(&path),
        Plan::Follow(job) => *job,
    };
    let mut tail = Tail::new(job)?;
    let ended = tail.follow();
    // Also what was read before a signal is written, and where that was.
    match ended {
        Ok(_) | Err(Stop::Signal(_)) => tail.finish()?,
        Err(_) => tail.emitter.out.flush()?,
    }
    let lost = tail.lost || tail.emitter.has_lost() || tail.state.is_failing();
    let written = tail.job.writing.status(tail.emitter.records());
    Ok(ended?.and(Status::failed_if(lost)).and(written))
}

/// Descriptors that are left for other things than followed files.
const SPARE: u64 = 64;
/// How many streams are looked at before there is a look at what else has happened.
const BATCH: usize = 256;

struct Tail {
    job: Job,
    sources: Sources,
    streams: Streams,
    emitter: Emitter,
    state: State,
    block: Block,
    watch: Option<Watch>,
    /// Streams to look at, by number, and whether names may have changed.
    dirty: BTreeMap<usize, bool>,
    /// The stream that was looked at last.
    last: usize,
    /// Streams whose position may have changed since it was last noted.
    touched: BTreeSet<usize>,
    /// Streams whose directories are not watched.
    unwatched: BTreeSet<usize>,
    /// Streams whose files are written to in ways that nothing tells of.
    polled: BTreeSet<usize>,
    /// Whether a directory that streams may appear in is not watched.
    is_blind: bool,
    /// Streams that have to be looked at by a certain time.
    timed: BTreeSet<usize>,
    /// Streams that have no file.
    gone: BTreeSet<usize>,
    poll_at: Instant,
    rescan_at: Instant,
    /// How many streams may have files open.
    limit: usize,
    readings: Readings,
    /// Whether something of a file could not be read.
    lost: bool,
}

impl Tail {
    fn new(mut job: Job) -> Result<Self, Stop> {
        let now = Instant::now();
        let selection = job.selection.take();
        let exclusion = std::mem::take(&mut job.exclusion);
        let mut tail = Self {
            sources: Sources::new(&job.files, selection, exclusion, job.oldest),
            streams: Streams::default(),
            emitter: Emitter::new(&job)?,
            state: State::open(&job)?,
            block: Block::default(),
            watch: None,
            dirty: BTreeMap::new(),
            last: usize::MAX,
            touched: BTreeSet::new(),
            unwatched: BTreeSet::new(),
            polled: BTreeSet::new(),
            is_blind: false,
            timed: BTreeSet::new(),
            gone: BTreeSet::new(),
            poll_at: now,
            rescan_at: now + job.rescan_interval,
            limit: usize::MAX,
            readings: Readings::new(job.counts),
            lost: false,
            job,
        };
        tail.emitter.tell_form();
        if tail.job.options.follow {
            signal::reopen_on_hup();
            let limit = raise_open_files();
            tail.limit = usize::try_from(limit.saturating_sub(SPARE)).unwrap_or(usize::MAX).max(1);
            tail.start_watching();
        }
        tail.first_scan()?;
        Ok(tail)
    }

    fn first_scan(&mut self) -> Result<(), Stop> {
        let scan = self.sources.scan(&|_| Relation::None)?;
        if let Some(error) = scan.errors.first() {
            return Err(Stop::failed(error));
        }
        let waits = self.job.options.follow && self.job.options.wait_for_files;
        if let Some((name, cause)) = self.sources.missing() {
            if !waits {
                return Err(Stop::failed(format_args!("{name}: {cause}")));
            }
            report::warning(format_args!("{name}: {cause}; waiting for it"));
        }
        self.lost |= self.sources.report_unmatched(waits) && !waits;
        self.add(scan)?;
        self.state.forget_old(self.job.forget_after);
        Ok(())
    }

    fn start_watching(&mut self) {
        if self.job.use_polling {
            return;
        }
        match Watch::new(self.job.busy_rate) {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => {
                tell_polling(&format!("{} (see fs.inotify.max_user_instances)", error.cause()));
            }
        }
    }

    /// Takes streams in, and watches directories for more.
    fn add(&mut self, scan: Scan) -> Result<(), Stop> {
        for found in scan.found {
            let key = found.key;
            let options = &self.job.options;
            let stream = self.state.resume(&key, found.stream, found.is_met, options)?;
            let is_met = found.is_met || stream.is_selected();
            let number = self.streams.add(Rc::clone(&key), stream, is_met);
            if let Some(followed) = self.streams.get(number) {
                self.readings.add(number, &followed.stream);
            }
            self.sources.place(key, number);
            self.dirty.insert(number, true);
            self.unwatched.insert(number);
        }
        for number in scan.rotated {
            if let Some(followed) = self.streams.get_mut(number)
                && followed.stream.set_alone(false)
            {
                self.dirty.insert(number, true);
            }
        }
        self.dirty.extend(scan.touched.into_iter().map(|number| (number, true)));
        self.watch_directories(&scan.directories);
        if let Some(watch) = &self.watch {
            scan.old.iter().for_each(|path| watch.await_write(path));
        }
        self.watch_again();
        Ok(())
    }

    /// Watches directories that streams may appear in. All of them are tried at each scan.
    fn watch_directories(&mut self, directories: &[PathBuf]) {
        let Some(watch) = &mut self.watch else { return };
        for directory in directories {
            match watch.add_directory(directory) {
                Ok(()) => {}
                Err(error) => {
                    self.is_blind = true;
                    if error.kind() != std::io::ErrorKind::NotFound {
                        tell_polling(&error.cause());
                    }
                }
            }
        }
    }

    /// Tries to watch what is not watched yet. What is new to it is to be looked at: something may
    /// have happened there before.
    fn watch_again(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        watch.forget_routes();
        let mut full = None;
        for number in std::mem::take(&mut self.unwatched) {
            let Some(followed) = self.streams.get(number) else { continue };
            let path = followed.stream.path();
            match watch.add(path, number) {
                Ok(added) => {
                    if added.is_new {
                        self.dirty.insert(number, true);
                    }
                    if added.is_told {
                        self.polled.remove(&number);
                    } else {
                        self.polled.insert(number);
                    }
                }
                // A directory that comes back is scanned; what a link leads to is not.
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                    if !followed.is_met || path.is_symlink() {
                        self.unwatched.insert(number);
                    }
                }
                Err(error) => {
                    full = Some(error.cause());
                    self.unwatched.insert(number);
                }
            }
        }
        if let Some(cause) = full {
            tell_polling(&cause);
        }
    }

    fn follow(&mut self) -> Result<Status, Stop> {
        if !self.job.options.follow {
            return self.read_once();
        }
        loop {
            let is_last =
                !self.job.pids.is_empty() && self.job.pids.iter().all(|&pid| is_dead(pid));
            self.look_at_dirty()?;
            self.forget()?;
            if self.dirty.is_empty() && self.has_given_up() {
                return Ok(Status::Failed);
            }
            if is_last {
                return self.read_once().map(|_| Status::Done);
            }
            self.flush_and_save_if_due()?;
            self.wait()?;
        }
    }

    /// Reads all files to their ends, one after the other, and closes them.
    fn read_once(&mut self) -> Result<Status, Stop> {
        let mut status = Status::Done;
        for number in self.streams.numbers() {
            loop {
                self.serve()?;
                match self.look(number, true)? {
                    Seen::More => self.flush_and_save_if_due()?,
                    Seen::Idle => break,
                    Seen::Missing => {
                        status = status.and(Status::Failed);
                        break;
                    }
                }
            }
            let more = if self.job.incomplete { More::Ended } else { More::Idle };
            self.press(number, more)?;
            if let Some(followed) = self.streams.get_mut(number) {
                followed.stream.close_files();
            }
            self.streams.looked_at(number);
        }
        Ok(status)
    }

    /// Whether no file is left that is worth waiting for.
    fn has_given_up(&self) -> bool {
        !self.job.options.wait_for_files
            && self.streams.iter().all(|(_, one)| !one.stream.is_open(&self.job.options))
    }

    fn look(&mut self, number: usize, names: bool) -> Result<Seen, Stop> {
        let seen = self.with(number, names, Stream::look).unwrap_or(Ok(Seen::Idle))?;
        if let Some(followed) = self.streams.get_mut(number) {
            followed.is_idle = seen == Seen::Idle;
            self.readings.note(number, &followed.stream, self.emitter.written(number).bytes);
            if followed.is_met && followed.stream.is_gone() {
                followed.gone.get_or_insert_with(Instant::now);
                self.gone.insert(number);
            } else if followed.gone.take().is_some() {
                self.gone.remove(&number);
            }
        }
        self.streams.looked_at(number);
        if let Some(number) = self.streams.closable(self.limit) {
            self.note_positions();
            if let Some(followed) = self.streams.get_mut(number) {
                followed.stream.close_files();
            }
            self.streams.looked_at(number);
        }
        Ok(seen)
    }

    fn press(&mut self, number: usize, more: More) -> Result<(), Stop> {
        self.with(number, false, |stream, look| stream.press(look, more)).unwrap_or(Ok(()))
    }

    fn with<T>(
        &mut self,
        number: usize,
        names: bool,
        act: impl FnOnce(&mut Stream, &mut Look<'_>) -> T,
    ) -> Option<T> {
        let (emitter, readings) = (&mut self.emitter, &self.readings);
        let followed = self.streams.get_mut(number)?;
        self.touched.insert(number);
        let (name, key) = (followed.stream.shared_name(), Rc::clone(&followed.key));
        let origin = Origin { number, name: &name, key: &key };
        let mut look = Look {
            options: &self.job.options,
            block: &mut self.block,
            names,
            grew: false,
            lost: false,
            now: Instant::now(),
            consume: &mut |chunk| {
                readings.read(number, chunk, emitter.written(number).bytes);
                emitter.consume(origin, chunk)
            },
        };
        let result = act(&mut followed.stream, &mut look);
        self.lost |= look.lost;
        if look.grew
            && let Some(watch) = &mut self.watch
        {
            watch.grew(number);
        }
        self.state.records = self.emitter.records();
        match followed.stream.deadline(&self.job.options) {
            Some(_) => self.timed.insert(number),
            None => self.timed.remove(&number),
        };
        Some(result)
    }

    /// Gives each stream that there may be something new in a turn; one that is far behind keeps
    /// nothing else waiting for longer.
    fn look_at_dirty(&mut self) -> Result<(), Stop> {
        let mut is_named = false;
        for (number, names) in self.next_batch() {
            if names {
                is_named |= self.unwatched.insert(number);
            }
            if self.look(number, names)? == Seen::More {
                self.dirty.entry(number).and_modify(|known| *known |= names).or_insert(names);
            }
        }
        if is_named || self.dirty.is_empty() {
            self.watch_again();
        }
        Ok(())
    }

    /// The next streams to look at, from the last one on.
    fn next_batch(&mut self) -> Vec<(usize, bool)> {
        let behind = self.dirty.range((Bound::Excluded(self.last), Bound::Unbounded));
        let behind = behind.chain(self.dirty.range(..=self.last));
        let batch: Vec<(usize, bool)> =
            behind.take(BATCH).map(|(&number, &names)| (number, names)).collect();
        for (number, _) in &batch {
            self.dirty.remove(number);
        }
        let last = batch.last().filter(|_| !self.dirty.is_empty());
        self.last = last.map_or(usize::MAX, |(number, _)| *number);
        batch
    }

    fn flush_and_save_if_due(&mut self) -> Result<(), Stop> {
        if self.state.is_due() {
            return self.flush_and_save();
        }
        self.emitter.out.flush()?;
        self.note_positions();
        Ok(())
    }

    /// Writes what is left. What a reader has not taken when it goes away is to be read again.
    fn finish(&mut self) -> Result<(), Stop> {
        for number in self.streams.numbers() {
            let is_idle = self.streams.get(number).is_some_and(|followed| followed.is_idle);
            if is_idle && self.job.incomplete {
                self.press(number, More::Ended)?;
            } else if !self.job.options.goes_on {
                // No later run will read it, so it is as complete as it will be.
                self.press(number, More::Idle)?;
            }
        }
        self.emitter.out.flush()?;
        if !self.state.keeps() || drain(&self.emitter.out)? {
            self.note_positions();
        }
        self.state.save();
        Ok(())
    }

    fn flush_and_save(&mut self) -> Result<(), Stop> {
        self.emitter.out.flush()?;
        self.note_positions();
        self.state.save();
        Ok(())
    }

    /// Notes where streams stand; everything up to there has been written.
    fn note_positions(&mut self) {
        for number in std::mem::take(&mut self.touched) {
            if let Some(followed) = self.streams.get(number)
                && self.state.keeps()
            {
                self.state.set(&followed.key, &followed.stream.position(), followed.is_met);
            }
        }
    }

    /// Waits for changes, timers, signals and the end of stdout's reader.
    fn wait(&mut self) -> Result<(), Stop> {
        let is_polling = !self.job.pids.is_empty()
            || !self.unwatched.is_empty()
            || !self.polled.is_empty()
            || self.is_blind;
        let timed = self.timed.iter().filter_map(|&number| self.streams.get(number));
        // With more to read it only looks whether there is something else to do.
        let busy = (!self.dirty.is_empty()).then(Instant::now);
        let deadline = timed
            .filter_map(|followed| followed.stream.deadline(&self.job.options))
            .chain(is_polling.then_some(self.poll_at))
            .chain(self.watch.as_ref().and_then(Watch::deadline))
            .chain(self.state.deadline())
            .chain([self.rescan_at])
            .chain(busy)
            .min();
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        wanted.extend(self.watch.as_ref().map(|watch| (watch.fd(), PollFlags::POLLIN)));
        let output = wanted.len();
        wanted.extend(self.emitter.out.reader_watch());
        let ready = wait(&wanted, deadline)?;
        if ready.get(output).is_some_and(|out| out.contains(PollFlags::POLLERR)) {
            return Err(Stop::BrokenPipe);
        }
        self.report_if_asked();
        self.collect()
    }

    /// Finds out which streams to look at.
    fn collect(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        let mut all = signal::take_hup();
        let mut rescan = all;
        let mut gained = HashSet::new();
        if let Some(watch) = &mut self.watch {
            let changes = watch.take(now);
            for number in changes.contents {
                self.dirty.entry(number).or_insert(false);
            }
            self.dirty.extend(changes.names.into_iter().map(|number| (number, true)));
            gained = changes.gained;
            rescan |= changes.rescan || changes.all;
            all |= changes.all;
        }
        if self.rescan_at <= now {
            self.rescan_at = now + self.job.rescan_interval;
            all = true;
            rescan = true;
        }
        if self.poll_at <= now {
            self.poll_at = now + self.job.sleep_interval;
            let polled = self.unwatched.iter().chain(&self.polled);
            self.dirty.extend(polled.map(|&number| (number, true)));
            rescan |= self.watch.is_none() || self.is_blind;
        }
        if all {
            if let Some(watch) = &mut self.watch {
                watch.forget_lost();
            }
            self.dirty.extend(self.streams.numbers().into_iter().map(|number| (number, true)));
        }
        self.collect_timed(now);
        self.take_in(rescan, gained)
    }

    /// Streams whose time has come.
    fn collect_timed(&mut self, now: Instant) {
        for &number in &self.timed {
            let followed = self.streams.get(number);
            let deadline = followed.and_then(|at| at.stream.deadline(&self.job.options));
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.dirty.entry(number).or_insert(false);
            }
        }
    }

    /// Looks for streams that have come up, everywhere or at these paths.
    fn take_in(&mut self, everywhere: bool, gained: HashSet<PathBuf>) -> Result<(), Stop> {
        if !self.sources.is_open() {
            return Ok(());
        }
        let streams = &self.streams;
        let related = |identity| streams.relation(identity);
        let scan = if everywhere {
            self.is_blind = false;
            self.sources.rescan(&related)
        } else if gained.is_empty() {
            return Ok(());
        } else {
            let mut paths: Vec<PathBuf> = gained.into_iter().collect();
            paths.sort_unstable();
            self.sources.gain(&paths, &related)
        };
        self.add(scan)
    }

    /// Forgets streams that nobody has named, which have had no file for long, or whose file is
    /// deleted and read.
    fn forget(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        let after = self.job.forget_after;
        let is_over = |number: &usize| {
            self.streams.get(*number).is_none_or(|followed| {
                followed.stream.is_over()
                    || followed.gone.zip(after).is_some_and(|(gone, after)| gone + after <= now)
            })
        };
        let is_quiet = |number: &usize| !self.dirty.contains_key(number);
        let over = self.gone.iter().copied().filter(is_quiet).filter(is_over);
        let over: HashSet<usize> = over.collect();
        if over.is_empty() {
            return Ok(());
        }
        self.note_positions();
        let mut paths = HashSet::new();
        for &number in &over {
            let Some(followed) = self.streams.remove(number) else { continue };
            self.state.forget(&followed.key);
            self.sources.forget(&followed.key, followed.stream.path());
            self.emitter.remove(number);
            self.readings.remove(number);
            paths.insert(followed.stream.path().to_owned());
            self.unwatched.remove(&number);
            self.polled.remove(&number);
            self.timed.remove(&number);
            self.gone.remove(&number);
        }
        if let Some(watch) = &mut self.watch {
            watch.remove(&over);
        }
        // One that has just come back was told of as the stream's.
        self.take_in(paths.iter().any(|path| path.exists()), HashSet::new())
    }

    /// Sees to signals between reads.
    fn serve(&self) -> Result<(), Stop> {
        wait(&[], Some(Instant::now()))?;
        self.report_if_asked();
        Ok(())
    }

    /// Tells what was read of each stream, and how far behind its end that is.
    fn report_if_asked(&self) {
        if !signal::take_report() {
            return;
        }
        for (number, followed) in self.streams.iter() {
            let (name, lag) = (followed.stream.name(), followed.stream.lag());
            let Written { records, bytes } = self.emitter.written(number);
            report::plain(format_args!(
                "{}: {name}: {records} messages, {bytes} bytes, {lag} bytes behind",
                report::program()
            ));
        }
    }
}

fn tell_polling(cause: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        report::warning(format_args!("inotify: {cause}; falling back to polling"));
    }
}

fn is_dead(pid: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH)
}
