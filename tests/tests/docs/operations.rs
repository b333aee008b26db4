// SPDX-License-Identifier: MIT OR Apache-2.0
//! The files for operators: `contrib`, `packaging` and docs/operations.md.

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

/// Returns the names of metrics in a text.
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
    promtool(&["check", "rules", "alerts.yml"], &path("contrib/prometheus"));
    promtool(&["test", "rules", "alerts_test.yml"], &path("contrib/prometheus"));
}

/// The document lists whom each tool trusts.
#[test]
fn security_names_every_tool_and_input() {
    let security = read("SECURITY.md");
    let (_, trusted) = security.split_once("\n## Whom each tool trusts\n").expect("a section");
    let rows: Vec<Vec<&str>> = trusted
        .lines()
        .filter(|line| line.starts_with("| "))
        .map(|line| line.trim_matches('|').split('|').map(str::trim).collect())
        .collect();
    let tools = fs::read_dir(path("tools")).unwrap();
    for tool in tools.map(|tool| tool.unwrap().file_name().into_string().unwrap()) {
        let is_its = |row: &&Vec<&str>| row[0].split(", ").any(|name| name == tool);
        assert!(rows.iter().any(|row| is_its(&row)), "{tool} is not in SECURITY.md");
    }
    for row in rows {
        assert_eq!(row.len(), 4, "{row:?}");
        assert!(row[1..3].iter().all(|cell| !cell.is_empty()), "{row:?}");
    }
}

#[track_caller]
fn promtool(args: &[&str], folder: &Path) {
    let mut promtool = Command::new("promtool");
    let output = promtool.env("PATH", system_path()).args(args).current_dir(folder).output();
    let output = output.unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "promtool {args:?}: {said}{errors}");
}

/// Grafana fills in its variables.
#[test]
fn every_query_of_the_dashboard_is_one() {
    let dashboard: Value = serde_json::from_str(&read("contrib/grafana/heka-tools.json")).unwrap();
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().unwrap());
    let mut rules = "groups:\n  - name: dashboard\n    rules:\n".to_owned();
    for (index, target) in targets.enumerate() {
        let query = target["expr"].as_str().unwrap().replace("$__rate_interval", "5m");
        let query = Value::String(query);
        rules += &format!("      - record: query:{index}\n        expr: {query}\n");
    }
    if require("promtool") {
        let folder = scratch();
        fs::write(folder.path().join("rules.yml"), rules).unwrap();
        promtool(&["check", "rules", "--lint=none", "rules.yml"], folder.path());
    }
}

/// Returns the numbers of `page` with their labels, as `NAME{LABEL,…}`.
fn documented(page: &str) -> BTreeSet<String> {
    let text = read(page);
    let items = text.lines().filter_map(|line| line.strip_prefix(".It Li heka_"));
    items.map(|item| format!("heka_{}", item.replace(" Ns ", ""))).collect()
}

#[test]
fn a_file_of_numbers_has_those_of_the_pages() {
    let folder = scratch();
    fs::write(folder.path().join("log"), "text\n").unwrap();
    for (name, args) in
        [("heka-encode", &["log"][..]), ("heka-tail", &["--no-follow", "--checkpoint=pos", "log"])]
    {
        let tool = Tool::new(name).args(args).arg("--metrics=a.prom").dir(folder.path());
        tool.run().succeeds();
        let text = fs::read_to_string(folder.path().join("a.prom")).unwrap();
        let samples = text.lines().filter(|line| !line.starts_with('#'));
        let written: BTreeSet<String> = samples.map(without_values).collect();
        let common = documented("man/heka-tools.7");
        let all = &common | &documented(&format!("man/{name}.1"));
        assert!(written.is_subset(&all), "{name}: {:?}", &written - &all);
        assert!(common.is_subset(&written), "{name}: {:?}", &common - &written);
    }
}

/// Returns a sample without the common labels, and without values.
fn without_values(sample: &str) -> String {
    let (name, labels) = sample.split_once('{').unwrap();
    let labels = labels.split('"').step_by(2).map(|label| label.trim_matches([',', '=', '{']));
    let labels = labels.filter(|label| !matches!(*label, "tool" | "name") && !label.contains('}'));
    match labels.collect::<Vec<_>>().join(",") {
        labels if labels.is_empty() => name.to_owned(),
        labels => format!("{name}{{{labels}}}"),
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
    let outcome = check("- [ ] it holds: `echo skipped: no such program`\n");
    outcome.succeeds().stdout_is(
        "it holds ... ok\n    skipped: no such program\n1 skipped something\n0 failed, 0 to do by hand\n",
    );
    let outcome = check("- [ ] it holds: `echo why; false`\n- [ ] next: `true`\n");
    outcome
        .exits(1)
        .stdout_is("it holds ... FAILED\n    why\nnext ... ok\n1 failed, 0 to do by hand\n");
}
