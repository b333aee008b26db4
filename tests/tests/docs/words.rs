// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plain words: the phrases that `docs/style.md` rules out do not occur in help texts, pages,
//! documents, comments, messages and scripts.

use std::fs;
use std::path::{Path, PathBuf};

use heka_tests::Tool;

/// Phrases, and what to say instead.
const PHRASES: &[(&str, &str)] = &[
    ("so much", "limit on …"),
    ("so often", "number of retries, interval"),
    ("so long", "for DURATION, timeout"),
    ("so many", "NUM"),
    ("tell errors", "print only errors"),
    ("tell more", "print more detail"),
    ("tell statistics", "print statistics"),
    ("what is told", "messages"),
    ("nothing any more", "no longer"),
    ("is no key", "is not a key"),
    ("is no store", "is not a store"),
    ("is no file", "is not a file"),
    ("is no message", "is not a message"),
    ("passed as it is", "forwarded unchanged"),
    ("passed over", "skipped"),
    ("pass over", "skip"),
    ("passes over", "skips"),
    ("left out", "skipped, omitted"),
    ("leave out", "skip, omit"),
    ("leaves out", "skips, omits"),
    ("taken as it is", "not interpreted, forwarded unchanged"),
    ("looks from time to time", "polling"),
    ("for ever", "forever"),
    ("goes on in the next", "is continued in the next"),
    ("going on with", "continuing with"),
    ("belong into", "belong in"),
    ("belongs into", "belongs in"),
    ("begins anew", "begins again, position reset"),
    ("without a word", "silently"),
    ("has not the", "does not have the"),
    ("that is how", "this"),
    ("stands in", "appears in"),
    ("turns round", "reverses"),
    ("where to;", "destination;"),
    ("what comes in", "input"),
    ("what goes out", "output"),
    ("believe", "trust, accept"),
    ("give up an attempt", "timeout"),
    ("uuids get", "how UUIDs are chosen"),
];

/// Beginnings that hide the subject of a doc comment: name it, or begin with a verb.
const BEGINNINGS: &[&str] = &[
    "Gives up",
    "Makes one",
    "One more",
    "One of those",
    "One that",
    "One whose",
    "Ours",
    "So long",
    "So many",
    "So much",
    "So often",
    "That it",
    "That of",
    "The same again",
    "The same once",
    "The same,",
    "Those of",
    "Those that",
    "We ",
    "What all",
    "What came",
    "What comes",
    "What is to be",
    "What it",
    "What was",
    "Who ",
    "Words for",
    "Words on",
];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn tools() -> Vec<String> {
    let mut names: Vec<_> = fs::read_dir(root().join("tools"))
        .unwrap()
        .map(|entry| entry.unwrap().file_name().into_string().unwrap())
        .filter(|tool| tool != "heka-kafka" || heka_tests::require_kafka())
        .collect();
    names.sort();
    names
}

/// Returns the phrases found in `text`, each with its place.
fn found(name: &str, text: &str) -> Vec<String> {
    // A phrase may be split over two lines.
    let flat = text.to_lowercase().split_whitespace().collect::<Vec<_>>().join(" ");
    let has = |phrase: &str| {
        flat.match_indices(phrase).any(|(at, _)| {
            let (before, after) = (&flat[..at], &flat[at + phrase.len()..]);
            // "There is no key" is plain.
            !before.ends_with("there ") && !after.starts_with(|next: char| next.is_alphanumeric())
        })
    };
    let hits = PHRASES.iter().filter(|(phrase, _)| has(phrase));
    hits.map(|(phrase, better)| format!("{name}: \"{phrase}\" (better: {better})")).collect()
}

/// The sources, scripts and expectations.
const SOURCES: [&str; 12] = [
    ".ci",
    "Makefile",
    "bench",
    "contrib",
    "core",
    "demo",
    "docs",
    "examples",
    "fuzz",
    "packaging",
    "tests",
    "tools",
];
/// Files of others, and those that list the phrases.
const OTHERS: [&str; 6] = ["vectors", "corpus", "steps", "target", "words.rs", "style.md"];

fn collect(path: &Path, texts: &mut Vec<(String, String)>) {
    let name = path.file_name().unwrap().to_str().unwrap();
    if OTHERS.contains(&name) {
        return;
    }
    if path.is_dir() {
        for entry in fs::read_dir(path).unwrap() {
            collect(&entry.unwrap().path(), texts);
        }
    } else if let Ok(text) = fs::read_to_string(path) {
        let path = path.strip_prefix(root()).unwrap().display().to_string();
        texts.push((path, text));
    }
}

/// Joins the comments and strings of a program that continue in the next line.
fn joined(text: &str) -> String {
    let lines = text.lines().map(|line| {
        let line = line.trim();
        let comment = ["//!", "///", "//", "#"].iter().find_map(|mark| line.strip_prefix(mark));
        comment.unwrap_or(line).trim_end_matches('\\')
    });
    lines.collect::<Vec<_>>().join("\n")
}

fn texts() -> Vec<(String, String)> {
    let mut texts = Vec::new();
    for tool in tools() {
        for flag in ["-h", "--help"] {
            let outcome = Tool::new(&tool).arg(flag).run();
            texts.push((format!("{tool} {flag}"), String::from_utf8(outcome.stdout).unwrap()));
        }
    }
    let folders = [root().join("man"), root().join("docs"), root()];
    let paths = folders.iter().flat_map(|folder| fs::read_dir(folder).unwrap());
    for path in paths.map(|entry| entry.unwrap().path()) {
        let extension = path.extension().unwrap_or_default().to_str().unwrap();
        if matches!(extension, "1" | "5" | "7" | "md") && !path.ends_with("style.md") {
            let name = path.file_name().unwrap().to_str().unwrap().to_owned();
            texts.push((name, fs::read_to_string(&path).unwrap()));
        }
    }
    texts
}

#[test]
fn help_texts_and_pages_are_in_plain_words() {
    let wrong: Vec<_> = texts().iter().flat_map(|(name, text)| found(name, text)).collect();
    assert!(wrong.is_empty(), "{} phrases to mend:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn sources_and_scripts_are_in_plain_words() {
    let mut sources = Vec::new();
    SOURCES.iter().for_each(|name| collect(&root().join(name), &mut sources));
    assert!(sources.len() > 1000, "{} sources", sources.len());
    let wrong: Vec<_> =
        sources.iter().flat_map(|(name, text)| found(name, &joined(text))).collect();
    assert!(wrong.is_empty(), "{} phrases to mend:\n{}", wrong.len(), wrong.join("\n"));
}

#[test]
fn doc_comments_name_their_subject() {
    let mut sources = Vec::new();
    ["core", "fuzz", "tests", "tools"]
        .iter()
        .for_each(|name| collect(&root().join(name), &mut sources));
    let is_doc = |line: &str| line.starts_with("///") || line.starts_with("//!");
    let mut wrong = Vec::new();
    for (name, text) in sources.iter().filter(|(name, _)| name.ends_with(".rs")) {
        let mut last = "";
        for (number, line) in text.lines().map(str::trim).enumerate() {
            let words = line.get(3..).unwrap_or_default().trim_start();
            let begins = BEGINNINGS.iter().any(|beginning| words.starts_with(beginning));
            if is_doc(line) && !is_doc(last) && begins {
                wrong.push(format!("{name}:{}: {line}", number + 1));
            }
            last = line;
        }
    }
    assert!(wrong.is_empty(), "name the subject:\n{}", wrong.join("\n"));
}
