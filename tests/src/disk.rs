// SPDX-License-Identifier: MIT OR Apache-2.0
//! File systems that can be filled or stopped at any time.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use nix::sys::statvfs::statvfs;
use tempfile::TempDir;

use crate::{eventually, require, scratch, system_path};

/// A tmpfs, unmounted when dropped.
#[derive(Debug)]
pub struct SmallDisk {
    folder: TempDir,
}

impl SmallDisk {
    /// Mounts a tmpfs. `None` if that is not permitted; the test should then return.
    pub fn new() -> Option<Self> {
        let folder = scratch();
        let arguments = ["-t", "tmpfs", "-o", "size=4G", "heka-tests"];
        let is_mounted = mount(&arguments, folder.path());
        if !is_mounted {
            crate::skip_anywhere("no file system can be mounted, so none will be full");
        }
        is_mounted.then(|| Self { folder })
    }

    /// The mount point.
    pub fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Leaves `room` bytes free, rounded to pages.
    #[track_caller]
    pub fn fill(&self, room: u64) {
        // Concurrent writes can make the computed size too small.
        eventually("the disk is full", || {
            let now = statvfs(self.path()).expect("statvfs");
            let used = (now.blocks() - now.blocks_free()) * now.block_size();
            let size = format!("remount,size={}", used + room);
            mount(&["-o", &size], self.path()).then_some(())
        });
    }

    /// Frees the space again.
    ///
    /// # Panics
    /// If the system does not permit it.
    pub fn free(&self) {
        assert!(mount(&["-o", "remount,size=4G"], self.path()), "cannot make the disk larger");
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ended = Command::new("umount").arg("-l").arg(self.path()).status();
    }
}

/// An ext4 file system in a file, unmounted when dropped.
#[derive(Debug)]
pub struct StoppableDisk {
    folder: TempDir,
}

impl StoppableDisk {
    /// Makes and mounts the file system. `None` if that is not permitted; the test should then
    /// return.
    ///
    /// # Panics
    /// If there is not enough space.
    pub fn new() -> Option<Self> {
        Self::with(&[])
    }

    /// Like [`StoppableDisk::new`], with files that have no times of birth.
    pub fn without_birth_times() -> Option<Self> {
        Self::with(&["-I", "128"])
    }

    fn with(flags: &[&str]) -> Option<Self> {
        if !require("mkfs.ext4") || !require("fsfreeze") {
            return None;
        }
        let folder = scratch();
        let image = folder.path().join("image");
        File::create(&image).and_then(|file| file.set_len(64 << 20)).expect("room for a disk");
        std::fs::create_dir(folder.path().join("disk")).expect("room for a folder");
        let disk = Self { folder };
        let image = image.display().to_string();
        run("mkfs.ext4", &[&["-q", "-F"], flags, &[&image]].concat());
        if mount(&["-o", "loop", &image], &disk.path()) {
            return Some(disk);
        }
        crate::skip_anywhere("no file system can be mounted, so none will be stuck");
        None
    }

    /// The mount point.
    pub fn path(&self) -> PathBuf {
        self.folder.path().join("disk")
    }

    /// Blocks everyone who writes there, uninterruptibly, until the returned value is dropped.
    pub fn stop(&self) -> Stopped<'_> {
        run("fsfreeze", &["-f", &self.path().display().to_string()]);
        Stopped(self)
    }
}

/// A stopped disk. Drop it before the tools that write there.
pub struct Stopped<'a>(&'a StoppableDisk);

impl Drop for Stopped<'_> {
    fn drop(&mut self) {
        run("fsfreeze", &["-u", &self.0.path().display().to_string()]);
    }
}

impl Drop for StoppableDisk {
    fn drop(&mut self) {
        for program in [&["fsfreeze", "-u"], &["umount", "-l"]] {
            let mut command = command(program[0]);
            // Fails if the disk is neither stopped nor mounted.
            let _ended = command.arg(program[1]).arg(self.path()).stderr(Stdio::null()).status();
        }
    }
}

fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("PATH", system_path());
    command
}

#[track_caller]
fn run(program: &str, arguments: &[&str]) {
    let status = command(program).args(arguments).stdout(Stdio::null()).status();
    assert!(status.is_ok_and(|status| status.success()), "{program} {arguments:?}");
}

fn mount(arguments: &[&str], at: &Path) -> bool {
    let mut command = Command::new("mount");
    let mounted = command.args(arguments).arg(at).stderr(Stdio::null()).status();
    mounted.is_ok_and(|status| status.success())
}
