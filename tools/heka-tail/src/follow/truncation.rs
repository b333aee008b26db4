// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that are truncated or rewritten in place, and the copies made of them before.

use super::chain::Chain;
use super::file::OpenFile;
use super::look::Look;
use super::loss;
use super::patience::{Patience, is_hole};
use super::position::FilePosition;
use super::search::Search;
use crate::numbers;
use crate::select::find::Candidate;

use heka_core::os::clock;
use heka_core::record::More;
use heka_core::report::{self, Stop};

/// Handles a current file that may have been written for the first time since `position`, at which
/// nothing of it had been read. It may have been truncated unnoticed in between, with its contents
/// in copies, which are then read as files left behind.
///
/// # Errors
/// Errors of the consumer.
pub(crate) fn first_written(
    chain: &mut Chain,
    position: &FilePosition,
    look: &mut Look<'_>,
) -> Result<(), Stop> {
    let Some(current) = &mut chain.current else { return Ok(()) };
    if current.is_untouched() {
        let Some(written) = current.written_since() else { return Ok(()) };
        current.set_modified(written);
    }
    // Unchanged since it was found, so it was not truncated.
    if current.modified() <= position.modified {
        return Ok(());
    }
    if chain.is_alone {
        chain.unsure = Some(Box::new(*position));
        return Ok(());
    }
    read_copies(chain, position, look)
}

/// Notes that the current file is still empty: what a copy of it will contain is written later than
/// the files closed so far, even if these got lines after it was created. A compressed form of one
/// of them must not be taken for such a copy.
pub(super) fn note_empty(chain: &mut Chain) {
    let is_unread = |file: &&mut OpenFile| file.is_untouched() && !file.is_packed();
    let Some(current) = chain.current.as_mut().filter(is_unread) else { return };
    let now = u64::try_from(clock::now_ns()).unwrap_or(0);
    let after = chain.history.last_written(now).map_or(0, |last| last + 1);
    let known = current.modified();
    if known < after && current.written() <= known && current.lag() == 0 {
        current.set_modified(after);
    }
}

/// Reads the former contents of the current file after `position`, which are in copies by now.
pub(crate) fn read_copies(
    chain: &mut Chain,
    position: &FilePosition,
    look: &mut Look<'_>,
) -> Result<(), Stop> {
    let (files, history, late) = (&mut chain.files, &chain.history, &chain.late);
    let mut search = Search { files, history, late, options: look.options };
    for file in search.unseen_copies(position, chain.current.as_ref()) {
        numbers::TRUNCATIONS.add(1);
        report::note(format_args!("{}: truncated, copied before", chain.trouble.name()));
        let until = look.now + look.options.grace(file.modified());
        chain.late.push(file, until, Patience::new(look.now));
    }
    chain.look_at_open(look)
}

/// Handles a truncated or rewritten current file: its unread part may be in a copy. Returns `false`
/// if there is nothing to read for now.
///
/// # Errors
/// Errors of the consumer.
pub(crate) fn replaced(chain: &mut Chain, look: &mut Look<'_>) -> Result<bool, Stop> {
    let Some(current) = &chain.current else { return Ok(false) };
    let (position, is_cut) = (current.position(), current.is_cut());
    let (path, unread) = (current.shared_path(), current.was_behind());
    let (list, found) = chain.search(look.options).truncated(&position, &[]);
    let is_copied = found.as_ref().is_some_and(|(_, at)| at.identity() != position.identity);
    if let Some((index, copy)) = found
        && go_on_in_copy(chain, &position, &list, index, copy, look)?
    {
        return Ok(true);
    }
    let live = chain.files.newest().map(|live| live.identity);
    if unread > 0 && !is_copied {
        loss::tell(look, &path, "overwritten before it was read", Some(unread));
    }
    let is_left = look.options.by_name && live != Some(position.identity);
    if is_left && !is_cut && !is_copied {
        // As shred(1) does with a rotated file: nobody wrote these lines.
        look.names = true;
        return Ok(chain.is_replaced_by_copy(look) || chain.go_to_next(look)?);
    }
    numbers::TRUNCATIONS.add(1);
    report::note(format_args!("{}: truncated", chain.trouble.name()));
    press_unless_hole(chain, look)?;
    if let Some(current) = &mut chain.current {
        chain.history.keep_contents(current);
        current.rewind();
    }
    Ok(true)
}

/// Continues in a copy of the current file, or in the file itself at its position; `false` if that
/// has been read or proves nothing.
fn go_on_in_copy(
    chain: &mut Chain,
    position: &FilePosition,
    list: &[Candidate],
    index: usize,
    copy: OpenFile,
    look: &mut Look<'_>,
) -> Result<bool, Stop> {
    let is_itself = copy.identity() == position.identity;
    let is_read = list.get(index).is_none_or(|at| chain.search(look.options).has_read(at));
    // Nothing of it was consumed, so its existence proves nothing.
    if is_read || (is_itself && position.offset == 0) {
        return Ok(false);
    }
    if is_itself {
        press_unless_hole(chain, look)?;
    } else {
        numbers::TRUNCATIONS.add(1);
        report::note(format_args!("{}: truncated, copied before", chain.trouble.name()));
        let search = chain.search(look.options);
        let newer = list.iter().skip(index + 1).filter(|file| !search.has_read(file));
        chain.queue = newer.cloned().collect();
    }
    chain.current = Some(copy);
    Ok(true)
}

/// Delivers the bytes held of the current file, unless they are a hole that has been filled.
fn press_unless_hole(chain: &mut Chain, look: &mut Look<'_>) -> Result<(), Stop> {
    let is_filled = chain.current.as_ref().is_some_and(is_hole);
    if is_filled { Ok(()) } else { chain.press_current(look, More::Ended) }
}
