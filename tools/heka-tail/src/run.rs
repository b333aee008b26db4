// SPDX-License-Identifier: MIT OR Apache-2.0
//! Looks at files when something happens to them, and waits.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heka_core::diag;
use heka_core::exit::{Cause as _, Explain as _, Status, Stop};
use heka_core::io::{Wanted, wait};
use heka_core::signal;
use heka_core::stats;
use heka_core::tail::{Block, Look, Reason, Seen, Stream, Watch};
use nix::poll::PollFlags;

use crate::cli::Plan;
use crate::emit::Emitter;

/// Follows all files.
pub(crate) fn run(plan: Plan) -> Result<Status, Stop> {
    let mut tail = Tail::new(plan)?;
    let ended = tail.follow();
    // Also what was read before an error or a signal is written.
    tail.emitter.out.flush()?;
    let status = ended?;
    Ok(status.and(tail.plan.writing.status(stats::MESSAGES.value())))
}

struct Tail {
    plan: Plan,
    streams: Vec<Stream>,
    emitter: Emitter,
    block: Block,
    watch: Option<Watch>,
    /// Streams to look at, by number, and whether names may have changed.
    dirty: BTreeSet<(usize, bool)>,
    /// Streams whose directories could not be watched.
    unwatched: Vec<usize>,
    check_at: Instant,
}

impl Tail {
    fn new(plan: Plan) -> Result<Self, Stop> {
        let mut streams = Vec::new();
        for file in &plan.files {
            let name = file.to_string_lossy().into_owned();
            let path = std::path::absolute(file).at(&name)?;
            streams.push(Stream::named(name, path));
        }
        let loggers: Vec<String> = streams.iter().map(|stream| stream.name().to_owned()).collect();
        let emitter = Emitter::new(&plan, &loggers)?;
        Ok(Self {
            dirty: (0..streams.len()).map(|stream| (stream, true)).collect(),
            unwatched: Vec::new(),
            check_at: Instant::now(),
            block: Block::default(),
            watch: None,
            plan,
            streams,
            emitter,
        })
    }

    fn follow(&mut self) -> Result<Status, Stop> {
        if !self.plan.options.follow {
            return self.read_once();
        }
        signal::reopen_on_hup();
        self.start_watching();
        loop {
            self.look_at_dirty()?;
            self.emitter.out.flush()?;
            self.wait()?;
        }
    }

    /// Reads all files to their ends, one after the other.
    fn read_once(&mut self) -> Result<Status, Stop> {
        let mut status = Status::Done;
        for stream in 0..self.streams.len() {
            loop {
                serve()?;
                match self.look(stream, true)? {
                    Seen::More => {}
                    Seen::Idle => break,
                    Seen::Missing => {
                        status = status.and(Status::Failed);
                        break;
                    }
                }
            }
            if self.plan.incomplete {
                self.finish(stream, Reason::End)?;
            }
        }
        Ok(status)
    }

    fn look(&mut self, stream: usize, names: bool) -> Result<Seen, Stop> {
        let emitter = &mut self.emitter;
        let Some(followed) = self.streams.get_mut(stream) else { return Ok(Seen::Idle) };
        followed.look(&mut Look {
            options: &self.plan.options,
            block: &mut self.block,
            names,
            now: Instant::now(),
            consume: &mut |chunk| emitter.consume(stream, chunk),
        })
    }

    fn finish(&mut self, stream: usize, reason: Reason) -> Result<(), Stop> {
        let emitter = &mut self.emitter;
        let Some(followed) = self.streams.get_mut(stream) else { return Ok(()) };
        let mut look = Look {
            options: &self.plan.options,
            block: &mut self.block,
            names: false,
            now: Instant::now(),
            consume: &mut |chunk| emitter.consume(stream, chunk),
        };
        followed.finish(&mut look, reason)
    }

    /// Reads in turns until nothing is left to read.
    fn look_at_dirty(&mut self) -> Result<(), Stop> {
        while !self.dirty.is_empty() {
            for (stream, names) in std::mem::take(&mut self.dirty) {
                if self.look(stream, names)? == Seen::More {
                    self.dirty.insert((stream, names));
                }
            }
            serve()?;
        }
        Ok(())
    }

    fn start_watching(&mut self) {
        match Watch::new() {
            Ok(watch) => self.watch = Some(watch),
            Err(error) => {
                diag::note(format_args!("inotify: {}; looking at times instead", error.cause()));
            }
        }
        self.unwatched = (0..self.streams.len()).collect();
        self.watch_again();
    }

    /// Tries to watch what is not watched yet.
    fn watch_again(&mut self) {
        let Some(watch) = &mut self.watch else { return };
        for stream in std::mem::take(&mut self.unwatched) {
            let Some(followed) = self.streams.get(stream) else { continue };
            let watched =
                paths_of(followed.path()).iter().try_for_each(|path| watch.add(path, stream));
            if watched.is_err() {
                self.unwatched.push(stream);
            }
        }
    }

    /// Waits for changes, timers, signals and the end of stdout's reader.
    fn wait(&mut self) -> Result<(), Stop> {
        let now = Instant::now();
        let polling = (!self.unwatched.is_empty()).then_some(self.check_at);
        let timers = self.streams.iter().filter_map(|stream| stream.deadline(&self.plan.options));
        let deadline = timers.chain(polling).min();
        let mut wanted: Vec<Wanted<'_>> = Vec::new();
        wanted.extend(self.watch.as_ref().map(|watch| (watch.fd(), PollFlags::POLLIN)));
        let output = wanted.len();
        wanted.extend(self.emitter.out.reader_watch());
        let ready = wait(&wanted, deadline.map(|deadline| deadline.max(now)))?;
        if ready.get(output).is_some_and(|out| out.contains(PollFlags::POLLERR)) {
            return Err(Stop::BrokenPipe);
        }
        self.collect();
        Ok(())
    }

    /// Finds out which streams to look at.
    fn collect(&mut self) {
        let now = Instant::now();
        if let Some(watch) = &mut self.watch {
            let changes = watch.take();
            self.dirty.extend(changes.contents.into_iter().map(|stream| (stream, false)));
            self.dirty.extend(changes.names.into_iter().map(|stream| (stream, true)));
            if changes.all {
                self.dirty.extend((0..self.streams.len()).map(|stream| (stream, true)));
            }
        }
        if signal::take_hup() {
            self.dirty.extend((0..self.streams.len()).map(|stream| (stream, true)));
        }
        if !self.unwatched.is_empty() && self.check_at <= now {
            self.check_at = now + self.plan.sleep_interval;
            self.dirty.extend(self.unwatched.iter().map(|&stream| (stream, true)));
            self.watch_again();
        }
        for (number, stream) in self.streams.iter().enumerate() {
            if stream.deadline(&self.plan.options).is_some_and(|deadline| deadline <= now) {
                self.dirty.insert((number, false));
            }
        }
    }
}

/// The paths where something may happen to the file at `path`: there, and where symlinks lead.
fn paths_of(path: &Path) -> Vec<PathBuf> {
    let mut paths = vec![path.to_owned()];
    if let Ok(real) = std::fs::canonicalize(path)
        && real != path
    {
        paths.push(real);
    }
    paths
}

/// Sees to signals between reads.
fn serve() -> Result<(), Stop> {
    wait(&[], Some(Instant::now() - Duration::from_millis(1))).map(drop)
}
