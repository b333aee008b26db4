// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks at files when something happens to them, and waits.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::time::Instant;

use crate::follow::{Block, Identity, Look, Relation, Seen, Stream};
use crate::watch::Watch;
use heka_core::os::{Wanted, raise_open_files, signal, wait};
use heka_core::record::More;
use heka_core::report::{self, Cause as _, Status, Stop, stats};
use nix::poll::PollFlags;
use nix::unistd::Pid;

use crate::emit::Emitter;
use crate::plan::{Job, Plan};
use crate::show::show;
use crate::sources::{Scan, Sources};
use crate::state::State;

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
    let written = tail.job.writing.status(stats::MESSAGES.value());
    Ok(ended?.and(Status::failed_if(lost)).and(written))
}

struct Tail {
    job: Job,
    sources: Sources,
    streams: Vec<Followed>,
    emitter: Emitter,
    state: State,
    block: Block,
    watch: Option<Watch>,
    /// Streams to look at, by number, and whether names may have changed.
    dirty: BTreeMap<usize, bool>,
    /// Streams whose position may have changed since it was last noted.
    touched: BTreeSet<usize>,
    /// Streams whose directories are not watched.
    unwatched: BTreeSet<usize>,
    /// Whether a directory that streams may appear in is not watched.
    is_blind: bool,
    /// Streams that have to be looked at by a certain time.
    timed: BTreeSet<usize>,
    poll_at: Instant,
    rescan_at: Instant,
    /// Whether something of a file could not be read.
    lost: bool,
}

struct Followed {
    key: String,
    stream: Stream,
    /// Whether a look at everything finds it when its directory comes back.
    is_met: bool,
    /// Whether all that there was has been read.
    is_idle: bool,
}

