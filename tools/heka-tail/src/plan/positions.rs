// SPDX-License-Identifier: MIT OR Apache-2.0
//! The location of stored positions.

use std::path::{Path, PathBuf};

use heka_core::cli::parse_duration;
use heka_core::delivery::checkpoint::short_hash;
use heka_core::report::{Explain as _, Stop};

use super::{Every, Position};
use crate::cli::{PositionArgs, Selecting};

/// Number of characters of the last operand in the name of a position file.
const READABLE: usize = 100;

pub(super) fn plan_position(
    args: &PositionArgs,
    files: &[PathBuf],
    selecting: &Selecting,
) -> Result<Position, Stop> {
    if let Some(path) = &args.resume {
        return Ok(Position::HandOn(path.clone()));
    }
    let Some(path) = &args.checkpoint else { return Ok(Position::Forget) };
    let text = &args.checkpoint_every;
    let every = match text.parse() {
        Ok(0) => Err("must be more than 0".to_owned()),
        Ok(records) => Ok(Every::Records(records)),
        Err(_) => parse_duration(text).map(Every::Time),
    };
    let every = every.map_err(|cause| {
        Stop::usage(format_args!("invalid value '{text}' for '--checkpoint-every': {cause}"))
    })?;
    let path = match path {
        Some(path) => path.clone(),
        None => default_checkpoint(files, selecting)?,
    };
    Ok(Position::Keep(path, every))
}

/// Returns a separate file in the user's state directory for each set of operands, or selection.
#[expect(clippy::disallowed_methods, reason = "the environment is read in the plan")]
fn default_checkpoint(files: &[PathBuf], selecting: &Selecting) -> Result<PathBuf, Stop> {
    let state =
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let state = state.or_else(home).ok_or_else(|| {
        Stop::usage("--checkpoint needs a FILE: neither XDG_STATE_HOME nor HOME is set")
    })?;
    let mut all = Vec::new();
    let mut last = String::new();
    for path in files.iter().chain(&selecting.log_directory) {
        let path = std::path::absolute(path).at(path.display())?;
        all.extend_from_slice(path.as_os_str().as_encoded_bytes());
        all.push(0);
        last = path.to_string_lossy().replace('/', "!");
    }
    // Only options that assign files to streams count; the others only sort.
    for part in selecting.file_match.iter().chain(&selecting.differentiator) {
        all.extend_from_slice(part.as_bytes());
        all.push(0);
    }
    let start = last.len().saturating_sub(READABLE);
    let start = (start..last.len()).find(|&at| last.is_char_boundary(at)).unwrap_or(0);
    let name = last.get(start..).unwrap_or_default();
    Ok(state.join("heka-tail").join(format!("{name}#{}.checkpoint", short_hash(&all))))
}
