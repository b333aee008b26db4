// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shared unit tests of the tools, which keep man pages and completions consistent with the flags.
//! Each tool's `cli.rs` ends with
//!
//! ```ignore
//! #[cfg(test)]
//! mod tests {
//!     #[test]
//!     fn documented() {
//!         heka_core::cli::testing::assert_documented::<super::Cli>();
//!     }
//! }
//! ```

#![expect(clippy::panic, reason = "a failed assertion is the purpose")]
#![expect(clippy::disallowed_methods, reason = "HEKA_COMPLETIONS=overwrite, for tests only")]

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::{Path, PathBuf};

use clap::{Arg, Command};
use clap_complete::Shell;

use crate::report::stats::Metric;

/// Compares a tool with `man/NAME.1` and `completions/{bash,zsh,fish}`.
///
/// # Panics
/// If they differ; the message shows the differences.
pub fn assert_documented<T: crate::cli::Tool>() {
    let command = crate::cli::command::<T>();
    let page = root().join(format!("man/{}.1", command.get_name()));
    assert_man_page(&command, &page);
    assert_page_order(&command, &page);
    assert_metrics_documented(T::METRICS, &page);
    assert_help::<T>();
    assert_completions(command);
}

/// Checks that `-h` shows about ten existing options, and that the tool accepts the examples of
/// `--help`.
fn assert_help<T: crate::cli::Tool>() {
    let help = T::HELP;
    assert_eq!(
        (help.main.len(), help.examples.len()),
        (7, 3),
        "with --quiet, --verbose, --stats: ten"
    );
    let command = crate::cli::command::<T>();
    for name in help.main {
        let is_there = command.get_arguments().any(|arg| arg.get_long() == Some(name));
        assert!(is_there, "--{name} is not an option");
    }
    for example in help.examples {
        assert!(example.chars().count() <= 76, "too wide: {example}");
        let stages = words(example);
        let mut own = stages
            .split(|word| word == "|")
            .filter(|words| words.first().is_some_and(|program| program == T::NAME));
        let own = own.next().unwrap_or_else(|| panic!("not of {}: {example}", T::NAME));
        let parsed = command
            .clone()
            .try_get_matches_from(T::arguments(own.iter().map(std::ffi::OsString::from).collect()));
        assert!(
            parsed.is_ok(),
            "{example}: {}",
            parsed.err().map_or_else(String::new, |e| e.to_string())
        );
    }
}

/// Splits a shell line into words, without redirections.
fn words(line: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut quote = None;
    for c in line.chars() {
        match (quote, c, words.last_mut()) {
            (Some(open), _, _) if c == open => quote = None,
            (None, '\'' | '"', _) => quote = Some(c),
            (None, ' ', _) => words.push(String::new()),
            (.., Some(word)) => word.push(c),
            _ => {}
        }
    }
    let end = words.iter().position(|word| word.starts_with(['>', '<'])).unwrap_or(words.len());
    words.truncate(end);
    words
}

/// Checks that the page lists exactly the tool's numbers, each with its label.
fn assert_metrics_documented(metrics: &[&[Metric]], page: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let documented = text.lines().filter_map(|line| line.strip_prefix(".It Li "));
    let documented: BTreeSet<_> =
        documented.filter(|name| name.starts_with("heka_")).map(str::to_owned).collect();
    let written = |metric: &Metric| match metric.label() {
        Some(label) => format!("{} Ns {{{label}}}", metric.name()),
        None => metric.name().to_owned(),
    };
    let known: BTreeSet<_> = metrics.iter().copied().flatten().map(written).collect();
    assert_eq!(documented, known, "{}", page.display());
}

/// Checks that every visible flag is in an `.It Fl` of the page with the same value name (in lower
/// case), and that every `.It Fl` of the page is a flag.
///
/// # Panics
/// If not; the message lists all differences.
pub fn assert_man_page(command: &Command, page: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let written = page_flags(&text);
    let known = command_flags(command);
    let mut complaints = Vec::new();
    for (flag, entry) in &known {
        match written.get(flag) {
            None if !entry.hidden => complaints.push(format!("{flag} is not in the page")),
            // `-n, --max-count=num` may give the value's name once.
            Some(None) if !flag.starts_with("--") => {}
            Some(value) if *value != entry.value => complaints.push(format!(
                "{flag} takes {}, in the page {}",
                described(entry.value.as_ref()),
                described(value.as_ref())
            )),
            _ => {}
        }
    }
    for flag in written.keys().filter(|flag| !known.contains_key(*flag)) {
        complaints.push(format!("the page has {flag}, the tool has not"));
    }
    assert!(complaints.is_empty(), "{}:\n  {}", page.display(), complaints.join("\n  "));
}

