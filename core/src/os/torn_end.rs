// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a file that is appended to: what a crash or a full disk left of a record must not
//! stand in front of the next one.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;

use crate::report;
use crate::report::words::Count;

/// How a file of records ends when it is in order.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// With a whole record. The function returns how long the file is without a torn one, given the
    /// longest record; the rest is cut off.
    Whole(fn(&File, usize) -> io::Result<u64>, usize),
    /// With this byte. Text that lacks it may be somebody else's: it is ended, not cut off.
    Byte(u8),
}

impl Ending {
    /// Puts the end of `file` in order and says so. Leaves alone what is not a regular file, what
    /// may not be read, and a file that another process of ours appends to.
    pub(super) fn mend(self, file: &File, name: &str) -> io::Result<()> {
        let metadata = file.metadata()?;
        if !metadata.is_file() || metadata.len() == 0 {
            return Ok(());
        }
        if let Err(TryLockError::WouldBlock) = file.try_lock() {
            return Ok(());
        }
        match File::open(format!("/proc/self/fd/{}", file.as_raw_fd())) {
            Ok(reader) => self.mend_alone(file, reader, metadata.len(), name),
            Err(_) => Ok(()),
        }
    }

    fn mend_alone(self, mut file: &File, mut reader: File, len: u64, name: &str) -> io::Result<()> {
        match self {
            Self::Whole(find, limit) => {
                let whole = find(&reader, limit)?;
                if whole < len {
                    file.set_len(whole)?;
                    let torn = Count(len - whole, "byte");
                    report::warning(format_args!("{name}: removed an incomplete record of {torn}"));
                }
            }
            Self::Byte(byte) => {
                let mut last = [byte];
                reader.seek(SeekFrom::End(-1))?;
                reader.read_exact(&mut last)?;
                if last != [byte] {
                    file.write_all(&[byte])?;
                    report::warning(format_args!("{name}: added a missing newline at the end"));
                }
            }
        }
        Ok(())
    }
}

/// Whether another process of ours appends to the file.
pub(super) fn has_writer(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Shows other tools of ours that this process appends to the file. Without such locks, as on some
/// network file systems, this goes unnoticed.
pub(super) fn announce_writer(file: &File) {
    let _shared = file.try_lock_shared();
}
