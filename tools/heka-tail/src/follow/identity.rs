// SPDX-License-Identifier: MIT OR Apache-2.0
//! The identity of a file: not its name, which rotation changes, but its metadata in the file
//! system.

use std::fs::Metadata;
use std::os::unix::fs::MetadataExt as _;
use std::time::UNIX_EPOCH;

use heka_core::os::clock;

/// Changes within this time may have the same timestamp; nanoseconds, several ticks of the kernel.
const TICK_NS: u64 = 50_000_000;
/// The same limit for timestamps in whole or even seconds.
const COARSE_TICK_NS: u64 = 2_100_000_000;

/// The identity of a file in the file system.
///
/// The birth time distinguishes a reused inode from the file that had it before; it is 0 where the
/// file system does not store it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct Identity {
    /// Device.
    pub(crate) device: u64,
    /// Inode.
    pub(crate) inode: u64,
    /// Creation time of the inode, in nanoseconds since 1970.
    pub(crate) born: u64,
}

impl Identity {
    /// Returns the identity in `metadata`.
    pub(crate) fn of(metadata: &Metadata) -> Self {
        let born = metadata.created().ok().and_then(|time| time.duration_since(UNIX_EPOCH).ok());
        Self {
            device: metadata.dev(),
            inode: metadata.ino(),
            born: born.and_then(|born| u64::try_from(born.as_nanos()).ok()).unwrap_or(0),
        }
    }

    /// Whether this may be the same file, on a device whose number has changed.
    pub(crate) fn is_like(self, other: Self) -> bool {
        (self.inode, self.born) == (other.inode, other.born)
    }
}

/// Returns a time before the timestamps of all future events, unless timestamps are whole seconds.
pub(crate) fn just_before_now() -> u64 {
    u64::try_from(clock::now_ns()).unwrap_or(0).saturating_sub(TICK_NS)
}

/// Whether a future change will get a timestamp later than `modified`.
pub(crate) fn is_settled(modified: u64) -> bool {
    let is_whole = modified.is_multiple_of(1_000_000_000);
    let tick = if is_whole { COARSE_TICK_NS } else { TICK_NS };
    modified.saturating_add(tick) < u64::try_from(clock::now_ns()).unwrap_or(0)
}

/// Returns the time of the last change of the contents, in nanoseconds since 1970.
pub(crate) fn modified(metadata: &Metadata) -> u64 {
    let ns = metadata.mtime().saturating_mul(1_000_000_000).saturating_add(metadata.mtime_nsec());
    u64::try_from(ns).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_settled_when_the_clock_has_gone_on() {
        let now = u64::try_from(clock::now_ns()).unwrap();
        assert!(!is_settled(now | 1));
        assert!(is_settled((now - 1_000_000_000) | 1));
        let whole = now / 1_000_000_000 * 1_000_000_000;
        assert!(!is_settled(whole), "it may be a second before the next");
        assert!(is_settled(whole - 3_000_000_000));
    }
}
