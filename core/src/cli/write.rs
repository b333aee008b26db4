// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of tools that can write to a file.

use std::path::PathBuf;
use std::time::Duration;

use clap::Args;

use super::{parse_duration, parse_size};
use crate::os::{FileSink, Output, Rotation, signal};
use crate::report::{Explain as _, Stop};

/// Flags of tools that can write to a file.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output file")]
pub struct WriteArgs {
    /// Append to FILE instead of standard output
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub write: Option<PathBuf>,
    /// Create missing directories of FILE
    #[arg(long, requires = "write")]
    pub create_dirs: bool,
    /// Permissions of a new FILE, octal [default: 664 less the umask]
    #[arg(long, value_name = "MODE", value_parser = parse_octal)]
    pub mode: Option<u32>,
    /// Rotate FILE after SIZE bytes or DURATION
    #[arg(long, value_name = "SIZE|DURATION", requires = "write", value_parser = parse_rotation)]
    pub rotate: Option<Rotation>,
}

/// The flag of tools that store positions once messages are in such a file.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Output file")]
pub struct CommitArgs {
    /// Store the source's position in FILE once messages are synced
    #[arg(long, value_name = "FILE", requires = "write", value_hint = clap::ValueHint::FilePath)]
    pub commit: Option<PathBuf>,
}

impl WriteArgs {
    /// Opens the file, or standard output if none is given. HUP reopens the file from then on.
    ///
    /// # Errors
    /// If the file cannot be opened.
    pub fn open(&self, durable: bool) -> Result<Output, Stop> {
        let Some(path) = &self.write else { return Output::stdout() };
        if let Some(parent) = path.parent().filter(|_| self.create_dirs) {
            std::fs::create_dir_all(parent).at(parent.display())?;
        }
        signal::reopen_on_hup();
        Output::appended(FileSink::new(path.clone(), self.mode, self.rotate, durable))
    }
}

/// Parses octal permissions such as 664.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_octal(text: &str) -> Result<u32, String> {
    match u32::from_str_radix(text, 8) {
        Ok(mode) if mode <= 0o7777 => Ok(mode),
        _ => Err("expected octal permissions such as 664".to_owned()),
    }
}

/// Parses a size with a unit (`64M`), or a duration (`1h`); a bare number is a size. `m` alone
/// means minutes, `M` mebibytes.
///
/// # Errors
/// A description of what is wrong.
pub fn parse_rotation(text: &str) -> Result<Rotation, String> {
    let is_time = text.ends_with(['s', 'm', 'h', 'd']);
    let rotation = if is_time {
        parse_duration(text).map(Rotation::Time)
    } else {
        parse_size(text).map(Rotation::Size)
    };
    match rotation {
        Ok(Rotation::Size(0)) => Err("must be more than 0".to_owned()),
        Ok(Rotation::Time(time)) if time < Duration::from_secs(1) => {
            Err("must be at least a second".to_owned())
        }
        Ok(rotation) => Ok(rotation),
        Err(_) => Err("expected a size such as 64M or a duration such as 1h".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sizes_and_times_are_told_apart() {
        assert_eq!(parse_rotation("64M"), Ok(Rotation::Size(64 << 20)));
        assert_eq!(parse_rotation("1000"), Ok(Rotation::Size(1000)));
        assert_eq!(parse_rotation("1h"), Ok(Rotation::Time(Duration::from_secs(3600))));
        assert_eq!(parse_rotation("5m"), Ok(Rotation::Time(Duration::from_secs(300))));
        assert!(parse_rotation("0").is_err());
        assert!(parse_rotation("1ms").is_err());
        assert!(parse_rotation("soon").is_err());
    }
}
