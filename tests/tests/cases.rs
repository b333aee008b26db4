// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs the case folders: `cases/<tool>/<behaviour>/{cmd,stdin,stdout,stderr,status,requires}`.
//!
//! `sh -e` runs `cmd` in a temporary folder; `$CASE` is the case's folder, `$VECTORS` that of the
//! test vectors. An absent file means empty (status: 0). `requires` names programs without which
//! the case is skipped. `SNAPSHOTS=overwrite` stores the actual results as the expected ones.

use std::fs;
use std::path::{Path, PathBuf};

use heka_tests::{Outcome, Tool, require};
use libtest_mimic::{Arguments, Failed, Trial};

fn main() -> std::process::ExitCode {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("cases");
    let mut trials = Vec::new();
    for tool in folders(&root) {
        for case in folders(&tool).into_iter().filter(|case| case.join("cmd").exists()) {
            let name = case.strip_prefix(&root).unwrap_or(&case).display().to_string();
            trials.push(Trial::test(name, move || run(&case)));
        }
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

fn folders(path: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(path) else { return Vec::new() };
    let mut folders: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    folders.retain(|path| path.is_dir());
    folders.sort();
    folders
}

fn run(case: &Path) -> Result<(), Failed> {
    let requires = fs::read_to_string(case.join("requires")).unwrap_or_default();
    if !requires.split_whitespace().all(require) {
        return Ok(());
    }
    let outcome = Tool::at("/bin/sh")
        .arg("-e")
        .arg(case.join("cmd"))
        .env("CASE", case)
        .env("VECTORS", heka_tests::vector(""))
        .stdin(fs::read(case.join("stdin")).unwrap_or_default())
        .run();
    let status = match outcome.status.code() {
        Some(0) => String::new(),
        Some(code) => format!("{code}\n"),
        None => format!("{}\n", outcome.status),
    };
    let found: [(&str, &[u8]); 3] =
        [("stdout", &outcome.stdout), ("stderr", &outcome.stderr), ("status", status.as_bytes())];
    if std::env::var_os("SNAPSHOTS").is_some_and(|value| value == "overwrite") {
        return overwrite(case, &found).map_err(Failed::from);
    }
    compare(case, &found, &outcome)
}

fn overwrite(case: &Path, found: &[(&str, &[u8])]) -> std::io::Result<()> {
    for (name, bytes) in found {
        let path = case.join(name);
        if !bytes.is_empty() {
            fs::write(path, bytes)?;
        } else if path.exists() {
            fs::remove_file(path)?;
        }
    }
    Ok(())
}

fn compare(case: &Path, found: &[(&str, &[u8])], outcome: &Outcome) -> Result<(), Failed> {
    let mut complaints = String::new();
    for (name, bytes) in found {
        let expected = fs::read(case.join(name)).unwrap_or_default();
        if *bytes != expected {
            complaints += &format!("{name} should be:\n{}\n", String::from_utf8_lossy(&expected));
        }
    }
    if complaints.is_empty() { Ok(()) } else { Err(format!("{complaints}{outcome}").into()) }
}
