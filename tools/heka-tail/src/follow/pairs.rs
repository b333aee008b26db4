// SPDX-License-Identifier: MIT OR Apache-2.0
//! A file and its compressed form while both exist: only one of them counts.

use std::collections::{HashMap, HashSet};
use std::path::{Path, PathBuf};

use super::file::OpenFile;
use super::packed::{has_packed_name, source_of};
use crate::select::find::Candidate;

/// Number of bytes compared to decide whether two files have the same contents.
const HEAD: usize = 512;

/// Returns the files that do not count: incomplete ones, and those that are overwritten before they
/// are deleted, as shred(1) does.
pub(crate) fn redundant<'a, T>(files: T) -> HashSet<PathBuf>
where
    T: IntoIterator<Item = &'a Candidate> + Clone,
{
    if !files.clone().into_iter().any(|file| has_packed_name(&file.path)) {
        return HashSet::new();
    }
    let files: HashMap<&Path, &Candidate> =
        files.into_iter().map(|file| (file.path.as_path(), file)).collect();
    let of = |packed: &Candidate| {
        let source = source_of(&packed.path)?;
        let source = files.get(source.as_path())?;
        let left_out = if is_overwritten(source, packed) { source } else { packed };
        Some(left_out.path.clone())
    };
    files.values().filter_map(|packed| of(packed)).collect()
}

/// Whether a file no longer has the contents that `packed` was made from. A compressed file that
/// existed before was made from another file.
fn is_overwritten(source: &Candidate, packed: &Candidate) -> bool {
    if source.identity.born == 0 || packed.identity.born <= source.identity.born {
        return false;
    }
    let (was, is) = (head(packed, true), head(source, false));
    // An incomplete file may still be empty, and the other file may be gone by now.
    !was.is_empty() && !is.is_empty() && !is.starts_with(&was)
}

/// Returns the first bytes of a file, if it still exists.
fn head(candidate: &Candidate, unpacks: bool) -> Vec<u8> {
    let mut head = vec![0; HEAD];
    let file = OpenFile::open_anew(&candidate.path, unpacks).ok();
    let file = file.filter(|file| file.identity() == candidate.identity);
    let len = file.and_then(|mut file| file.peek(0, &mut head).ok()).unwrap_or(0);
    head.truncate(len);
    head
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;
    use std::slice::from_ref;
    use std::time::Duration;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;

    #[test]
    fn one_of_two_counts() {
        let dir = tempfile::tempdir().unwrap();
        let (source, packed) = (dir.path().join("a.1"), dir.path().join("a.1.gz"));
        let left_out = || {
            let both = [&source, &packed].map(|path| Candidate::at(path).unwrap());
            redundant(&both).into_iter().collect::<Vec<_>>()
        };
        let text = "a line\n".repeat(1000);
        std::fs::write(&source, &text).unwrap();
        let written = std::fs::metadata(&source).unwrap().modified().unwrap();
        while Candidate::at(&source).unwrap().modified >= {
            std::fs::write(&packed, "").unwrap();
            Candidate::at(&packed).unwrap().modified
        } {
            std::fs::remove_file(&packed).unwrap();
        }
        assert_eq!(left_out(), from_ref(&packed), "nothing is in it yet");
        let mut encoder = GzEncoder::new(File::create(&packed).unwrap(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        let file = encoder.finish().unwrap();
        assert_eq!(left_out(), from_ref(&packed));
        file.set_modified(written - Duration::from_millis(1)).unwrap();
        assert_eq!(left_out(), from_ref(&packed), "late lines may come");
        let mut late = File::options().append(true).open(&source).unwrap();
        late.write_all(b"late\n").unwrap();
        assert_eq!(left_out(), from_ref(&packed));
        let mut shredded = File::options().write(true).open(&source).unwrap();
        shredded.write_all(&[0xa5; 100]).unwrap();
        assert_eq!(left_out(), from_ref(&source));
        let both = [&source, &packed].map(|path| Candidate::at(path).unwrap());
        std::fs::remove_file(&source).unwrap();
        assert!(redundant(&both).contains(&packed), "it was not looked at when it was complete");
        std::fs::write(&source, "another file\n").unwrap();
        if Candidate::at(&source).unwrap().identity.born > 0 {
            assert_eq!(left_out(), from_ref(&packed), "that was there before");
        }
    }
}
