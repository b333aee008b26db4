// SPDX-License-Identifier: MIT OR Apache-2.0
//! The journal in which Heka's Logstreamer input stored its position, so that its users can
//! continue: `{"seek":2145,"file_name":"/var/log/app.log","last_hash":"0dab7469…"}`.
//!
//! `last_hash` is the SHA-1 of the 500 bytes before `seek`. As in Heka, the file with that name is
//! used if it has these bytes there, otherwise the newest file of the stream that has them.

use std::path::PathBuf;

use serde_json::Value;

use super::file::OpenFile;
use super::position::FilePosition;
use crate::select::find::Candidate;

/// The contents of a journal.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Journal {
    /// Offset after the last record that was delivered.
    pub(crate) seek: u64,
    /// The file that was read last.
    pub(crate) file_name: PathBuf,
    last_hash: u64,
}

impl Journal {
    /// Parses a journal, and returns whether other data follows, as hekad is known to leave there.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub(crate) fn parse(text: &[u8]) -> Result<(Self, bool), &'static str> {
        if text.trim_ascii().is_empty() {
            return Err("is empty");
        }
        let mut values = serde_json::Deserializer::from_slice(text).into_iter::<Value>();
        let value = values.next().and_then(Result::ok).ok_or("no Logstreamer journal")?;
        let rest = text.get(values.byte_offset()..).unwrap_or(&[]);
        let last_hash = value.get("last_hash").and_then(Value::as_str).unwrap_or_default();
        let last_hash = last_hash.get(..16).and_then(|start| u64::from_str_radix(start, 16).ok());
        let journal = Self {
            seek: value.get("seek").and_then(Value::as_u64).ok_or("journal without 'seek'")?,
            file_name: value
                .get("file_name")
                .and_then(Value::as_str)
                .ok_or("journal without 'file_name'")?
                .into(),
            last_hash: last_hash.ok_or("journal without 'last_hash'")?,
        };
        Ok((journal, !rest.trim_ascii().is_empty()))
    }

    /// Finds the position in the files of a stream (oldest first); `None` if no file has it.
    pub(crate) fn find(&self, files: &[Candidate], unpacks: bool) -> Option<FilePosition> {
        let named = files.iter().filter(|file| file.path == self.file_name);
        let others = files.iter().rev().filter(|file| file.path != self.file_name);
        named.chain(others).find_map(|file| {
            let position = OpenFile::open(&file.path, self.seek, unpacks).ok()?.position();
            (position.hash == self.last_hash).then_some(position)
        })
    }
}
