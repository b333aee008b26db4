// SPDX-License-Identifier: MIT OR Apache-2.0
//! The end of a file that is appended to: an incomplete record left by a crash or a full disk must
//! not precede the next record.

use std::fs::{File, TryLockError};
use std::io::{self, Read as _, Seek as _, SeekFrom, Write as _};
use std::os::fd::AsRawFd as _;

use crate::report;
use crate::report::words::Count;

/// The intact ending of a file of records.
#[derive(Clone, Copy, Debug)]
pub enum Ending {
    /// A whole record. The function returns the length of the file without an incomplete record,
    /// given the maximum length of a record; the rest is removed.
    Whole(fn(&File, usize) -> io::Result<u64>, usize),
    /// This byte. Text without it may have been written by another program: the byte is added, and
    /// nothing is removed.
    Byte(u8),
}

impl Ending {
    /// Repairs the end of `file` and reports it. Ignores anything but a regular file, a file that
    /// may not be read, and a file that another heka tool is appending to.
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

/// Whether another heka tool is appending to the file.
pub(super) fn has_writer(file: &File) -> bool {
    matches!(file.try_lock(), Err(TryLockError::WouldBlock))
}

/// Shows other heka tools that this process appends to the file. Without support for such locks, as
/// on some network file systems, this has no effect.
pub(super) fn announce_writer(file: &File) {
    let _shared = file.try_lock_shared();
}
