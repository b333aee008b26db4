// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mount points, whose changes inotify does not report.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::PathBuf;

use heka_core::os::Wanted;
use nix::poll::PollFlags;

const MOUNTS: &str = "/proc/self/mountinfo";

/// The mount table of this process.
#[derive(Debug)]
pub(crate) struct Mounts(Option<File>);

impl Mounts {
    pub(crate) fn new() -> Self {
        Self(File::open(MOUNTS).ok())
    }

    /// Whether changes are reported.
    pub(crate) fn are_told(&self) -> bool {
        self.0.is_some()
    }

    /// Returns the descriptor that becomes ready after a mount or unmount.
    pub(crate) fn wanted(&self) -> Option<Wanted<'_>> {
        self.0.as_ref().map(|file| (file.as_fd(), PollFlags::POLLPRI))
    }
}

/// Returns the mount points of file systems and single files.
pub(crate) fn points() -> HashSet<PathBuf> {
    let text = std::fs::read(MOUNTS).unwrap_or_default();
    let lines = text.split(|&byte| byte == b'\n');
    lines.filter_map(|line| line.split(|&byte| byte == b' ').nth(4)).map(unescaped).collect()
}

/// Decodes a path in mountinfo, with `\040` for a space.
fn unescaped(text: &[u8]) -> PathBuf {
    use std::os::unix::ffi::OsStringExt as _;
    let mut path = Vec::new();
    let mut rest = text;
    while let Some((&byte, behind)) = rest.split_first() {
        let digits = behind.get(..3).filter(|_| byte == b'\\');
        let code = digits.and_then(|digits| std::str::from_utf8(digits).ok());
        match code.and_then(|digits| u8::from_str_radix(digits, 8).ok()) {
            Some(code) => {
                path.push(code);
                rest = behind.get(3..).unwrap_or(&[]);
            }
            None => {
                path.push(byte);
                rest = behind;
            }
        }
    }
    OsString::from_vec(path).into()
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;

    #[test]
    fn mount_points_may_have_spaces() {
        assert_eq!(unescaped(b"/a\\040b\\x"), Path::new("/a b\\x"));
    }
}
