// SPDX-License-Identifier: MIT OR Apache-2.0
//! What streams are called.

use std::borrow::Borrow;
use std::cmp::Ordering;
use std::path::Path;
use std::sync::Arc;

/// What a stream is called. Nearly always that is its path, which is in memory once then.
#[derive(Clone, Debug)]
pub(crate) struct Name(Arc<Path>);

impl Name {
    /// This text.
    pub(crate) fn new(text: &str) -> Self {
        Self(Path::new(text).into())
    }

    /// As somebody has written the path of the file at `path`.
    pub(crate) fn of(given: &Path, path: &Arc<Path>) -> Self {
        let text = given.to_string_lossy();
        if path.as_os_str() == &*text { Self(Arc::clone(path)) } else { Self::new(&text) }
    }

    /// The text.
    pub(crate) fn as_str(&self) -> &str {
        self.0.to_str().unwrap_or_default()
    }

    /// The same, to be kept.
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
