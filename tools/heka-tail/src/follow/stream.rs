// SPDX-License-Identifier: MIT OR Apache-2.0
//! One log: the current file, files left behind that may still receive late lines, and the
//! transition from one file to the next.

use std::io;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Instant;

use super::chain::Chain;
use super::file::{OpenFile, Pulled};
use super::files::Files;
use super::identity::Identity;
use super::look::{Look, Relation, Seen};
use super::loss;
use super::name::Name;
use super::options::Options;
use super::patience::{Patience, is_to_be_filled};
use super::position::FilePosition;
use super::resumption::{self, Resumption};
use super::start::Start;
use super::truncation;
use crate::select::find::Candidate;
use crate::select::logstreamer::Selection;
use heka_core::record::More;
use nix::errno::Errno;

use heka_core::report::{Cause as _, Stop};

/// Number of blocks read from one stream before others get their turn.
const TURN: u32 = 16;

/// One log and its position.
#[derive(Debug)]
pub(crate) struct Stream {
    pub(super) chain: Chain,
    /// The position to resume at; consumed by the first step.
    resume: Option<Box<[FilePosition]>>,
    /// The position at which it resumed, until a file could be opened.
    origin: Option<Box<[FilePosition]>>,
    is_new: bool,
    /// Whether it appeared while others were followed: [`Options::start`] does not apply.
    is_latecomer: bool,
    /// Whether it was discovered rather than named by the user.
    is_met: bool,
    /// Whether the current file could not be read.
    is_unreadable: bool,
    /// When to poll again where there are no notifications.
    look_at: Instant,
}

impl Stream {
    /// Creates the stream of the log at `path`; `name` is for people. `is_met` says that it was
    /// discovered.
    pub(crate) fn named(name: Name, path: Arc<Path>, is_met: bool) -> Self {
        let files = Files::Named { path, has_peers: is_met };
        Self { is_met, ..Self::new(name, files) }
    }

    /// Creates the stream named `name` in `selection`, whose newest file is `newest`.
    pub(crate) fn selected(name: Name, selection: Rc<Selection>, newest: Arc<Path>) -> Self {
        let files = Files::Selected { selection, name: name.clone(), newest };
        Self { is_met: true, ..Self::new(name, files) }
    }

    fn new(name: Name, files: Files) -> Self {
        Self {
            chain: Chain::new(name, files),
            resume: None,
            origin: None,
            is_new: true,
            is_latecomer: false,
            is_met: false,
            is_unreadable: false,
            look_at: Instant::now(),
        }
    }

    /// Resumes at `position`, an earlier [`Stream::position`].
    pub(crate) fn resume(&mut self, position: Vec<FilePosition>) {
        self.resume = Some(position.into());
    }

    /// Makes it start at its beginning: it has appeared while others were followed.
    pub(crate) fn appear_late(&mut self) {
        self.is_latecomer = true;
    }

    /// Sets whether it has only just appeared, so that nothing has been rotated from it; returns
    /// `true` on a change.
    pub(crate) fn set_alone(&mut self, is_alone: bool) -> bool {
        std::mem::replace(&mut self.chain.is_alone, is_alone) != is_alone
    }

    /// Returns the name for people.
    pub(crate) fn name(&self) -> &Name {
        self.chain.trouble.name()
    }

    /// Returns the identifier: its path, or its name in a selection.
    pub(crate) fn id(&self) -> &Arc<Path> {
        if self.is_selected() { self.name().shared() } else { self.shared_path() }
    }

    /// Returns the path at which new data is expected.
    pub(crate) fn path(&self) -> &Path {
        self.chain.files.path()
    }

    /// Returns the path as a shared value.
    pub(crate) fn shared_path(&self) -> &Arc<Path> {
        self.chain.files.shared_path()
    }

    /// Lists all its files, oldest first.
    pub(crate) fn list(&mut self, options: &Options) -> Vec<Candidate> {
        self.chain.files.list(&options.rotated_directories)
    }

    /// Returns its relation to a file.
    pub(crate) fn relation(&self, identity: Identity) -> Relation {
        if self.identities().any(|one| one == identity) {
            return Relation::Reads;
        }
        self.chain.history.position_of(identity).map_or(Relation::None, Relation::HasRead)
    }

    /// Returns the files that it is reading.
    pub(crate) fn identities(&self) -> impl Iterator<Item = Identity> {
        self.chain.late.files().chain(&self.chain.current).map(OpenFile::identity)
    }

    /// Whether it belongs to a selection.
    pub(crate) fn is_selected(&self) -> bool {
        self.chain.files.is_selected()
    }

