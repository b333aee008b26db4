// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shows a checkpoint file to people.

use std::path::Path;

use crate::follow::position;
use heka_core::delivery::checkpoint::Positions;
use heka_core::os::Output;
use heka_core::report::{Explain as _, Status, Stop};

/// Prints one line for each file of each source.
pub(crate) fn show(path: &Path) -> Result<Status, Stop> {
    std::fs::metadata(path).at(path.display())?;
    let mut out = Output::stdout()?.text();
    for (source, bytes) in Positions::read(path)?.iter() {
        match position::decode(bytes) {
            Some(files) => {
                for file in files {
                    out.put(format!("{source}: {file}\n").as_bytes());
                }
            }
            None => {
                let text = String::from_utf8_lossy(bytes);
                out.put(format!("{source}: {}\n", text.escape_debug()).as_bytes());
            }
        }
    }
    out.flush()?;
    Ok(Status::Done)
}
