// SPDX-License-Identifier: MIT OR Apache-2.0
//! What `contrib`, `packaging` and docs/operations.md hold for whoever runs the tools.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use heka_tests::{Tool, require, scratch, system_path};
use serde_json::Value;

fn path(name: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name)
}

fn read(name: &str) -> String {
    fs::read_to_string(path(name)).unwrap_or_else(|error| panic!("{name}: {error}"))
}

/// The names of metrics in a text.
fn metrics(text: &str) -> BTreeSet<String> {
    let words = text.split(|c: char| !c.is_ascii_lowercase() && !c.is_ascii_digit() && c != '_');
    words.filter(|word| word.starts_with("heka_") && word.len() > 5).map(str::to_owned).collect()
}

#[test]
fn alerts_and_dashboard_use_numbers_that_the_pages_have() {
    let pages = fs::read_dir(path("man")).unwrap();
    let pages: String =
        pages.map(|page| fs::read_to_string(page.unwrap().path()).unwrap()).collect();
    let documented = metrics(&pages);
    for name in ["contrib/prometheus/alerts.yml", "contrib/grafana/heka-tools.json"] {
        let used = metrics(&read(name));
        assert!(used.len() > 5, "{name}: {used:?}");
        let unknown: Vec<_> = used.difference(&documented).collect();
        assert!(unknown.is_empty(), "{name}: {unknown:?}");
    }
    let dashboard: Value = serde_json::from_str(&read("contrib/grafana/heka-tools.json")).unwrap();
    assert!(dashboard["panels"].as_array().unwrap().len() >= 5);
}

#[test]
fn each_alert_fires_when_it_should_and_has_a_runbook() {
    let alerts = read("contrib/prometheus/alerts.yml");
    let names: Vec<_> =
        alerts.lines().filter_map(|line| line.trim().strip_prefix("- alert: ")).collect();
    assert_eq!(names.len(), 5);
    let runbook = read("docs/operations.md");
    for name in names {
        assert!(runbook.contains(&format!("\n### {name}\n")), "{name} is not in the runbook");
    }
    if !require("promtool") {
        return;
    }
    for args in [["check", "rules", "alerts.yml"], ["test", "rules", "alerts_test.yml"]] {
        let mut promtool = Command::new("promtool");
        promtool.env("PATH", system_path()).args(args).current_dir(path("contrib/prometheus"));
        let output = promtool.output().unwrap();
        let said = String::from_utf8_lossy(&output.stdout);
        let errors = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "promtool {args:?}: {said}{errors}");
    }
}

#[test]
fn snippets_are_what_their_programs_read() {
    let folder = scratch();
    if require("systemd-tmpfiles") {
        let dir = folder.path().join("usr/lib/tmpfiles.d");
        fs::create_dir_all(&dir).unwrap();
        fs::copy(path("contrib/tmpfiles/heka-tools.conf"), dir.join("heka-tools.conf")).unwrap();
        let root = format!("--root={}", folder.path().display());
        // Only root can give a directory to root.
        let tool =
            Tool::at("systemd-tmpfiles").args([root.as_str(), "--create", "heka-tools.conf"]);
        tool.run().succeeds();
        assert!(folder.path().join("run/heka").is_dir());
    }
    if require("logrotate") {
        let snippet = path("contrib/logrotate/heka-tools");
        let state = folder.path().join("state");
        let tool = Tool::at("logrotate").arg("--debug").arg("--state").arg(state).arg(snippet);
        let outcome = tool.run();
        assert!(!outcome.succeeds().err().contains("error"), "{outcome}");
    }
}

#[test]
fn a_checklist_runs_its_commands() {
    let folder = scratch();
    let list = folder.path().join("LIST.md");
    let check = |text: &str| {
        fs::write(&list, text).unwrap();
        Tool::at(path("packaging/release-check")).arg(&list).run()
    };
    let outcome = check("# A\n- [ ] it holds: `true`\n- [ ] sign: do it\ntext: `false`\n");
    outcome
        .succeeds()
        .stdout_is("it holds ... ok\nby hand: sign: do it\n0 failed, 1 to do by hand\n");
    let outcome = check("- [ ] it holds: `echo why; false`\n- [ ] next: `true`\n");
    outcome
        .exits(1)
        .stdout_is("it holds ... FAILED\n    why\nnext ... ok\n1 failed, 0 to do by hand\n");
}
