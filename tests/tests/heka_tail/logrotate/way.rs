// SPDX-License-Identifier: MIT OR Apache-2.0
//! The ways in which logrotate can be configured to rotate.

use std::time::Duration;

use heka_tests::Random;

/// The requirements of the ways.
pub(super) const MODES: [&str; 23] = [
    "create",
    "nocreate",
    "copytruncate",
    "nocompress",
    "compress",
    "delaycompress",
    ".gz",
    ".xz",
    ".zst",
    ".bz2",
    "dateext",
    "olddir",
    "size",
    "maxsize",
    "shred",
    "late-writer",
    "direct",
    "link",
    "link-to-link",
    "killed",
    "stopped",
    "polling",
    "inotify",
];

/// One way of rotating.
pub(super) struct Way {
    pub(super) config: String,
    pub(super) truncates: bool,
    /// Whether a rotated file is compressed at once.
    pub(super) compresses: bool,
    /// Number of links before the log, as Kubernetes arranges them.
    pub(super) links: usize,
    pub(super) flags: Vec<String>,
    pub(super) kills: bool,
    /// How much later than the rotation the writer opens the new file.
    pub(super) lag: Duration,
}

impl Way {
    pub(super) fn random(random: &mut Random) -> Self {
        let truncates = random.below(4) == 0;
        let has_olddir = random.below(3) == 0;
        let mut lines = vec!["rotate 1000", "missingok"];
        lines.push(match (truncates, random.below(3)) {
            (true, _) => "copytruncate",
            (false, 0) => "nocreate",
            (false, _) => "create",
        });
        lines.push(random.one(&["nocompress", "compress", "compress", "compress\ndelaycompress"]));
        lines.push(random.one(&[
            "",
            "",
            "compresscmd /usr/bin/xz\ncompressext .xz",
            "compresscmd /usr/bin/zstd\ncompressext .zst\ncompressoptions -q",
            "compresscmd /usr/bin/bzip2\ncompressext .bz2",
        ]));
        lines.push(random.one(&[
            "",
            "dateext\ndateformat -%Y%m%d-%s",
            "dateext\nextension .log\ndateformat .%s",
        ]));
        lines.push(random.one(&["", "", "shred"]));
        lines.push(random.one(&["", "maxsize 1", "size 1"]));
        if has_olddir {
            lines.push("olddir old\ncreateolddir 755 root root");
        }
        let mut flags = vec!["--checkpoint-every=20ms".to_owned()];
        match random.below(3) {
            0 => flags.extend(["--use-polling".to_owned(), "-s20ms".to_owned()]),
            1 => flags.push("--rotate-wait=2s".to_owned()),
            _ => {}
        }
        if has_olddir {
            flags.push("--rotated-directory=old".to_owned());
        }
        let compresses = lines.contains(&"compress");
        Self {
            config: lines.join("\n"),
            compresses,
            truncates,
            links: [0, 0, 1, 2][usize::try_from(random.below(4)).unwrap()],
            flags,
            kills: random.below(2) == 0,
            lag: Duration::from_millis(random.below(30)),
        }
    }

    /// Returns the number of rotations: names with times in them allow one rotation a second.
    pub(super) fn rotations(&self) -> u64 {
        if self.config.contains("dateext") { 3 } else { 10 }
    }

    /// Whether logrotate itself decides when to rotate, by the size of the log.
    pub(super) fn goes_by_size(&self) -> bool {
        self.config.contains("size")
    }

    /// Whether the writer must pause meanwhile. Lines written between a copy and the truncation are
    /// lost by design, and so are lines in a file that is compressed and deleted while nobody has
    /// it open.
    pub(super) fn needs_quiet(&self, is_down: bool) -> bool {
        self.truncates || (is_down && self.compresses) || self.shreds()
    }

    /// Returns which of [`MODES`] it has.
    pub(super) fn modes(&self) -> impl Iterator<Item = &'static str> {
        let has_flag = |flag: &str| self.flags.iter().any(|other| other == flag);
        let compresses = !self.config.contains("nocompress");
        let others = [
            (compresses && !self.config.contains("compresscmd"), ".gz"),
            (!self.lag.is_zero() && !self.needs_quiet(false), "late-writer"),
            (true, ["direct", "link", "link-to-link"][self.links]),
            (true, if self.kills { "killed" } else { "stopped" }),
            (true, if has_flag("--use-polling") { "polling" } else { "inotify" }),
        ];
        let lines: Vec<&str> = self.config.split_whitespace().collect();
        let is_there = move |mode: &&str| {
            // The compression program counts only where there is compression.
            let ends = !mode.starts_with('.') || compresses;
            ends && lines.contains(mode) || others.contains(&(true, mode))
        };
        MODES.into_iter().filter(is_there)
    }

    /// Whether files are overwritten before they are deleted.
    pub(super) fn shreds(&self) -> bool {
        self.config.contains("shred")
    }
}
