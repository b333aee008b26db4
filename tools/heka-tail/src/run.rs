// SPDX-License-Identifier: MIT OR Apache-2.0
//! Processes files when something happens to them, and waits.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::Instant;

use crate::follow::{Block, Look, Relation, Seen, Stream};
use heka_core::os::{Wanted, drain, raise_open_files, signal, wait};
use heka_core::record::More;
use heka_core::report::{self, Status, Stop};
use nix::poll::PollFlags;

use crate::due::{Due, What};
use crate::emit::{Emitter, Origin};
use crate::numbers::Readings;
use crate::plan::{Job, Plan};
use crate::show::show;
use crate::sources::{Scan, Sources};
use crate::state::State;
use crate::streams::Streams;
use crate::watching::Watching;

/// Executes the plan.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let job = match plan {
        Plan::Show(path) => return show(&path),
        Plan::Follow(job) => *job,
    };
    let mut tail = Tail::new(job)?;
    let ended = tail.follow();
    // What was read before a signal is written too, together with its position.
    match ended {
        Ok(_) | Err(Stop::Signal(_)) => tail.finish()?,
        Err(_) => tail.emitter.out.flush()?,
    }
    let lost = tail.lost || tail.emitter.has_lost() || tail.state.is_failing();
    let written = tail.job.writing.status(tail.emitter.records());
    Ok(ended?.and(Status::failed_if(lost)).and(written))
}

/// Number of descriptors reserved for purposes other than followed files.
const SPARE: u64 = 64;
struct Tail {
    job: Job,
    sources: Sources,
    streams: Streams,
    emitter: Emitter,
    state: State,
    block: Block,
    watching: Watching,
    due: Due,
    poll_at: Instant,
    rescan_at: Instant,
    /// Maximum number of streams with open files.
    limit: usize,
    readings: Readings,
    /// Whether part of a file could not be read.
    lost: bool,
}

