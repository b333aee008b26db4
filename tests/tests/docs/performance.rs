// SPDX-License-Identifier: MIT OR Apache-2.0
//! The figures of the README and of `docs/performance.md` are those that were measured.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::{fs, io};

use heka_tests::require;

/// Where the figures and the documents are.
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
            fs::copy(top().join(file), copy.path().join(file))?;
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
