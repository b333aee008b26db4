// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file system of its own that can be made full at any time.

use std::path::Path;
use std::process::{Command, Stdio};

use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

use crate::{eventually, scratch};

/// A tmpfs, gone when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts one. `None` where that is not allowed: the test should do without, then.
    pub fn new() -> Option<Self> {
        let folder = scratch();
        let arguments = ["-t", "tmpfs", "-o", "size=4G", "heka-tests"];
        let is_mounted = mount(&arguments, folder.path());
        if !is_mounted {
            crate::skip_anywhere("no file system can be mounted, so none will be full");
        }
        is_mounted.then(|| Self { folder })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves room for so many bytes more, rounded to pages.
    #[track_caller]
    pub fn fill(&self, room: u64) {
        // What is written meanwhile can make the size wanted too small.
        eventually("the disk is full", || {
            let now = statvfs(self.path()).expect("statvfs");
            let used = (now.blocks() - now.blocks_free()) * now.block_size();
            let size = format!("remount,size={}", used + room);
            mount(&["-o", &size], self.path()).then_some(())
        });
    }

    /// Makes room again.
    ///
    /// # Panics
    /// If the system does not let us.
    pub fn free(&self) {
        assert!(mount(&["-o", "remount,size=4G"], self.path()), "cannot make the disk larger");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    let mounted = command.args(arguments).arg(at).stderr(Stdio::null()).status();
    mounted.is_ok_and(|status| status.success())
}
