// SPDX-License-Identifier: MIT OR Apache-2.0
//! Commits without an answer, and the partitions that are not returned before it.

use crate::events::Partition;

/// Unanswered commits.
#[derive(Debug, Default)]
pub(crate) struct Commits {
    outstanding: usize,
    /// Partitions to return, even if there are none: the group waits for it.
    leaving: Option<Vec<Partition>>,
}

impl Commits {
    /// Notes a commit.
    pub(crate) fn begin(&mut self) {
        self.outstanding += 1;
    }

    /// Notes the answer to a commit.
    pub(crate) fn end(&mut self) {
        self.outstanding = self.outstanding.saturating_sub(1);
    }

    /// Whether an answer is outstanding.
    pub(crate) fn are_outstanding(&self) -> bool {
        self.outstanding > 0
    }

    /// Holds partitions until no answer is outstanding.
    pub(crate) fn hold(&mut self, list: Vec<Partition>) {
        self.leaving.get_or_insert_default().extend(list);
    }

    /// Takes the partitions that can be returned now, if any.
    pub(crate) fn released(&mut self) -> Option<Vec<Partition>> {
        if self.are_outstanding() { None } else { self.leaving.take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn partitions_stay_until_every_commit_is_answered() {
        let list = vec![("t".to_owned(), 1)];
        let mut commits = Commits::default();
        // The periodic one, and the one for the partitions that leave.
        commits.begin();
        commits.begin();
        commits.hold(list.clone());
        assert_eq!(commits.released(), None);
        commits.end();
        assert_eq!(commits.released(), None, "one may still fail");
        commits.end();
        assert_eq!(commits.released(), Some(list));
        assert_eq!(commits.released(), None);
        commits.hold(Vec::new());
        assert_eq!(commits.released(), Some(Vec::new()), "none, but the group waits");
    }
}