    /// Returns the descriptor of the current file, once, unless the file is compressed.
    pub(crate) fn take_new_file(&mut self) -> Option<BorrowedFd<'_>> {
        self.chain.current.as_mut().and_then(OpenFile::take_new)
    }

    /// Whether another file, or none, is at the path of the current one.
    pub(crate) fn is_covered(&self) -> bool {
        let there = std::fs::metadata(self.path()).ok().map(|found| Identity::of(&found));
        there != self.chain.current.as_ref().map(OpenFile::identity)
    }

    /// Whether it has an open file with its name, or one that is followed without.
    pub(crate) fn is_open(&self, options: &Options) -> bool {
        self.chain.current.is_some() && (self.chain.nameless.is_none() || !options.by_name)
    }

    /// Returns its position: those of its files, oldest first. Empty if there is none.
    pub(crate) fn position(&self) -> Vec<FilePosition> {
        let resume = self.resume.as_ref().map(|position| position.to_vec());
        resume.unwrap_or_else(|| self.chain.positions())
    }

    /// Closes all files; only the position is kept.
    pub(crate) fn close_files(&mut self) {
        let position = self.position();
        self.resume = (!position.is_empty()).then(|| position.as_slice().into());
        self.is_new = true;
        self.chain.current = None;
        self.chain.late.clear();
    }

    /// Whether its files can be closed for now without loss: it is read to the end under its name.
    pub(crate) fn can_rest(&self) -> bool {
        let is_whole = |file: &OpenFile| file.end() > 0 && file.held().is_empty();
        let is_whole = self.chain.current.as_ref().is_some_and(is_whole);
        is_whole && self.chain.is_live && self.chain.late.is_empty() && self.chain.queue.is_empty()
    }

    /// Whether it has no file under its name.
    pub(crate) fn is_gone(&self) -> bool {
        self.chain.nameless.is_some() || (self.chain.current.is_none() && self.resume.is_none())
    }

    /// Whether its file is deleted and read to the end.
    pub(crate) fn is_over(&self) -> bool {
        let chain = &self.chain;
        chain.is_deleted && chain.current.is_none() && chain.late.is_empty()
    }

    /// Returns the number of bytes after the position.
    pub(crate) fn lag(&self) -> u64 {
        let queued = self.chain.queue.iter().filter_map(|next| std::fs::metadata(&next.path).ok());
        self.chain.late.files().chain(&self.chain.current).map(OpenFile::lag).sum::<u64>()
            + queued.map(|metadata| metadata.len()).sum::<u64>()
    }

    /// Returns the current file, and the position in it.
    pub(crate) fn place(&self) -> Option<(Identity, u64)> {
        self.chain.current.as_ref().map(OpenFile::place)
    }

    /// Returns when it has to be processed even without events.
    pub(crate) fn deadline(&self, options: &Options) -> Option<Instant> {
        let is_moved = self.chain.current.is_some() && !self.chain.is_live;
        let may_fill = self.chain.current.as_ref().is_some_and(is_to_be_filled);
        let is_polled = !self.chain.late.is_empty() || is_moved || may_fill || self.chain.recheck;
        let again = is_polled.then_some(self.look_at);
        again.into_iter().chain(self.chain.deadline(options)).min()
    }

    /// Reads available data, for a while.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn look(&mut self, look: &mut Look<'_>) -> Result<Seen, Stop> {
        look.names |= std::mem::take(&mut self.chain.recheck);
        self.look_at = look.now + look.options.sleep_interval;
        if self.is_new {
            self.begin(look);
            if self.is_new {
                return Ok(Seen::Missing);
            }
        }
        self.chain.look_at_late(look)?;
        for _ in 0..TURN {
            if self.chain.current.is_none() && !self.open_next(look) {
                return Ok(Seen::Missing);
            }
            if let Some(seen) = self.step(look)? {
                self.chain.settle(look)?;
                return Ok(seen);
            }
        }
        self.chain.recheck |= look.names;
        Ok(Seen::More)
    }

    /// Reads a block, or moves on to the next file; returns the result if that was everything.
    fn step(&mut self, look: &mut Look<'_>) -> Result<Option<Seen>, Stop> {
        let untouched = self.chain.current.as_ref().filter(|file| file.is_untouched());
        let untouched = untouched.map(OpenFile::position);
        let pulled = match self.chain.pull(look)? {
            Ok(pulled) => pulled,
            Err(error) => {
                let goes_on = self.unreadable(look, &error)?;
                return Ok((!goes_on).then_some(Seen::Missing));
            }
        };
        if std::mem::take(&mut self.is_unreadable) {
            self.chain.trouble.tell_mended();
        }
        if pulled == Pulled::Replaced {
            let goes_on = truncation::replaced(&mut self.chain, look)?;
            return Ok((!goes_on).then_some(Seen::Idle));
        }
        if let Some(position) = untouched {
            truncation::first_written(&mut self.chain, &position, look)?;
        }
        let goes_on = pulled == Pulled::Data || self.chain.advance(look)?;
        Ok((!goes_on).then_some(Seen::Idle))
    }

    /// Presents the held data of all files again, at the very end or because the wait is over.
    ///
    /// # Errors
    /// Errors of the consumer.
    pub(crate) fn press(&mut self, look: &mut Look<'_>, more: More) -> Result<(), Stop> {
        self.chain.press(look, more)
    }

    /// Handles a read error; `true` if there is another file to read.
    fn unreadable(&mut self, look: &mut Look<'_>, error: &io::Error) -> Result<bool, Stop> {
        let Some(file) = self.chain.current.take_if(|file| file.is_packed()) else {
            return self.endure(look, error);
        };
        loss::tell(look, file.path(), error.cause(), None);
        self.chain.close(file, look)?;
        Ok(!self.chain.queue.is_empty())
    }

    /// Like [`Stream::unreadable`], for a file that may be readable later.
    fn endure(&mut self, look: &mut Look<'_>, error: &io::Error) -> Result<bool, Stop> {
        self.chain.trouble.tell(&error.cause());
        self.is_unreadable = true;
        self.chain.recheck = true;
        look.names = true;
        let unread = self.chain.current.as_ref().map(OpenFile::identity);
        if self.chain.advance(look)? {
            look.lost = true;
            if let Some(file) = self.chain.late.pop(unread) {
                loss::tell(look, file.path(), "rotated before it could be read", file.unread());
                self.chain.close(file, look)?;
            }
            return Ok(true);
        }
        // A restarted file server does not know old descriptors.
        if error.raw_os_error() == Some(Errno::ESTALE as i32) && look.options.by_name {
            self.chain.reopen(look.options);
        }
        Ok(false)
    }

    /// The first step: determines where to start.
    fn begin(&mut self, look: &mut Look<'_>) {
        self.is_new = false;
        match self.resume.take() {
            Some(position) if !position.is_empty() => self.go_on(&position, look),
            _ => self.start_anew(look),
        }
    }

    /// Starts without a position: files rotated before this run are ignored, unless all files of
    /// the stream were requested.
    fn start_anew(&mut self, look: &Look<'_>) {
        let start = if self.is_latecomer { Start::default() } else { look.options.start };
        if !self.is_latecomer || self.is_selected() {
            let mut list = self.chain.files.list_found(&look.options.rotated_directories);
            if self.is_selected() && start.is_beginning() {
                self.chain.queue = list.into_iter().collect();
                return;
            }
            let path = self.path();
            list.retain(|file| file.path != *path);
            self.chain.history.skip(&list);
        }
        let path = self.path().to_owned();
        let Some(live) = Candidate::at(&path) else { return self.tell_missing(look.options) };
        let offset = start.offset(&path, look.options.delimiter, look.options.unpacks);
        match offset.and_then(|offset| OpenFile::open(&live.path, offset, look.options.unpacks)) {
            Ok(mut file) => {
                file.share_path(self.chain.files.shared_path());
                self.chain.current = Some(file);
                self.chain.trouble.tell_mended();
            }
            Err(error) => {
                self.is_new = true;
                if error.kind() == io::ErrorKind::Interrupted {
                    return;
                }
                // An unsupported operation is not tried again.
                self.chain.recheck = error.kind() != io::ErrorKind::Unsupported;
                self.chain.trouble.tell(&error.cause());
            }
        }
    }

    fn tell_missing(&mut self, options: &Options) {
        self.chain.trouble.tell_missing(self.chain.files.path(), self.is_met, options);
    }

    /// Resumes after `position`, whose last member is the newest file.
    fn go_on(&mut self, position: &[FilePosition], look: &mut Look<'_>) {
        self.chain.late.clear();
        let position = resumption::remember_done(&mut self.chain, position, look.options);
        let found = Resumption::of(&position, &mut self.chain.search(look.options));
        for file in found.late {
            let until = look.now + look.options.grace(file.modified());
            self.chain.late.push(file, until, Patience::new(look.now));
        }
        self.chain.history.skip(&found.skipped);
        for gone in &found.gone {
            // It may be the stream of another name by now.
            let is_there =
                self.chain.files.is_there(gone.identity, &look.options.rotated_directories);
            look.lost |= !is_there;
            if !is_there || !self.is_met {
                resumption::tell_gone(self.name(), gone, position.last() == Some(gone));
            }
        }
        self.origin = found.current.is_none().then(|| position.as_slice().into());
        self.chain.current = found.current;
        resumption::meet(&mut self.chain, &position);
        self.chain.queue = found.queue.into_iter().collect();
    }

    /// Opens the first file to read, from its beginning.
    fn open_next(&mut self, look: &mut Look<'_>) -> bool {
        if self.chain.queue.is_empty() {
            self.chain.queue_new(look);
        }
        if self.chain.queue.is_empty() {
            self.tell_missing(look.options);
            return false;
        }
        self.chain.current = self.chain.open_queued(look.options);
        if self.chain.current.is_none()
            && self.chain.queue.is_empty()
            && let Some(origin) = self.origin.take()
        {
            // Files were renamed in the meantime: search for the position again.
            self.resume =
                Some(origin.into_iter().map(|old| self.chain.late.as_of_now(old)).collect());
            self.is_new = true;
        }
        let is_open = self.chain.current.is_some();
        if is_open {
            self.origin = None;
        }
        is_open
    }
}
