// SPDX-License-Identifier: MIT OR Apache-2.0
//! The results: what arrived.

use std::collections::HashSet;
use std::fs;
use std::time::{Duration, Instant};

use heka_tests::{Signal, Tool, ceiling};

use super::tally::Tally;
use super::world::{World, wait};

/// The records found.
struct Arrived {
    numbers: HashSet<u64>,
    /// The number of repeated records.
    doubled: u64,
}

impl World {
    /// Waits until everything has arrived, and counts it.
    pub(crate) fn judge(mut self) {
        let deadline = Instant::now() + 4 * ceiling();
        let raw = loop {
            self.watch_over();
            let groups = self.groups(false);
            let is_there = |found: &Arrived| found.numbers.len() as u64 == self.written;
            if groups.iter().all(is_there) || Instant::now() >= deadline {
                break groups;
            }
            wait(Duration::from_millis(20));
        };
        // Nobody writes any longer.
        for stage in std::mem::take(&mut self.lines).into_iter().flatten() {
            stage.process.end_by(Signal::SIGTERM);
        }
        let after_dedup: u64 = self.groups(true).iter().map(|found| found.doubled).sum();
        let is_lost = |number: &u64| raw.iter().any(|found| !found.numbers.contains(number));
        let lost: Vec<u64> = (1..=self.written).filter(is_lost).collect();
        let by_one = self.doubled_by_one_receiver();
        let doubled: u64 = raw.iter().map(|found| found.doubled).sum();
        let Self { mode, faults, killed, written, .. } = &self;
        let (name, lost_count) = (mode.name, lost.len() as u64);
        let (killed, written) = (*killed, *written);
        Tally { name, faults, killed, written, lost: lost_count, doubled, by_one, after_dedup }
            .tell();
        if !lost.is_empty() || after_dedup > 0 || by_one > Some(0) {
            for output in self.mode.outputs.iter().filter(|_| self.disk.is_some()) {
                let _copied = fs::copy(self.on_disk(output), self.path(output));
            }
            let first = lost.iter().take(10).collect::<Vec<_>>();
            let kept = self.folder.keep();
            panic!("lost or doubled, see above: {first:?} …; everything is in {}", kept.display());
        }
    }

    /// Returns the outputs that must each have everything.
    fn groups(&self, dedup: bool) -> Vec<Arrived> {
        match self.mode.is_for_all {
            true => self.mode.outputs.iter().map(|output| self.arrived(&[output], dedup)).collect(),
            false => vec![self.arrived(self.mode.outputs, dedup)],
        }
    }

    fn arrived(&self, outputs: &[&str], dedup: bool) -> Arrived {
        let args: &[&str] = if dedup { &["--dedup=100000000"] } else { &[] };
        let paths = outputs.iter().map(|output| self.on_disk(output));
        let paths: Vec<_> = paths.filter(|path| fs::exists(path).expect("the disk")).collect();
        if paths.is_empty() {
            return Arrived { numbers: HashSet::new(), doubled: 0 };
        }
        let out = Tool::new("heka-decode").args(args).args(paths).run();
        // While the receiver writes, the last record may be incomplete.
        if dedup {
            out.succeeds().stderr_is("");
        }
        numbers(&out.out())
    }

    /// Returns the number of records that one receiver wrote more than once, where it must drop
    /// them.
    fn doubled_by_one_receiver(&self) -> Option<u64> {
        let outputs = self.mode.outputs.iter().zip(&self.lives);
        let doubled = outputs.map(|(output, lives)| {
            let out = fs::read(self.on_disk(output)).unwrap_or_default();
            let ends = lives.iter().skip(1).map(|end| *end as usize).chain([out.len()]);
            let lives = lives.iter().zip(ends).map(|(begin, end)| {
                // An incomplete record of the previous process is cut off after the start.
                let life = &out[end.min(*begin as usize)..end];
                numbers(&Tool::new("heka-decode").stdin(life).run().out()).doubled
            });
            lives.sum::<u64>()
        });
        self.mode.is_numbered.then(|| doubled.sum())
    }
}

/// Returns the numbers of decoded records, which are complete.
fn numbers(text: &str) -> Arrived {
    let mut numbers = HashSet::new();
    let mut doubled = 0;
    for line in text.lines() {
        let (number, rest) = line.split_once(' ').unwrap_or((line, ""));
        let number: u64 = number.parse().unwrap_or_else(|_| panic!("torn: {line:?}"));
        assert_eq!(rest.len() as u64, number % 200, "torn: {line:?}");
        doubled += u64::from(!numbers.insert(number));
    }
    Arrived { numbers, doubled }
}
