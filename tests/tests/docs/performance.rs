// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures of the README and of `docs/performance.md` are the measured ones.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{env, fs, io};

use heka_tests::{bindir, copy_program, put_program, require};

/// The paths of the figures and the documents.
const FILES: [&str; 7] = [
    "README.md",
    "docs/performance.md",
    "docs/performance.svg",
    "bench/report",
    "bench/results.tsv",
    "bench/growth.tsv",
    "bench/history.tsv",
];

fn top() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..")
}

fn report(folder: &Path) -> Output {
    Command::new(folder.join("bench/report")).arg("--check").output().unwrap()
}

#[test]
fn figures_are_those_measured() {
    if !require("python3") {
        return;
    }
    let output = report(&top());
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn a_figure_that_was_not_measured_is_found() -> io::Result<()> {
    if !require("python3") {
        return Ok(());
    }
    for changed in ["README.md", "docs/performance.md", "docs/performance.svg"] {
        let copy = tempfile::tempdir()?;
        fs::create_dir(copy.path().join("docs"))?;
        fs::create_dir(copy.path().join("bench"))?;
        for file in FILES {
            copy_program(&top().join(file), &copy.path().join(file));
        }
        assert!(report(copy.path()).status.success());
        let path = copy.path().join(changed);
        let text = fs::read_to_string(&path)?;
        let end = text.find("<!-- end -->").unwrap_or(text.len());
        let at = text[..end].rfind(' ').unwrap();
        fs::write(&path, format!("{}7{}", &text[..at], &text[at..]))?;
        let output = report(copy.path());
        assert!(!output.status.success(), "{changed}");
        assert!(String::from_utf8_lossy(&output.stderr).contains(changed));
    }
    Ok(())
}

/// A stand-in for callgrind: runs the program, and reports counts that the test chooses.
const COUNTER: &str = r#"#!/bin/sh
while :; do
    case $1 in --callgrind-out-file=*) out=${1#*=} ;; -*) ;; *) break ;; esac
    shift
done
"$@" && echo "totals: $COUNTED" >"$out"
"#;

#[test]
fn more_instructions_than_in_the_history_are_found() -> io::Result<()> {
    if !require("python3") || !require("cc") {
        return Ok(());
    }
    let copy = tempfile::tempdir()?;
    copy_program(&top().join("bench/count"), &copy.path().join("count"));
    for file in ["figures.py", "floor.c"] {
        fs::copy(top().join("bench").join(file), copy.path().join(file))?;
    }
    let counter = copy.path().join("valgrind");
    put_program(&counter, COUNTER.as_bytes());
    let known = "2026-11-29\t0.2.0\tabc\tstart heka-encode\tinstructions\t1000";
    fs::write(copy.path().join("history.tsv"), format!("date\n{known}\n"))?;
    let path = format!("{}:{}", copy.path().display(), env::var("PATH").unwrap());
    for (counted, is_fine) in [("1049", true), ("1051", false), ("900", true)] {
        let mut count = Command::new(copy.path().join("count"));
        count.args(["--check", "start heka-encode"]).env("HEKA_BINDIR", bindir());
        let output = count.env("PATH", &path).env("COUNTED", counted).output()?;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.success(), is_fine, "{counted}: {said}");
    }
    Ok(())
}
