// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples of the man pages and the README, read from there so that tests run the originals
//! and not copies.

use std::path::Path;

/// Returns the commands under EXAMPLES of a man page: each `.Dl` line, and each literal block as a
/// whole.
///
/// # Panics
/// If there is no such page.
pub fn examples(page: &str) -> Vec<String> {
    let text = text(page);
    let mut lines = text.lines().skip_while(|line| *line != ".Sh EXAMPLES").skip(1);
    let mut found = Vec::new();
    while let Some(line) = lines.next().filter(|line| !line.starts_with(".Sh ")) {
        if let Some(command) = line.strip_prefix(".Dl ") {
            found.push(plain(command));
        } else if line.starts_with(".Bd -literal") {
            let block: Vec<&str> = lines.by_ref().take_while(|line| *line != ".Ed").collect();
            found.push(plain(&block.join("\n")));
        }
    }
    found
}

/// All of a man page, as it is written.
///
/// # Panics
/// If there is no such page.
pub fn text(page: &str) -> String {
    read(&format!("man/{page}"))
}

/// The only one of them that has `part` in it.
///
/// # Panics
/// If there is none, or several.
#[track_caller]
pub fn example(page: &str, part: &str) -> String {
    let mut found: Vec<_> = examples(page).into_iter().filter(|text| text.contains(part)).collect();
    assert_eq!(found.len(), 1, "examples of {page} with {part:?}: {found:#?}");
    found.remove(0)
}

/// Returns the only command of heka-recipes(7) that contains `part`, on one line.
///
/// # Panics
/// If there is none, or several.
#[track_caller]
pub fn recipe(part: &str) -> String {
    let text = read("man/heka-recipes.7").replace(" \\e\n    ", " ");
    let lines = text.lines().map(|line| line.strip_prefix(".Dl ").unwrap_or(line));
    let commands = lines.filter_map(|line| line.strip_prefix("$ ")).map(plain);
    let mut found: Vec<_> = commands.filter(|command| command.contains(part)).collect();
    assert_eq!(found.len(), 1, "recipes with {part:?}: {found:#?}");
    found.remove(0)
}

/// Returns the shell blocks of a section of the README that are shown without their output, in the
/// form of [`joined`].
///
/// # Panics
/// If there is no such section.
pub fn readme_examples(heading: &str) -> Vec<String> {
    let text = read("README.md");
    let (_, rest) = text.split_once(&format!("\n{heading}\n")).expect("the section");
    let section = rest.split("\n##").next().unwrap_or_default();
    let blocks = section.split("```sh\n").skip(1).filter_map(|rest| rest.split("```").next());
    blocks.flat_map(|block| joined(block).lines().map(str::to_owned).collect::<Vec<_>>()).collect()
}

/// Joins folded lines and leaves single blanks between words.
pub fn joined(command: &str) -> String {
    let unfolded = command.replace("\\\n", " ");
    let lines = unfolded.lines().map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "));
    lines.collect::<Vec<_>>().join("\n")
}

/// Removes roff's escapes and joins folded lines.
fn plain(text: &str) -> String {
    let text = text.replace(" \\e\n    ", " ");
    text.replace("\\&", "").replace("\\e", "\\").replace("\\(dq", "\"")
}

fn read(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}
