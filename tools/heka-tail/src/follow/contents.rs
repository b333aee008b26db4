// SPDX-License-Identifier: MIT OR Apache-2.0
//! What was read of a file that may be gone by now, to be recognised in copies of it.

use std::io;
use std::path::Path;

use super::file::OpenFile;
use super::fingerprint::Fingerprint;
use super::position::WINDOW;
use crate::select::find::Candidate;

/// What was read of a file.
#[derive(Clone, Debug)]
pub(crate) struct Contents {
    fingerprint: Fingerprint,
    last: Vec<u8>,
    end: u64,
    modified: u64,
}

/// What of the contents that were read another file has.
#[derive(Debug)]
pub(crate) enum Likeness {
    /// It is something else.
    Other,
    /// The beginning, and nothing else.
    Beginning,
    /// All; the file, opened where they end.
    All(Box<OpenFile>),
}

impl Likeness {
    /// The greater one.
    pub(crate) fn or(self, other: Self) -> Self {
        match (&self, &other) {
            (Self::All(_), _) | (Self::Beginning, Self::Other | Self::Beginning) => self,
            _ => other,
        }
    }
}

impl Contents {
    /// What was read of `file` so far.
    pub(crate) fn of(file: &OpenFile) -> Self {
        Self {
            fingerprint: file.fingerprint().clone(),
            last: file.last().to_vec(),
            end: file.end(),
            modified: file.modified(),
        }
    }

    /// The same of a file that is there under another name or none, and was not truncated: a copy
    /// may have more, and the time of what was not read yet.
    pub(crate) fn of_left(file: &OpenFile) -> Self {
        Self { modified: file.written(), ..Self::of(file) }
    }

    /// What of these `file` has. So few bytes that others may begin alike are only taken for a copy
    /// that has the time of what it was made from, or was made before the last of them came.
    pub(crate) fn likeness(&self, file: &Candidate, unpacks: bool) -> Likeness {
        self.likeness_if(file.modified <= self.modified, file, unpacks)
    }

    /// The same for a file that is no older than these: a copy of what had been in the same file
    /// before is.
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

    /// What a copy has at which offsets: in order, as what is compressed is read only once.
    fn pieces(&self) -> impl Iterator<Item = (u64, &[u8])> {
        let start = self.end - self.last.len() as u64;
        let head = self.fingerprint.head().len() as u64;
        let known = usize::try_from(head.saturating_sub(start)).unwrap_or(usize::MAX);
        let last = self.last.get(known..).filter(|last| !last.is_empty());
        self.fingerprint.pieces(start).chain(last.map(|last| (start.max(head), last)))
    }

    /// The file at `path`, and how many of these bytes it has; 0 if it has something else.
    fn compare(&self, path: &Path, unpacks: bool) -> io::Result<(OpenFile, u64)> {
        let mut other = OpenFile::open_anew(path, unpacks)?;
        let mut has = 0;
        for (at, piece) in self.pieces() {
            let mut room = vec![0; piece.len()];
            let len = match other.peek(at, &mut room) {
                // It may be in the making.
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

/// If `copy` is a copy of `next`, which is to be truncated: that one, opened at the position of the
/// copy. A copy is younger than what it is made from, a file that was renamed is older than the
/// next.
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
