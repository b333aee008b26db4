// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures of a run, as text and as a row of README's table.

use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use super::modes::MODES;
use super::world::open;

/// The faults injected into a mode, and the results.
pub(crate) struct Tally<'a> {
    pub(crate) name: &'a str,
    /// The number of faults of each kind.
    pub(crate) faults: &'a BTreeMap<String, u64>,
    /// Stages that died of them.
    pub(crate) killed: u64,
    /// Records.
    pub(crate) written: u64,
    pub(crate) lost: u64,
    pub(crate) doubled: u64,
    /// Records repeated by one receiver that must drop them, if it must.
    pub(crate) by_one: Option<u64>,
    pub(crate) after_dedup: u64,
}

impl Tally<'_> {
    /// Prints the figures; the row also goes to `HEKA_SOAK_ROWS` (see `tests/soak`).
    pub(crate) fn tell(&self) {
        let Self { name, faults, killed, written, lost, doubled, after_dedup, .. } = self;
        let each: Vec<_> = faults.iter().map(|(name, count)| format!("{count} {name}")).collect();
        eprintln!(
            "{name}: {} faults ({}), {killed} stages killed; {written} records written, {lost} \
             lost, 0 torn; doubled: {doubled} in the output, {} by one receiver, {after_dedup} \
             after --dedup",
            self.sum(&[""]),
            each.join(", "),
            self.by_one(),
        );
        eprintln!("{}", self.row());
        if let Some(rows) = std::env::var_os("HEKA_SOAK_ROWS") {
            let number = MODES.iter().position(|other| other.name == *name).expect("its mode");
            writeln!(open(Path::new(&rows)), "{}", self.line(number)).expect("the rows");
        }
    }

    /// Counts the faults with one of these parts in their names.
    fn sum(&self, parts: &[&str]) -> u64 {
        let has = |name: &str| parts.iter().any(|part| name.contains(part));
        self.faults.iter().filter(|(name, _)| has(name)).map(|(_, count)| count).sum()
    }

    fn by_one(&self) -> String {
        self.by_one.map_or("—".to_owned(), |count| count.to_string())
    }

    /// Returns the row of README's table.
    fn row(&self) -> String {
        let kinds = [&["SIGKILL", "SIGTERM"][..], &["SIGSTOP"], &["disks"], &["logs", "queues"]];
        let [kills, stops, disks, files] = kinds.map(|kind| self.sum(kind));
        let connections = self.sum(&[""]) - kills - stops - disks - files;
        let (written, by_one) = (with_commas(self.written), self.by_one());
        let Self { name, lost, after_dedup, .. } = self;
        format!(
            "| {name} | {kills} | {stops} | {connections} | {disks} | {files} | {written} | {lost} | \
             {by_one} | {after_dedup} |"
        )
    }

    /// Returns the row for `tests/soak`, with the mode and what the table omits.
    fn line(&self, mode: usize) -> String {
        format!("{mode}\t{}\t{}", self.killed, self.row())
    }
}

/// Formats the number with a comma before each three digits.
fn with_commas(number: u64) -> String {
    match number / 1000 {
        0 => number.to_string(),
        thousands => format!("{},{:03}", with_commas(thousands), number % 1000),
    }
}

mod tests {
    use heka_tests::{Tool, scratch};

    use super::*;

    fn file(name: &str) -> PathBuf {
        Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
    }

    /// A run with one to N faults of each kind that the text names.
    fn faults() -> BTreeMap<String, u64> {
        let names = "heka-send SIGKILL, heka-listen SIGTERM, heka-tail SIGSTOP, \
            connections closed, connections reset, sides closed, peers vanished, \
            cuts in a record, stalls, delays, full disks, logs renamed, \
            logs copied and truncated, queues copied, queues restored from a copy";
        names.split(", ").map(str::to_owned).zip(1..).collect()
    }

    #[test]
    fn a_row_has_every_fault_once() {
        let faults = faults();
        let name = "`--queue`";
        let (killed, written, lost, doubled) = (9, 1_234_567, 0, 17);
        let tally = |by_one| Tally {
            name,
            faults: &faults,
            killed,
            written,
            lost,
            doubled,
            by_one,
            after_dedup: 5,
        };
        assert_eq!(
            tally(Some(4)).row(),
            "| `--queue` | 3 | 3 | 49 | 11 | 54 | 1,234,567 | 0 | 4 | 5 |"
        );
        assert!(tally(None).row().ends_with("| 0 | — | 5 |"));
        assert_eq!(faults.values().sum::<u64>(), 3 + 3 + 49 + 11 + 54);
    }

    /// `make soak` prints what README shows, in the order of the modes, whichever ended first.
    #[test]
    fn the_table_is_that_of_the_readme() {
        let folder = scratch();
        let faults = faults();
        let lines: Vec<_> = (0..MODES.len())
            .map(|mode| {
                let name = MODES[mode].name;
                let (killed, written, lost, doubled) = (2, 1000 + mode as u64, 0, 3);
                let by_one = MODES[mode].is_numbered.then_some(0);
                let after_dedup = 0;
                let faults = &faults;
                Tally { name, faults, killed, written, lost, doubled, by_one, after_dedup }
                    .line(mode)
            })
            .collect();
        let told: String = lines.iter().rev().map(|line| format!("{line}\n")).collect();
        std::fs::write(folder.path().join("told"), told).expect("a file");
        let script = file("tests/soak");
        let run = |status: i32| {
            let command = format!("cat told >>\"$HEKA_SOAK_ROWS\"; echo the tests; exit {status}");
            Tool::at(&script).args(["sh", "-c", &command]).dir(folder.path()).run()
        };
        let out = run(0).succeeds().out();
        let (modes, each) = (MODES.len() as u64, faults.values().sum::<u64>());
        let records = with_commas(modes * 1000 + modes * (modes - 1) / 2).replace(',', "");
        let sums = format!(
            "the tests\n\n{} faults and {} killed stages; {records} records, 0 lost, 0 doubled after \
             --dedup:\n\n",
            modes * each,
            modes * 2
        );
        let table = out.strip_prefix(&sums).unwrap_or_else(|| panic!("{out}"));
        let head: String = table.lines().take(2).map(|line| format!("{line}\n")).collect();
        let readme = std::fs::read_to_string(file("README.md")).expect("README");
        assert!(readme.contains(&head), "{head}");
        let rows: Vec<_> =
            lines.iter().map(|line| line.rsplit('\t').next().expect("a row")).collect();
        assert_eq!(table.lines().skip(2).collect::<Vec<_>>(), rows);
        // Its rows are modes of the suite, in their order.
        let shown = readme.split_once(&head).expect("the table").1;
        let shown = shown.lines().map_while(|line| line.strip_prefix("| ")?.split(" | ").next());
        let mut names = MODES.iter().map(|mode| mode.name);
        for name in shown {
            assert!(names.any(|other| other == name), "no such mode, or not there: {name}");
        }
        // The text agrees with the tests.
        assert_eq!(run(101).status.code(), Some(101));
    }
}
