// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README is correct: its `console` blocks are run and their output is compared.
//!
//! A block is a shell session in a folder of its own. `$ ` begins a command (`> ` continues it),
//! followed by its output on stdout and stderr. `[..]` matches anything within a line, a line `...`
//! any number of lines.

use std::path::Path;

use heka_tests::sh;

/// A command and its expected output.
struct Step {
    line: usize,
    command: String,
    expected: Vec<String>,
}

/// Returns the sessions of a text.
fn sessions(text: &str) -> Vec<Vec<Step>> {
    let mut sessions = Vec::new();
    let mut open: Option<Vec<Step>> = None;
    for (index, line) in text.lines().enumerate() {
        match &mut open {
            None if line == "```console" => open = Some(Vec::new()),
            None => {}
            Some(_) if line == "```" => sessions.extend(open.take()),
            Some(steps) => {
                match (line.strip_prefix("$ "), line.strip_prefix("> "), steps.last_mut()) {
                    (Some(command), ..) => steps.push(Step {
                        line: index + 1,
                        command: command.to_owned(),
                        expected: Vec::new(),
                    }),
                    (None, Some(more), Some(step)) if step.expected.is_empty() => {
                        step.command += "\n";
                        step.command += more;
                    }
                    (.., Some(step)) => step.expected.push(line.to_owned()),
                    (.., None) => panic!("line {}: output before the first command", index + 1),
                }
            }
        }
    }
    sessions
}

/// Runs a session, and returns the output of each command.
fn run(steps: &[Step]) -> Vec<String> {
    let mut script = String::from("exec 2>&1\n");
    for step in steps {
        script += &format!("{}\nprintf '\\001'\n", step.command);
    }
    let text = sh(&script).run().out();
    text.split('\u{1}').map(str::to_owned).collect()
}

fn line_matches(pattern: &str, line: &str) -> bool {
    let mut parts = pattern.split("[..]");
    let Some(mut rest) = line.strip_prefix(parts.next().unwrap_or_default()) else { return false };
    let mut parts = parts.peekable();
    if parts.peek().is_none() {
        return rest.is_empty();
    }
    while let Some(part) = parts.next() {
        if parts.peek().is_none() {
            return rest.ends_with(part);
        }
        let Some(at) = rest.find(part) else { return false };
        rest = &rest[at + part.len()..];
    }
    true
}

fn matches(patterns: &[String], lines: &[&str]) -> bool {
    match (patterns, lines) {
        ([], []) => true,
        ([pattern, later @ ..], _) if pattern == "..." => {
            (0..=lines.len()).any(|skipped| matches(later, &lines[skipped..]))
        }
        ([pattern, later @ ..], [line, rest @ ..]) => {
            line_matches(pattern, line) && matches(later, rest)
        }
        _ => false,
    }
}

#[test]
fn console_blocks_print_what_they_say() {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../README.md");
    let text = std::fs::read_to_string(path).expect("README.md");
    let mut wrong = String::new();
    for session in sessions(&text) {
        for (step, printed) in session.iter().zip(run(&session)) {
            if !matches(&step.expected, &printed.lines().collect::<Vec<_>>()) {
                wrong += &format!("README.md:{}: $ {}\n{printed}\n", step.line, step.command);
            }
        }
    }
    assert!(wrong.is_empty(), "these print something else:\n{wrong}");
}

#[test]
fn patterns() {
    assert!(line_matches("a [..] c", "a b c") && !line_matches("a [..] c", "a b d"));
    assert!(line_matches("plain", "plain") && !line_matches("plain", "plain and more"));
    let patterns = ["first", "...", "last"].map(str::to_owned);
    assert!(
        matches(&patterns, &["first", "x", "y", "last"]) && !matches(&patterns, &["first", "x"])
    );
}