impl Tail {
    fn new(mut job: Job) -> Result<Self, Stop> {
        let now = Instant::now();
        let mut tail = Self {
            sources: Sources::new(&job.files, job.selection.take()),
            streams: Vec::new(),
            emitter: Emitter::new(&job)?,
            state: State::open(&job)?,
            block: Block::default(),
            watch: None,
            dirty: BTreeMap::new(),
            touched: BTreeSet::new(),
            unwatched: BTreeSet::new(),
            is_blind: false,
            timed: BTreeSet::new(),
            poll_at: now,
            rescan_at: now + job.rescan_interval,
            lost: false,
            job,
        };
        tail.emitter.tell_form();
        if tail.job.options.follow {
            signal::reopen_on_hup();
            raise_open_files();
            tail.start_watching();
        }
        let scan = tail.sources.scan(&|_| Relation::None)?;
        if let Some(error) = scan.errors.first() {
            return Err(Stop::failed(error));
        }
        if let Some((name, cause)) = tail.sources.missing() {
            if !tail.job.options.follow || !tail.job.options.wait_for_files {
                return Err(Stop::failed(format_args!("{name}: {cause}")));
            }
            report::warning(format_args!("{name}: {cause}; waiting for it"));
        }
        tail.add(scan)?;
        Ok(tail)
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
            let number = self.streams.len();
            self.emitter.add(&self.job, found.stream.name(), &found.key);
            let stream =
                self.state.resume(&found.key, found.stream, found.is_met, self.job.options.gzip)?;
            let is_met = found.is_met || stream.is_selected();
            self.streams.push(Followed { key: found.key, stream, is_met, is_idle: false });
            self.dirty.insert(number, true);
            self.unwatched.insert(number);
        }
        self.watch_directories(&scan.directories);
        self.watch_again();
        Ok(())
    }

    /// Watches directories that streams may appear in. All of them are tried at each scan.
    fn watch_directories(&mut self, directories: &[PathBuf]) {
        let Some(watch) = &mut self.watch else { return };
        self.is_blind = false;
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
        let mut full = None;
        self.unwatched.retain(|&number| {
            let Some(followed) = self.streams.get(number) else { return false };
            match watch.add(followed.stream.path(), number) {
                Ok(is_new) => {
                    if is_new {
                        self.dirty.insert(number, true);
                    }
                    false
                }
                Err(error) if error.kind() == std::io::ErrorKind::NotFound => !followed.is_met,
                Err(error) => {
                    full = Some(error.cause());
                    true
                }
            }
        });
        if let Some(cause) = full {
            tell_polling(&cause);
        }
    }

    fn follow(&mut self) -> Result<Status, Stop> {
        if !self.job.options.follow {
            return self.read_once();
        }
        loop {
            let is_last = self.job.pid.is_some_and(is_dead);
            self.look_at_dirty()?;
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
        for number in 0..self.streams.len() {
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
        }
        Ok(status)
    }

    /// Whether no file is left that is worth waiting for.
    fn has_given_up(&self) -> bool {
        !self.job.options.wait_for_files
            && !self.sources.is_open()
            && self.streams.iter().all(|followed| !followed.stream.is_open())
    }

    fn look(&mut self, number: usize, names: bool) -> Result<Seen, Stop> {
        let seen = self.with(number, names, Stream::look).unwrap_or(Ok(Seen::Idle))?;
        if let Some(followed) = self.streams.get_mut(number) {
            followed.is_idle = seen == Seen::Idle;
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
        let emitter = &mut self.emitter;
        let followed = self.streams.get_mut(number)?;
        self.touched.insert(number);
        let mut look = Look {
            options: &self.job.options,
            block: &mut self.block,
            names,
            grew: false,
            lost: false,
            now: Instant::now(),
            consume: &mut |chunk| emitter.consume(number, chunk),
        };
        let result = act(&mut followed.stream, &mut look);
        self.lost |= look.lost;
        if look.grew
            && let Some(watch) = &mut self.watch
        {
            watch.grew(number);
        }
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
        for (number, names) in std::mem::take(&mut self.dirty) {
            if names {
                is_named |= self.unwatched.insert(number);
            }
            if self.look(number, names)? == Seen::More {
                self.dirty.insert(number, names);
            }
        }
        if is_named || self.dirty.is_empty() {
            self.watch_again();
        }
        Ok(())
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
        for number in 0..self.streams.len() {
            let is_idle = self.streams.get(number).is_some_and(|followed| followed.is_idle);
            if is_idle && self.job.incomplete {
                self.press(number, More::Ended)?;
            } else if !self.job.options.goes_on {
                // No later run will read it, so it is as complete as it will be.
                self.press(number, More::Idle)?;
            }
        }
        self.emitter.out.flush()?;
        if !self.state.keeps() || self.emitter.out.drain()? {
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
                self.state.set(&followed.key, &followed.stream.position());
            }
        }
    }

    /// Waits for changes, timers, signals and the end of stdout's reader.
    fn wait(&mut self) -> Result<(), Stop> {
        let is_polling = self.job.pid.is_some() || !self.unwatched.is_empty() || self.is_blind;
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
        self.sources.forget();
        let now = Instant::now();
        let mut all = signal::take_hup();
        let mut rescan = all;
        if let Some(watch) = &mut self.watch {
            let changes = watch.take(now);
            for number in changes.contents {
                self.dirty.entry(number).or_insert(false);
            }
            self.dirty.extend(changes.names.into_iter().map(|number| (number, true)));
            rescan |= changes.gained || changes.all;
            all |= changes.all;
        }
        if self.rescan_at <= now {
            self.rescan_at = now + self.job.rescan_interval;
            all = true;
            rescan = true;
        }
        if self.poll_at <= now {
            self.poll_at = now + self.job.sleep_interval;
            self.dirty.extend(self.unwatched.iter().map(|&number| (number, true)));
            rescan |= self.watch.is_none() || self.is_blind;
        }
        if all {
            if let Some(watch) = &mut self.watch {
                watch.forget_lost();
            }
            self.dirty.extend((0..self.streams.len()).map(|number| (number, true)));
        }
        for &number in &self.timed {
            let followed = self.streams.get(number);
            let deadline = followed.and_then(|at| at.stream.deadline(&self.job.options));
            if deadline.is_some_and(|deadline| deadline <= now) {
                self.dirty.entry(number).or_insert(false);
            }
        }
        if rescan && self.sources.is_open() {
            let streams = &self.streams;
            let scan = self.sources.rescan(&|identity| relation(streams, identity));
            self.dirty.extend((0..self.streams.len()).map(|number| (number, true)));
            return self.add(scan);
        }
        Ok(())
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
        for (number, followed) in self.streams.iter().enumerate() {
            let (name, lag) = (followed.stream.name(), followed.stream.lag());
            let (records, bytes) = self.emitter.written(number);
            report::plain(format_args!(
                "{}: {name}: {records} messages, {bytes} bytes, {lag} bytes behind",
                report::program()
            ));
        }
    }
}

/// What the streams have to do with a file.
fn relation(streams: &[Followed], identity: Identity) -> Relation {
    let all = streams.iter().map(|followed| followed.stream.relation(identity));
    let met: Vec<Relation> = all.filter(|relation| *relation != Relation::None).collect();
    let reads = met.iter().find(|relation| **relation == Relation::Reads);
    reads.or(met.first()).copied().unwrap_or(Relation::None)
}

fn tell_polling(cause: &str) {
    use std::sync::atomic::{AtomicBool, Ordering};
    static TOLD: AtomicBool = AtomicBool::new(false);
    if !TOLD.swap(true, Ordering::Relaxed) {
        report::warning(format_args!("inotify: {cause}; looking at files from time to time"));
    }
}

fn is_dead(pid: i32) -> bool {
    nix::sys::signal::kill(Pid::from_raw(pid), None) == Err(nix::errno::Errno::ESRCH)
}
