// SPDX-License-Identifier: MIT OR Apache-2.0
//! The order of core's layers: each uses only those above it.

#![expect(
    clippy::unwrap_used,
    clippy::panic,
    clippy::string_slice,
    reason = "a panic is the verdict of a test"
)]

use std::path::{Path, PathBuf};

/// Top to bottom, as in the crate's documentation.
const LAYERS: [&str; 9] =
    ["wire", "codec", "decode", "record", "report", "os", "net", "delivery", "cli"];
/// Layers whose functions depend only on their arguments: no descriptors, clock, environment or
/// time zone.
const PURE: [&str; 4] = ["wire", "codec", "decode", "record"];
/// Names that must not occur in a pure layer.
const IMPURE: [&str; 7] = [
    "nix::",
    "std::fs",
    "std::env",
    "std::net",
    "std::time::Instant",
    "SystemTime",
    "TimeZone::system",
];

#[test]
fn a_layer_uses_only_those_above_it() {
    let mut wrong = Vec::new();
    for (layer, path, line) in lines() {
        let rank = rank_of(&layer);
        for used in modules_in(&line) {
            if rank_of(&used) > rank {
                wrong.push(format!("{}: {}", path.display(), line.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "arrows that run upwards:\n{}", wrong.join("\n"));
}

#[test]
fn command_lines_are_parsed_in_cli_alone() {
    let found: Vec<_> = lines()
        .filter(|(layer, _, line)| layer != "cli" && line.contains("clap"))
        .map(|(_, path, line)| format!("{}: {}", path.display(), line.trim()))
        .collect();
    assert!(found.is_empty(), "clap outside cli:\n{}", found.join("\n"));
}

#[test]
fn pure_layers_are_functions_of_their_arguments() {
    let found: Vec<_> = lines()
        .filter(|(layer, ..)| PURE.contains(&layer.as_str()))
        .filter(|(_, _, line)| IMPURE.iter().any(|name| line.contains(name)))
        .map(|(_, path, line)| format!("{}: {}", path.display(), line.trim()))
        .collect();
    assert!(found.is_empty(), "not pure:\n{}", found.join("\n"));
}

fn rank_of(layer: &str) -> usize {
    LAYERS.iter().position(|&name| name == layer).unwrap_or_else(|| panic!("no layer {layer}"))
}

/// Returns the layers named in a line of code: `crate::os`, or each of `crate::{os, net}`.
fn modules_in(line: &str) -> Vec<String> {
    let mut found = Vec::new();
    for (at, _) in line.match_indices("crate::") {
        let rest = &line[at + "crate::".len()..];
        let names = match rest.strip_prefix('{') {
            Some(group) => group.split('}').next().unwrap_or(group),
            None => rest.split([',', ';']).next().unwrap_or(rest),
        };
        for name in names.split(',') {
            let name: String =
                name.trim().chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect();
            if LAYERS.contains(&name.as_str()) {
                found.push(name);
            }
        }
    }
    found
}

/// Returns every line of code (not of comments) in every layer.
fn lines() -> impl Iterator<Item = (String, PathBuf, String)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    collect(&root, &mut files);
    assert!(files.len() > 50, "the source is not where it was looked for");
    files.into_iter().filter(|path| path.file_name().unwrap() != "lib.rs").flat_map(move |path| {
        let short = path.strip_prefix(&root).unwrap().to_owned();
        let layer = short.components().next().unwrap().as_os_str().to_str().unwrap().to_owned();
        let text = std::fs::read_to_string(&path).unwrap();
        let code: Vec<_> = text
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .map(|line| (layer.clone(), short.clone(), line.to_owned()))
            .collect();
        code
    })
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in std::fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            collect(&path, files);
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            files.push(path);
        }
    }
}