impl Tail {
    fn new(mut job: Job) -> Result<Self, Stop> {
        let now = Instant::now();
        let (selection, exclusion) = (job.selection.take(), std::mem::take(&mut job.exclusion));
        let emitter = Emitter::new(&job)?;
        let mut tail = Self {
            sources: Sources::new(&job.files, (selection, exclusion), job.oldest, emitter.output()),
            streams: Streams::default(),
            emitter,
            state: State::open(&job)?,
            block: Block::default(),
            watching: Watching::default(),
            due: Due::new(),
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
            if !tail.job.use_polling {
                tail.watching.start(tail.job.busy_rate);
            }
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
        self.lost |= self.sources.settle(waits) && !waits;
        self.job.files = Vec::new();
        self.add(scan)?;
        self.state.forget_old(self.job.forget_after);
        Ok(())
    }

    /// Adds streams, and watches directories for more.
    fn add(&mut self, scan: Scan) -> Result<(), Stop> {
        for found in scan.found {
            let mut stream = found.stream;
            self.state.resume(&mut stream, found.is_met, &self.job.options)?;
            let is_met = found.is_met || stream.is_selected();
            let number = self.streams.add(stream, is_met);
            if let Some(followed) = self.streams.get(number) {
                self.readings.add(number, &followed.stream);
                self.sources.place(&followed.stream, number);
            }
            self.due.add(number, What::Start);
            self.watching.add(number);
        }
        for number in scan.rotated {
            if let Some(followed) = self.streams.get_mut(number)
                && followed.stream.set_alone(false)
            {
                self.due.add(number, What::Names);
            }
        }
        self.due.add_all(scan.touched);
        let changed = self.watching.add_directories(&scan.directories, scan.begun);
        self.watching.await_writes(&scan.old);
        self.watch_again();
        // More may have appeared before the directories were watched.
        self.take_in(false, changed)
    }

    fn watch_again(&mut self) {
        let new = self.watching.try_again(&self.streams);
        self.due.add_all(new);
    }

    fn follow(&mut self) -> Result<Status, Stop> {
        if !self.job.options.follow {
            return self.read_once();
        }
        loop {
            let is_last = self.job.is_abandoned();
            self.look_at_dirty()?;
            self.forget()?;
            let waits = self.job.options.wait_for_files;
            if self.due.is_empty() && !waits && !self.streams.are_any_open(&self.job.options) {
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
                // Signals are handled between reads.
                wait(&[], Some(Instant::now()))?;
                self.report_if_asked();
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

    fn look(&mut self, number: usize, names: bool) -> Result<Seen, Stop> {
        let seen = self.with(number, names, Stream::look).unwrap_or(Ok(Seen::Idle))?;
        if let Some(followed) = self.streams.get_mut(number) {
            followed.is_idle = seen == Seen::Idle;
            self.watching.looked_at(number, &mut followed.stream);
            self.readings.note(number, &followed.stream, self.emitter.written(number).bytes);
        }
        self.streams.looked_at(number);
        if let Some(number) = self.streams.closable(self.limit) {
            self.state.note(&self.streams);
            if let Some(followed) = self.streams.get_mut(number) {
                followed.stream.close_files();
            }
            self.due.remove(number);
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
        self.state.touch(number);
        let (name, id) = (followed.stream.name().clone(), Arc::clone(followed.stream.id()));
        let origin = Origin { number, name: name.as_str(), id: &id };
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
        if look.grew {
            self.watching.grew(number);
        }
        self.state.records = self.emitter.records();
        self.due.set_timed(number, followed.stream.deadline(&self.job.options));
        Some(result)
    }

    /// Gives a turn to each stream that may have news, so that a stream far behind does not delay
    /// the others.
    fn look_at_dirty(&mut self) -> Result<(), Stop> {
        let mut is_named = false;
        for (number, what) in self.due.next_batch() {
            if what == What::Names {
                is_named |= self.watching.add(number);
            }
            if self.look(number, what > What::Contents)? == Seen::More {
                self.due.add(number, what);
            }
        }
        if is_named || self.due.is_empty() {
            self.watch_again();
        }
        Ok(())
    }

    fn flush_and_save_if_due(&mut self) -> Result<(), Stop> {
        self.emitter.out.flush()?;
        self.state.note(&self.streams);
        if self.state.is_due() {
            self.state.save();
        }
        Ok(())
    }

    /// Writes the rest. Data that the reader has not accepted when it exits will be read again.
    fn finish(&mut self) -> Result<(), Stop> {
        for number in self.streams.numbers() {
            let is_idle = self.streams.get(number).is_some_and(|followed| followed.is_idle);
            if is_idle && self.job.incomplete {
                self.press(number, More::Ended)?;
            } else if !self.job.options.goes_on {
                // No later run will read it, so the record counts as complete.
                self.press(number, More::Idle)?;
            }
        }
        self.emitter.out.flush()?;
        if !self.state.keeps() || drain(&self.emitter.out)? {
            self.state.note(&self.streams);
        }
        self.state.save();
        Ok(())
    }

    /// Waits for changes, timers, signals and the end of stdout's reader.
    fn wait(&mut self) -> Result<(), Stop> {
        let is_polling = !self.job.pids.is_empty() || self.watching.is_polling();
        let deadline = is_polling
            .then_some(self.poll_at)
            .into_iter()
            .chain([self.rescan_at])
            .chain(self.due.deadline())
            .chain(self.watching.deadline())
            .chain(self.state.deadline())
            .min();
        let mut wanted: Vec<Wanted<'_>> = self.watching.wanted().collect();
        let output = wanted.len();
        wanted.extend(self.emitter.out.reader_watch());
        let ready = wait(&wanted, deadline)?;
        if ready.get(output).is_some_and(|out| out.contains(PollFlags::POLLERR)) {
            return Err(Stop::BrokenPipe);
        }
        self.watching.note(&ready);
        self.report_if_asked();
        self.collect()
    }

    /// Determines which streams to process.
    fn collect(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        let is_asked = signal::take_hup();
        let changes = self.watching.take(now);
        for number in changes.contents {
            self.due.add(number, What::Contents);
        }
        self.due.add_all(changes.names);
        let mut all = is_asked || changes.all;
        if self.rescan_at <= now {
            self.rescan_at = now + self.job.rescan_interval;
            all = true;
        }
        let is_polled = self.poll_at <= now;
        if is_polled {
            self.poll_at = now + self.job.sleep_interval;
            self.due.add_all(self.watching.polled());
            let (covered, is_lost) = self.watching.take_mounted(&self.streams);
            self.due.add_all(covered);
            all |= is_lost;
        }
        let rescan = all || changes.rescan || (is_polled && self.watching.is_blind());
        if all {
            self.watching.forget_lost();
            self.due.add_all(self.streams.numbers());
        }
        self.due.collect(now, self.job.sleep_interval / 4);
        self.take_in(rescan, changes.gained)
    }

    /// Looks for new streams, everywhere or at these paths.
    fn take_in(&mut self, everywhere: bool, gained: BTreeSet<PathBuf>) -> Result<(), Stop> {
        if !self.sources.is_open() {
            return Ok(());
        }
        let streams = &self.streams;
        let related = |identity| streams.relation(identity);
        let scan = if everywhere {
            self.watching.look_again();
            self.sources.rescan(&related)
        } else if gained.is_empty() {
            return Ok(());
        } else {
            let paths: Vec<PathBuf> = gained.into_iter().collect();
            self.sources.gain(&paths, &related)
        };
        self.add(scan)
    }

    /// Removes discovered streams without a file, and those whose deleted file is read to its end.
    fn forget(&mut self) -> Result<(), Stop> {
        let mut over = self.streams.take_over(self.job.forget_after);
        over.retain(|number| !self.due.has(*number));
        if over.is_empty() {
            return Ok(());
        }
        self.state.note(&self.streams);
        let mut gone = Vec::new();
        for &number in &over {
            let Some(followed) = self.streams.remove(number) else { continue };
            self.state.forget(&followed.stream);
            self.sources.forget(&followed.stream);
            self.emitter.remove(number);
            self.readings.remove(number);
            gone.push((number, Arc::clone(followed.stream.shared_path())));
            self.due.remove(number);
        }
        self.watching.remove(&gone);
        // A new file at its path may already have been reported as that of a removed stream.
        self.take_in(gone.iter().any(|(_, path)| path.exists()), BTreeSet::new())
    }

    fn report_if_asked(&self) {
        if signal::take_report() {
            self.emitter.report(&self.streams);
        }
    }
}
