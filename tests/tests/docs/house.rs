// SPDX-License-Identifier: MIT OR Apache-2.0
//! Size limits that keep the code readable.

use std::fs;
use std::path::{Path, PathBuf};

/// Maximum number of lines of a file.
const MAX_FILE: usize = 400;
/// Maximum number of lines of a function.
const MAX_FUNCTION: usize = 60;
/// Functions longer than this are rare.
const LONG_FUNCTION: usize = 40;
/// Maximum number of those: their current number.
const MAX_LONG: usize = 3;

/// A source file of the product, without its tests.
struct Source {
    /// Path below the top of the repository.
    path: String,
    lines: Vec<String>,
}

fn sources() -> Vec<Source> {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let mut files = Vec::new();
    collect(&top.join("core/src"), &mut files);
    for tool in fs::read_dir(top.join("tools")).unwrap() {
        collect(&tool.unwrap().path().join("src"), &mut files);
    }
    assert!(files.len() > 200, "{} sources", files.len());
    let read = |file: PathBuf| {
        let text = fs::read_to_string(&file).unwrap();
        // A module of tests is the last item of a file.
        let code = text.split("\n#[cfg(test)]\nmod ").next().unwrap();
        let path = file.strip_prefix(&top).unwrap().display().to_string();
        Source { path, lines: code.lines().map(str::to_owned).collect() }
    };
    files.into_iter().map(read).collect()
}

fn collect(folder: &Path, files: &mut Vec<PathBuf>) {
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        let name = path.file_name().unwrap().to_string_lossy().into_owned();
        if path.is_dir() {
            if name != "tests" {
                collect(&path, files);
            }
        } else if name.ends_with(".rs") && name != "tests.rs" && !is_for_tests(&path) {
            files.push(path);
        }
    }
}

/// Whether the module is declared for tests only.
fn is_for_tests(path: &Path) -> bool {
    let name = path.file_stem().unwrap().to_string_lossy();
    let parent = path.with_file_name("mod.rs");
    let declared = format!("#[cfg(test)]\nmod {name};");
    fs::read_to_string(parent).is_ok_and(|text| text.contains(&declared))
}

/// Returns the functions of a file, with their number of lines, by the indentation of rustfmt.
fn functions(source: &Source) -> Vec<(String, usize)> {
    let mut found = Vec::new();
    for (start, line) in source.lines.iter().enumerate() {
        let code = line.trim_start();
        let indent = &line[..line.len() - code.len()];
        let Some((before, after)) = code.split_once("fn ") else { continue };
        let is_definition = before.split_whitespace().all(|word| {
            word.starts_with("pub")
                || ["const", "unsafe", "extern", "\"C\"", "\"C-unwind\"", "async"].contains(&word)
        });
        if !is_definition || code.ends_with(';') || code.ends_with('}') {
            continue;
        }
        let name = after.split(['(', '<']).next().unwrap().to_owned();
        let end = format!("{indent}}}");
        let len = source.lines[start..].iter().position(|line| *line == end);
        found.extend(len.map(|len| (name, len + 1)));
    }
    found
}

#[test]
fn files_and_functions_are_short() {
    let (mut wrong, mut long) = (Vec::new(), Vec::new());
    for source in sources() {
        if source.lines.len() > MAX_FILE {
            wrong.push(format!("{}: {} lines", source.path, source.lines.len()));
        }
        for (name, len) in functions(&source) {
            if len > LONG_FUNCTION {
                long.push(format!("{}: {name}: {len} lines", source.path));
            }
            if len > MAX_FUNCTION {
                wrong.push(format!("{}: {name}: {len} lines", source.path));
            }
        }
    }
    assert!(wrong.is_empty(), "too long:\n{}", wrong.join("\n"));
    assert!(long.len() <= MAX_LONG, "{} long functions:\n{}", long.len(), long.join("\n"));
}

/// The libraries for brokers, and their dependencies, are compiled only for the tools that need
/// them.
#[test]
fn no_other_tool_is_built_with_the_library_of_a_broker() {
    let top = Path::new(env!("CARGO_MANIFEST_DIR")).join("..");
    let has = |lock: &str, name: &str| {
        let text = fs::read_to_string(top.join(lock)).unwrap();
        text.contains(&format!("\nname = \"{name}\"\n"))
    };
    for name in ["rdkafka", "rdkafka-sys", "openssl-sys", "async-nats", "tokio"] {
        assert!(!has("Cargo.lock", name), "{name}");
    }
    assert!(has("tools/heka-kafka/Cargo.lock", "rdkafka-sys"));
    // Dependencies of both are compiled only for them, too.
    let mut with: Vec<_> = fs::read_dir(top.join("tools"))
        .unwrap()
        .map(|tool| tool.unwrap().path())
        .filter(|tool| {
            fs::read_to_string(tool.join("Cargo.toml")).unwrap().contains("\"transport\"")
        })
        .map(|tool| tool.file_name().unwrap().to_string_lossy().into_owned())
        .collect();
    with.sort();
    assert_eq!(with, ["heka-kafka", "heka-nats"]);
}
