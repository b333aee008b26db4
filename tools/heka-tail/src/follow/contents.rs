// SPDX-License-Identifier: MIT OR Apache-2.0
//! The contents read of a file that may no longer exist, to recognise copies of it.

use std::io;
use std::path::Path;

use super::file::OpenFile;
use super::fingerprint::Fingerprint;
use super::position::WINDOW;
use crate::select::find::Candidate;

/// The contents read of a file.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    fingerprint: Fingerprint,
    last: Vec<u8>,
    end: u64,
    modified: u64,
}

/// How much of known contents another file has.
#[derive(Debug)]
pub(crate) enum Likeness {
    /// The file has other contents.
    Other,
    /// The same beginning, and no more.
    Beginning,
    /// All of the known contents; the file is opened at their end.
    All(Box<OpenFile>),
}

impl Likeness {
    /// Returns the better match.
    pub(crate) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::All(_), _) | (Self::Beginning, Self::Other | Self::Beginning) => self,
            _ => other,
        }
    }
}

impl Contents {
    /// Returns the contents read of `file` so far.
    pub(crate) fn of(file: &OpenFile) -> Self {
        Self {
            fingerprint: file.fingerprint().clone(),
            last: file.last().to_vec(),
            end: file.end(),
            modified: file.modified(),
        }
    }

    /// Like [`Contents::of`], for a file that still exists under another name or none and was not
    /// truncated: a copy may contain more, and have the time of a part that has not been read.
    pub(crate) fn of_left(file: &OpenFile) -> Self {
        Self { modified: file.written(), ..Self::of(file) }
    }

    /// Compares `file` with these contents. Contents so short that unrelated files may begin alike
    /// only count if the copy has the time of its original, or was created before the last of them
    /// were written.
    pub(crate) fn likeness(&self, file: &Candidate, unpacks: bool) -> Likeness {
        self.likeness_if(file.modified <= self.modified, file, unpacks)
    }

    /// Like [`Contents::likeness`], for a file no older than these contents, which a copy of the
    /// file's earlier contents is.
    pub(crate) fn likeness_to_copy(&self, file: &Candidate, unpacks: bool) -> Likeness {
        self.likeness_if(file.modified >= self.modified, file, unpacks)
    }

    fn likeness_if(&self, is_sure: bool, file: &Candidate, unpacks: bool) -> Likeness {
        let Ok((other, has)) = self.compare(&file.path, unpacks) else { return Likeness::Other };
        match has {
            0 => Likeness::Other,
            _ if !is_sure && has < WINDOW as u64 => Likeness::Other,
            _ if other.identity() != file.identity => Likeness::Other,
            has if has == self.end => Likeness::All(Box::new(other)),
            _ => Likeness::Beginning,
        }
    }

    /// Returns the bytes of a copy at certain offsets, in order, since compressed files are read
    /// only once.
    fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let start = self.end - self.last.len() as u64;
        let head = self.fingerprint.head().len() as u64;
        let known = usize::try_from(head.saturating_sub(start)).unwrap_or(usize::MAX);
        let last = self.last.get(known..).filter(|last| !last.is_empty());
        self.fingerprint.pieces(start).chain(last.map(|last| (start.max(head), last)))
    }

    /// Opens the file at `path` and returns how many of these bytes it has; 0 if it has others.
    fn compare(&self, path: &Path, unpacks: bool) -> io::Result<(OpenFile, u64)> {
        let mut other = OpenFile::open_anew(path, unpacks)?;
        let mut has = 0;
        for (at, piece) in self.pieces() {
            let mut room = vec![0; piece.len()];
            let len = match other.peek(at, &mut room) {
                // The copy may be in progress.
                Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => 0,
                read => read?,
            };
            if room.get(..len) != piece.get(..len) {
                return Ok((other, 0));
            }
            if len < piece.len() {
                let has = if len > 0 { at + len as u64 } else { has };
                return Ok((other, has));
            }
            has = at + len as u64;
        }
        other.go_on_as(&self.fingerprint, self.end, &self.last);
        Ok((other, has))
    }
}

/// If `copy` is a copy of `next`, which is about to be truncated, opens `next` at the position of
/// the copy. A copy is younger than its original, a renamed file is older than the next.
pub(crate) fn original(copy: &OpenFile, next: &OpenFile) -> Option<OpenFile> {
    if next.identity().born == 0 || copy.identity().born <= next.identity().born {
        return None;
    }
    let behind = OpenFile::open(next.path(), copy.end(), false).ok()?;
    if behind.identity() != next.identity() || behind.last() != copy.last() {
        return None;
    }
    let mut original = OpenFile::open(next.path(), copy.position().offset, false).ok()?;
    original.resume(&copy.position());
    original.set_generation(next.generation());
    original.set_modified(next.modified());
    Some(original)
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write as _;

    use flate2::Compression;
    use flate2::write::GzEncoder;

    use super::*;
    use crate::follow::chunk::Around;
    use crate::follow::held::Block;

    fn plain(path: &Path, text: &str) {
        std::fs::write(path, text).unwrap();
    }

    fn packed(path: &Path, text: &str) {
        let mut encoder = GzEncoder::new(File::create(path).unwrap(), Compression::fast());
        encoder.write_all(text.as_bytes()).unwrap();
        encoder.finish().unwrap();
    }

    #[test]
    fn copies_are_recognised_however_much_they_have() {
        let dir = tempfile::tempdir().unwrap();
        let text: String = (0..5000).map(|line| format!("line {line}\n")).collect();
        let (read, copy) = (dir.path().join("read"), dir.path().join("copy"));
        for len in [100, 255, 256, 257, 400, 700, 5000, text.len()] {
            plain(&read, text.get(..len).unwrap());
            let mut file = OpenFile::open(&read, 0, true).unwrap();
            let consume = &mut |chunk: &mut crate::follow::Chunk<'_>| Ok(chunk.data().len());
            file.pull(&mut Block::default(), Around::behind(&[]), consume).unwrap().unwrap();
            let contents = Contents::of(&file);
            for write in [plain, packed] {
                check(&contents, &text, &|text, later| {
                    write(&copy, text);
                    let mut copy = Candidate::at(&copy).unwrap();
                    copy.modified = contents.modified + later;
                    contents.likeness(&copy, true)
                });
            }
        }
    }

    fn check(contents: &Contents, text: &str, like: &dyn Fn(&str, u64) -> Likeness) {
        let len = usize::try_from(contents.end).unwrap();
        let read = text.get(..len).unwrap();
        let begins = |text| matches!(like(text, 0), Likeness::Beginning);
        let is_other = |text: &str| matches!(like(text, 0), Likeness::Other);
        let end = |text: &str| match like(text, 0) {
            Likeness::All(file) => Some(file.position().offset),
            _ => None,
        };
        assert!(begins(text.get(..len - 1).unwrap()), "{len}");
        assert!(begins(text.get(..len / 2).unwrap()), "{len}");
        assert_eq!(end(read), Some(contents.end), "{len}");
        assert_eq!(end(&format!("{read}more")), Some(contents.end), "{len}");
        assert!(is_other(""));
        assert!(is_other("line 0\nanother"));
        let changed = format!("{}X{}", text.get(..len - 1).unwrap(), text.get(len..).unwrap());
        assert!(is_other(&changed), "{len}");
        let is_like = !matches!(like(read, 1), Likeness::Other);
        assert_eq!(is_like, len >= WINDOW, "{len}");
    }
}
