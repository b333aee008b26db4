// SPDX-License-Identifier: MIT OR Apache-2.0
//! Mount points, whose changes inotify does not report.

use std::collections::HashSet;
use std::ffi::OsString;
use std::fs::File;
use std::os::fd::AsFd as _;
use std::path::{Path, PathBuf};

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

/// The mount points.
#[derive(Debug, Default)]
pub(crate) struct Mounted {
    /// Mount points of file systems and single files.
    points: HashSet<PathBuf>,
    /// Upper directories of overlays. Writes to them may be reported in the overlay only.
    uppers: Vec<PathBuf>,
}

impl Mounted {
    pub(crate) fn now() -> Self {
        Self::parse(&std::fs::read(MOUNTS).unwrap_or_default())
    }

    fn parse(mountinfo: &[u8]) -> Self {
        let mut mounted = Self::default();
        for line in mountinfo.split(|&byte| byte == b'\n') {
            let words: Vec<&[u8]> = line.split(|&byte| byte == b' ').collect();
            mounted.points.extend(words.get(4).map(|point| unescaped(point)));
            let [.., b"overlay", _, options] = *words else { continue };
            let options = options.split(|&byte| byte == b',');
            let upper =
                options.filter_map(|option| option.strip_prefix(b"upperdir=")).map(unescaped);
            mounted.uppers.extend(upper.map(|path| std::fs::canonicalize(&path).unwrap_or(path)));
        }
        mounted
    }

    /// Whether writes to the file at `path`, a canonical path, may be reported elsewhere.
    pub(crate) fn may_hide(&self, path: &Path) -> bool {
        self.points.contains(path) || self.is_written_through(path)
    }

    /// Whether there are overlays with an upper directory.
    pub(crate) fn has_uppers(&self) -> bool {
        !self.uppers.is_empty()
    }

    /// Whether an overlay may write to the file at `path`.
    pub(crate) fn is_written_through(&self, path: &Path) -> bool {
        // The directory that a relative path starts from is not known.
        let ends = |directory: &Path| self.uppers.iter().any(|upper| directory.ends_with(upper));
        self.uppers.iter().any(|upper| path.starts_with(upper))
            || self.uppers.iter().any(|upper| upper.is_relative()) && path.ancestors().any(ends)
    }
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
    use super::*;

    #[test]
    fn mount_points_may_have_spaces() {
        assert_eq!(unescaped(b"/a\\040b\\x"), Path::new("/a b\\x"));
    }

    #[test]
    fn overlays_write_to_their_upper_directories() {
        let mounted = Mounted::parse(
            b"22 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw\n\
              40 22 0:39 / /var/merged\\0401 rw - overlay overlay rw,lowerdir=/l,upperdir=/no/u\\0541,workdir=/w\n\
              41 22 0:40 / /m rw,relatime - overlay none rw,upperdir=id/diff,workdir=id/work\n\
              42 22 0:41 / /ro rw,relatime - overlay none ro,lowerdir=/a:/b\n\
              43 22 254:0 /x /etc/host.conf rw,relatime shared:1 - ext4 /dev/vda rw\n",
        );
        for (path, is_hidden) in [
            ("/etc/host.conf", true),
            ("/etc/host.conf.1", false),
            ("/no/u,1/var/log/app.log", true),
            ("/no/u,10/app.log", false),
            ("/var/lib/id/diff/app.log", true),
            ("/var/lib/id/differ/app.log", false),
            ("/a/app.log", false),
            ("/var/merged 1", true),
        ] {
            assert_eq!(mounted.may_hide(Path::new(path)), is_hidden, "{path}");
        }
        assert!(!mounted.is_written_through(Path::new("/etc/host.conf")));
    }
}
