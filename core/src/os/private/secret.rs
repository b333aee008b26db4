// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files with secrets: keys, passwords, tokens. One rule applies to all of them.
//!
//! A regular file that belongs to another user than this one or root, or that another user can
//! write to, may contain anybody's secret. A file that others can read is not secret. A file of
//! root may be readable by its group, which is the usual way to give a secret to a program that
//! does not run as root.

use std::fs::{File, OpenOptions};
use std::io::{ErrorKind, Read as _};
use std::os::fd::AsFd as _;
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::Path;

use nix::fcntl::OFlag;
use nix::poll::PollFlags;
use zeroize::Zeroizing;

use super::check;
use crate::os::wait_for;
use crate::report::{self, Explain as _, Refused, Status, Stop};

/// Maximum size in bytes: a mistaken name must not exhaust memory.
const MAX_FILE: usize = 1 << 20;

/// Bytes that are overwritten when they are no longer needed.
pub type SecretBytes = Zeroizing<Vec<u8>>;

/// The treatment of a file that others can read or change.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposed {
    /// Reject a file that others can change, warn of one that they can read.
    Warn,
    /// Reject both.
    Refuse,
    /// Warn of both: the user insists.
    Accept,
    /// Reject a file that others can change, and ignore that they can read it: most files of this
    /// kind contain no secrets.
    Ignore,
}

/// Reads a secret from a file, or from standard input for `-`. Afterwards this process leaves no
/// core dump, and other processes of the user cannot read its memory.
///
/// # Errors
/// If the file cannot be read, is larger than 1 MiB or is exposed, status 2; or a signal.
pub fn read_secret(path: &Path, exposed: Exposed) -> Result<SecretBytes, Stop> {
    let file = open(path).stop(Status::Usage, path.display())?;
    let metadata = file.metadata().stop(Status::Usage, path.display())?;
    if metadata.is_file() {
        let trouble =
            check(&metadata).and_then(|()| check_readable(metadata.uid(), metadata.mode()));
        if let Err(trouble) = trouble {
            judge(path, trouble, exposed)?;
        }
    }
    report::keep_from_core_dumps();
    read_all(path, file)
}

fn check_readable(owner: u32, mode: u32) -> Result<(), Refused> {
    let is_handed_on = owner == 0 && !nix::unistd::geteuid().is_root();
    let forbidden = if is_handed_on { 0o004 } else { 0o044 };
    if mode & forbidden == 0 { Ok(()) } else { Err(Refused::Readable) }
}

fn judge(path: &Path, trouble: Refused, exposed: Exposed) -> Result<(), Stop> {
    let is_read_only = trouble == Refused::Readable;
    let path = path.display();
    match exposed {
        Exposed::Accept => report::warning(format_args!("{path}: {trouble}")),
        Exposed::Warn if is_read_only => report::warning(format_args!("{path}: {trouble}")),
        Exposed::Ignore if is_read_only => {}
        Exposed::Refuse => {
            return Err(Stop::usage(format_args!("{path}: {trouble}; --force accepts it")));
        }
        Exposed::Warn | Exposed::Ignore => {
            return Err(Stop::usage(format_args!("{path}: {trouble}")));
        }
    }
    Ok(())
}

/// Opens a file without blocking on the other end of a pipe.
fn open(path: &Path) -> std::io::Result<File> {
    if path.as_os_str() == "-" {
        return Ok(File::from(std::io::stdin().as_fd().try_clone_to_owned()?));
    }
    let flags = OFlag::O_NONBLOCK | OFlag::O_NOCTTY;
    OpenOptions::new().read(true).custom_flags(flags.bits()).open(path)
}

fn read_all(path: &Path, mut file: File) -> Result<SecretBytes, Stop> {
    let mut bytes = Zeroizing::new(Vec::with_capacity(4096));
    let mut block = Zeroizing::new([0; 4096]);
    loop {
        wait_for(file.as_fd(), PollFlags::POLLIN, None)?;
        match file.read(&mut *block) {
            Ok(0) => return Ok(bytes),
            Ok(len) => append_secret(&mut bytes, block.get(..len).unwrap_or_default()),
            Err(error)
                if matches!(error.kind(), ErrorKind::Interrupted | ErrorKind::WouldBlock) => {}
            Err(error) => return Err(error).stop(Status::Usage, path.display()),
        }
        if bytes.len() > MAX_FILE {
            return Err(std::io::Error::from(Refused::TooLarge)).at(path.display());
        }
    }
}

/// Appends without leaving a copy in the previous buffer.
pub fn append_secret(bytes: &mut SecretBytes, more: &[u8]) {
    if bytes.len() + more.len() > bytes.capacity() {
        let mut larger = Vec::with_capacity(2 * bytes.capacity() + more.len());
        larger.extend_from_slice(bytes);
        *bytes = Zeroizing::new(larger);
    }
    bytes.extend_from_slice(more);
}

#[cfg(test)]
mod tests {
    use std::fs::Permissions;
    use std::os::unix::fs::{PermissionsExt as _, chown};

    use super::*;

    fn outcome(path: &Path, exposed: Exposed) -> Result<usize, String> {
        match read_secret(path, exposed) {
            Ok(bytes) => Ok(bytes.len()),
            Err(Stop::Error { status: Status::Usage, text }) => {
                Err(text.rsplit("secret: ").next().unwrap_or_default().to_owned())
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn one_rule_for_all_files_of_secrets() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("secret");
        std::fs::write(&path, vec![b'x'; 10_000]).unwrap();
        let all = [Exposed::Warn, Exposed::Ignore, Exposed::Refuse, Exposed::Accept];
        let with_mode = |mode: u32| {
            std::fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
            all.map(|exposed| outcome(&path, exposed))
        };
        let ok = || Ok(10_000);
        let readable = || Err("readable by other users (chmod 600); --force accepts it".to_owned());
        let writable = |more: &str| Err(format!("writable by other users (chmod go-w){more}"));
        let forced = || writable("; --force accepts it");
        assert_eq!(with_mode(0o600), [ok(), ok(), ok(), ok()]);
        assert_eq!(with_mode(0o640), [ok(), ok(), readable(), ok()]);
        assert_eq!(with_mode(0o604), [ok(), ok(), readable(), ok()]);
        for mode in [0o620, 0o602, 0o666] {
            assert_eq!(with_mode(mode), [writable(""), writable(""), forced(), ok()]);
        }
        std::fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        if nix::unistd::geteuid().is_root() {
            chown(&path, Some(12_345), None).unwrap();
            assert_eq!(outcome(&path, Exposed::Warn), Err("belongs to another user".to_owned()));
            assert_eq!(outcome(&path, Exposed::Accept), ok());
        }
        File::create(&path).unwrap().set_len(MAX_FILE as u64 + 1).unwrap();
        assert_eq!(outcome(&path, Exposed::Accept), Err("too large".to_owned()));
        assert!(!nix::sys::prctl::get_dumpable().unwrap());
    }

    #[test]
    fn what_root_hands_to_a_group_is_secret() {
        let is_root = nix::unistd::geteuid().is_root();
        assert_eq!(check_readable(0, 0o640).is_err(), is_root);
        assert!(check_readable(0, 0o604).is_err());
        assert!(check_readable(1, 0o640).is_err());
    }
}