/// Checks that the page lists the flags in the order of `--help`, which has those without a heading
/// first, and then one heading after the other.
fn assert_page_order(command: &Command, page: &Path) {
    let text = fs::read_to_string(page).unwrap_or_else(|e| panic!("{}: {e}", page.display()));
    let options = text.split(".Sh METRICS").next().unwrap_or_default();
    let entries: Vec<_> = options.lines().filter(|line| line.starts_with(".It Fl ")).collect();
    let mut headings = vec![None];
    let mut flags = Vec::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_positional() && !arg.is_hide_set()) {
        let heading = arg.get_help_heading();
        let group = headings.iter().position(|known| *known == heading).unwrap_or_else(|| {
            headings.push(heading);
            headings.len() - 1
        });
        let long = arg.get_long().map(|long| format!("-{long}"));
        let flag = long.or_else(|| arg.get_short().map(String::from)).unwrap_or_default();
        // A flag may also have an entry in an earlier list, about something else.
        let entry =
            entries.iter().rposition(|line| line.split(' ').any(|word| word == flag.as_str()));
        flags.push(((group, arg.get_display_order()), entry, flag));
    }
    flags.sort_by_key(|(place, ..)| *place);
    for pair in flags.windows(2) {
        if let [(_, before, first), (_, after, second)] = pair {
            let name = page.display();
            assert!(before <= after, "{name}: -{second} is before -{first}, in --help behind it");
        }
    }
}

/// Compares the committed completions with the output of `clap_complete`;
/// `HEKA_COMPLETIONS=overwrite` writes them.
///
/// # Panics
/// If they differ or cannot be read or written.
pub fn assert_completions(mut command: Command) {
    let name = command.get_name().to_owned();
    let overwrite = std::env::var_os("HEKA_COMPLETIONS").is_some_and(|value| value == "overwrite");
    for (shell, folder, file) in [
        (Shell::Bash, "bash", name.clone()),
        (Shell::Zsh, "zsh", format!("_{name}")),
        (Shell::Fish, "fish", format!("{name}.fish")),
    ] {
        let path = root().join("completions").join(folder).join(file);
        let mut made = Vec::new();
        clap_complete::generate(shell, &mut command, name.as_str(), &mut made);
        if overwrite {
            fs::create_dir_all(path.with_file_name(""))
                .unwrap_or_else(|e| panic!("{}: {e}", path.display()));
            fs::write(&path, &made).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
        }
        assert!(
            fs::read(&path).is_ok_and(|found| found == made),
            "{} is not up to date: run `make completions`",
            path.display()
        );
    }
}

/// Returns the root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

struct Entry {
    value: Option<String>,
    hidden: bool,
}

fn described(value: Option<&String>) -> String {
    value.map_or_else(|| "no value".to_owned(), |name| format!("<{name}>"))
}

/// Returns `-x` and `--long` of everything that the command accepts.
fn command_flags(command: &Command) -> BTreeMap<String, Entry> {
    let mut command = command.clone();
    command.build();
    let mut flags = BTreeMap::new();
    for arg in command.get_arguments().filter(|arg| !arg.is_positional()) {
        let mut put = |flag: String, hidden: bool| {
            flags.insert(flag, Entry { value: value_name(arg), hidden });
        };
        let hidden = arg.is_hide_set();
        let visible: Vec<_> = arg.get_visible_aliases().unwrap_or_default();
        for alias in arg.get_all_aliases().unwrap_or_default() {
            put(format!("--{alias}"), hidden || !visible.contains(&alias));
        }
        for alias in arg.get_all_short_aliases().unwrap_or_default() {
            put(format!("-{alias}"), true);
        }
        if let Some(short) = arg.get_short() {
            put(format!("-{short}"), hidden);
        }
        if let Some(long) = arg.get_long() {
            put(format!("--{long}"), hidden);
        }
    }
    flags
}

fn value_name(arg: &Arg) -> Option<String> {
    if !arg.get_action().takes_values() {
        return None;
    }
    Some(arg.get_value_names()?.first()?.to_lowercase())
}

/// Returns the flags in all `.It Fl …` lines, with the name after each one's `Ar`.
fn page_flags(text: &str) -> BTreeMap<String, Option<String>> {
    let mut flags = BTreeMap::new();
    let items = text.lines().filter(|line| line.starts_with(".It Fl ") || line.starts_with(".Xo "));
    for item in items {
        let mut flag: Option<String> = None;
        let mut words = item.split_whitespace().map(|word| word.replace('\\', ""));
        while let Some(word) = words.next() {
            match word.as_str() {
                "Fl" => {
                    let name = words.next().unwrap_or_default();
                    let name = format!("-{name}");
                    flags.insert(name.clone(), None);
                    flag = Some(name);
                }
                "Ar" => {
                    let value = words.next().unwrap_or_default().to_lowercase();
                    if let Some(entry) = flag.as_ref().and_then(|flag| flags.get_mut(flag)) {
                        entry.get_or_insert(value);
                    }
                }
                _ => {}
            }
        }
    }
    flags
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: &str = "\
.It Fl n Ar num , Fl -max-count Ns = Ns Ar num
.It Fl 4
.It Fl -keepalive Ns Op = Ns Ar period
.It Fl -dry\\-run";

    #[test]
    fn flags_of_a_page() {
        let flags = page_flags(PAGE);
        let names: Vec<_> = flags.iter().map(|(k, v)| (k.as_str(), v.as_deref())).collect();
        assert_eq!(
            names,
            [
                ("--dry-run", None),
                ("--keepalive", Some("period")),
                ("--max-count", Some("num")),
                ("-4", None),
                ("-n", Some("num")),
            ]
        );
    }

    #[test]
    fn flags_of_a_command() {
        let command = Command::new("x")
            .arg(Arg::new("n").short('n').long("max-count").value_name("NUM").alias("most"));
        let flags = command_flags(&command);
        assert_eq!(flags["-n"].value.as_deref(), Some("num"));
        assert!(flags["--most"].hidden && !flags["--max-count"].hidden);
        assert!(flags.contains_key("--help"));
    }
}
