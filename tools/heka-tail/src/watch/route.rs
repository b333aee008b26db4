// SPDX-License-Identifier: MIT OR Apache-2.0
//! The path to a file: the symlinks on it, and whether inotify reports everything at its end.

use std::ffi::OsString;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};
use std::rc::Rc;

use nix::sys::statfs::{FsType, statfs};

use super::mounts::Mounted;
use crate::follow::identity::Identity;
use crate::follow::source::GENERATED;

/// Maximum number of symlinks, as in the kernel.
const MAX_LINKS: usize = 40;

/// File systems to which others may write without this kernel noticing: 9p, acfs, afs (two), beegfs,
/// ceph, cifs, coda, fuse, gfs2, gpfs, ibrix, lustre, ncp, nfs, ocfs2, panfs, `prl_fs`, smb, smb2, snfs,
/// vboxsf, vmhgfs, vxfs; and aufs and overlayfs, whose layers may be written to directly. Files in
/// those of [`GENERATED`] change without a write.
const UNTOLD: [i64; 26] = [
    0x0102_1997,
    0x6163_6673,
    0x5346_414f,
    0x6b41_4653,
    0x1983_0326,
    0x00c3_6400,
    0xff53_4d42,
    0x7375_7245,
    0x6573_5546,
    0x0116_1970,
    0x4750_4653,
    0x0131_11a8,
    0x0bd0_0bd0,
    0x564c,
    0x6969,
    0x7461_636f,
    0xaad7_aaea,
    0x7c7c_6673,
    0x517b,
    0xfe53_4d42,
    0xbeef_dead,
    0x786f_4256,
    0xbacb_acbc,
    0xa501_fcf5,
    0x6175_6673,
    0x794c_7630,
];

/// The path to a file.
#[derive(Debug)]
pub(crate) struct Route {
    /// The names on it that may get another meaning, as real paths: symlinks, and the file.
    pub(crate) names: Vec<PathBuf>,
    /// Whether inotify reports all writes to the file.
    pub(crate) is_told: bool,
}

/// Cached paths to files, many of which begin with the same directory.
#[derive(Debug, Default)]
pub(crate) struct Routes {
    last: Option<Rc<Parent>>,
    /// Whether the cached directory has been verified.
    is_sure: bool,
    mounts: Option<Mounted>,
}

/// A directory on the path.
#[derive(Debug)]
struct Parent {
    given: PathBuf,
    identity: Identity,
    real: PathBuf,
    links: Vec<PathBuf>,
    is_told: bool,
}

impl Routes {
    /// Makes the next lookup check the links again.
    pub(crate) fn check_again(&mut self) {
        self.is_sure = false;
    }

    /// Forgets cached mounts after a mount or unmount.
    pub(crate) fn forget_mounts(&mut self) {
        self.mounts = None;
    }

    /// Resolves the absolute path `path`.
    ///
    /// # Errors
    /// [`io::ErrorKind::NotFound`] if a directory on it is missing.
    pub(crate) fn to(&mut self, path: &Path) -> io::Result<Route> {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(Route { names: Vec::new(), is_told: true });
        };
        let parent = self.parent(directory)?;
        let mut names = parent.links.clone();
        let mut end = parent.real.join(name);
        let mut is_told = parent.is_told;
        let mut found = std::fs::symlink_metadata(&end).ok();
        if found.as_ref().is_some_and(std::fs::Metadata::is_symlink) {
            let (links, to) = links_on(&end);
            names.extend(real_paths(links)?);
            end = real_paths(vec![to])?.pop().unwrap_or(end);
            is_told &= end.parent().is_none_or(is_told_in);
            found = std::fs::symlink_metadata(&end).ok();
        }
        // inotify knows a file by one name only.
        is_told &= found.is_none_or(|found| found.nlink() <= 1) && !self.mounts().may_hide(&end);
        names.push(end);
        Ok(Route { names, is_told })
    }

    fn parent(&mut self, directory: &Path) -> io::Result<Rc<Parent>> {
        let last = self.last.as_ref().filter(|last| last.given == directory);
        if let Some(last) = last.filter(|_| self.is_sure) {
            return Ok(Rc::clone(last));
        }
        let identity = Identity::of(&std::fs::metadata(directory)?);
        self.is_sure = true;
        if let Some(last) = last.filter(|last| last.identity == identity) {
            return Ok(Rc::clone(last));
        }
        let real = std::fs::canonicalize(directory)?;
        let links = real_paths(links_on(directory).0)?;
        let is_told = is_told_in(&real);
        let parent =
            Rc::new(Parent { given: directory.to_owned(), identity, real, links, is_told });
        self.last = Some(Rc::clone(&parent));
        Ok(parent)
    }

    /// Returns the mount points.
    pub(crate) fn mounts(&mut self) -> &Mounted {
        self.mounts.get_or_insert_with(Mounted::now)
    }
}

fn is_told_in(directory: &Path) -> bool {
    let kind = statfs(directory).map(|found| found.filesystem_type());
    kind.is_ok_and(|FsType(kind)| !UNTOLD.contains(&kind) && !GENERATED.contains(&kind))
}

/// Replaces the directories of these paths by their real paths.
fn real_paths(paths: Vec<PathBuf>) -> io::Result<Vec<PathBuf>> {
    let real = |path: PathBuf| {
        let (Some(directory), Some(name)) = (path.parent(), path.file_name()) else {
            return Ok(path);
        };
        Ok(std::fs::canonicalize(directory)?.join(name))
    };
    paths.into_iter().map(real).collect()
}

/// Returns all symlinks on the way to the absolute path `path`, including those inside the targets
/// of others; and the final path.
fn links_on(path: &Path) -> (Vec<PathBuf>, PathBuf) {
    let parts = |path: &Path| -> Vec<OsString> {
        path.components().rev().map(|part| part.as_os_str().to_owned()).collect()
    };
    let mut links = Vec::new();
    let mut rest = parts(path);
    let mut at = PathBuf::new();
    while let Some(part) = rest.pop() {
        match part.as_encoded_bytes() {
            b"." => continue,
            b".." => drop(at.pop()),
            _ => at.push(part),
        }
        if let Ok(target) = std::fs::read_link(&at)
            && links.len() < MAX_LINKS
        {
            links.push(at.clone());
            at.pop();
            rest.extend(parts(&target));
        }
    }
    (links, at)
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::os::unix::fs::symlink;

    #[test]
    fn a_way_leads_through_links_to_what_is_not_there_yet() {
        let dir = tempfile::tempdir().unwrap();
        let real = std::fs::canonicalize(dir.path()).unwrap();
        std::fs::create_dir(real.join("pods")).unwrap();
        symlink("pods", real.join("now")).unwrap();
        symlink("now/0.log", real.join("app.log")).unwrap();
        let to = |name: &str| Routes::default().to(&real.join(name));
        let names = to("app.log").unwrap().names;
        assert_eq!(names, ["app.log", "now", "pods/0.log"].map(|name| real.join(name)));
        symlink("gone/0.log", real.join("lost.log")).unwrap();
        assert_eq!(to("lost.log").unwrap_err().kind(), io::ErrorKind::NotFound);
        std::fs::write(real.join("one"), "").unwrap();
        assert!(to("one").unwrap().is_told);
        std::fs::hard_link(real.join("one"), real.join("two")).unwrap();
        assert!(!to("one").unwrap().is_told);
        assert!(!Routes::default().to(Path::new("/proc/self/status")).unwrap().is_told);
    }
}
