// SPDX-License-Identifier: MIT OR Apache-2.0
//! Names of streams.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

/// The name of a stream. It is nearly always the path, which is then stored only once.
#[derive(Clone, Debug)]
pub(crate) struct Name(Arc<Path>);

impl Name {
    /// Creates a name from text.
    pub(crate) fn new(text: &str) -> Self {
        Self(Path::new(text).into())
    }

    /// Creates a name from a path as given by the user; `path` is the path of the file.
    pub(crate) fn of(given: &Path, path: &Arc<Path>) -> Self {
        let text = given.to_string_lossy();
        if path.as_os_str() == &*text { Self(Arc::clone(path)) } else { Self::new(&text) }
    }

    /// Returns the text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// Returns the name as a shared value.
    pub(crate) fn shared(&self) -> &Arc<Path> {
        &self.0
    }
}

impl Borrow<str> for Name {
    fn borrow(&self) -> &str {
        self.as_str()
    }
}

impl PartialEq for Name {
    fn eq(&self, other: &Self) -> bool {
        self.as_str() == other.as_str()
    }
}

impl Eq for Name {}

impl PartialOrd for Name {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl Ord for Name {
    fn cmp(&self, other: &Self) -> Ordering {
        self.as_str().cmp(other.as_str())
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
    }
}
