// SPDX-License-Identifier: MIT OR Apache-2.0
//! Shell patterns for paths.

use regex::Regex;

use crate::follow::Identity;

/// A pattern for a path, component by component.
#[derive(Clone, Debug)]
pub(crate) struct Glob {
    text: String,
    parts: Vec<Part>,
}

#[derive(Clone, Debug)]
enum Part {
    /// `**`: any number of directories.
    Any,
    Name(Regex),
}

/// The result of matching a path.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Fit {
    /// The path matches.
    pub(crate) whole: bool,
    /// Paths below it may match.
    pub(crate) below: bool,
}

impl Glob {
    /// Creates a pattern that matches all names.
    pub(crate) fn all() -> Self {
        Self { text: "*".to_owned(), parts: expression("*").map(Part::Name).into_iter().collect() }
    }

    /// Creates a pattern from its components; `None` if one of them is malformed.
    pub(crate) fn new(parts: impl Iterator<Item = impl AsRef<str>>) -> Option<Self> {
        let part = |part: &str| match part {
            "**" => Some(Part::Any),
            name => expression(name).map(Part::Name),
        };
        let texts: Vec<String> = parts.map(|text| text.as_ref().to_owned()).collect();
        let mut parts: Vec<Part> = texts.iter().map(|text| part(text)).collect::<Option<_>>()?;
        if matches!(parts.last(), Some(Part::Any)) {
            parts.push(Part::Name(expression("*")?));
        }
        Some(Self { text: texts.join("/"), parts })
    }

    /// Returns the pattern as typed.
    pub(crate) fn text(&self) -> &str {
        &self.text
    }

    /// Whether it contains `**`.
    pub(crate) fn is_recursive(&self) -> bool {
        self.parts.iter().any(|part| matches!(part, Part::Any))
    }

    /// Matches the path with these components.
    pub(crate) fn fit(&self, names: &[String]) -> Fit {
        fit(&self.parts, names)
    }
}

fn fit(parts: &[Part], names: &[String]) -> Fit {
    match (parts, names) {
        ([], []) => Fit { whole: true, below: false },
        ([], _) => Fit::default(),
        (_, []) => Fit { whole: false, below: true },
        ([Part::Any, rest @ ..], [_, below @ ..]) => {
            let (none, one) = (fit(rest, names), fit(parts, below));
            Fit { whole: none.whole || one.whole, below: none.below || one.below }
        }
        ([Part::Name(name), rest @ ..], [first, below @ ..]) if name.is_match(first) => {
            fit(rest, below)
        }
        _ => Fit::default(),
    }
}

/// Excluded files, by name or by path.
#[derive(Clone, Debug, Default)]
pub(crate) struct Exclusion {
    /// Expressions, and whether they are for paths.
    patterns: Vec<(Regex, bool)>,
    /// What the records are written to: it would grow as it is read.
    output: Option<Identity>,
}

impl Exclusion {
    /// Patterns without a slash are for names, others for paths as shown.
    ///
    /// # Errors
    /// The malformed pattern.
    pub(crate) fn new(patterns: &[String]) -> Result<Self, String> {
        let compiled = patterns.iter().map(|pattern| {
            let is_path = pattern.contains('/');
            let text = if is_path { path_expression(pattern) } else { expression(pattern) };
            text.map(|regex| (regex, is_path)).ok_or_else(|| pattern.clone())
        });
        Ok(Self { patterns: compiled.collect::<Result<_, _>>()?, output: None })
    }

    /// Sets the regular file that the records are written to, if they are.
    pub(crate) fn set_output(&mut self, output: Option<Identity>) {
        self.output = output;
    }

    /// Whether the file at `path` is the output.
    pub(crate) fn is_output(&self, path: &std::path::Path) -> bool {
        let is_it =
            |output| std::fs::metadata(path).is_ok_and(|file| Identity::of(&file) == output);
        self.output.is_some_and(is_it)
    }

    /// Whether a pattern matches `path`.
    pub(crate) fn has(&self, path: &std::path::Path) -> bool {
        let name = path.file_name().unwrap_or_default().to_string_lossy();
        let path = path.to_string_lossy();
        let mut patterns = self.patterns.iter();
        patterns.any(|(regex, is_path)| regex.is_match(if *is_path { &path } else { &name }))
    }
}

/// Translates a path pattern: `**/` is any number of directories, `**` at the end everything below.
fn path_expression(pattern: &str) -> Option<Regex> {
    let mut text = String::from("^");
    for (index, part) in pattern.split('/').enumerate() {
        let is_last = pattern.split('/').count() == index + 1;
        match part {
            "**" if is_last => text.push_str(".+"),
            "**" => text.push_str("(.*/)?"),
            part => {
                text.push_str(&translated(part, "[^/]")?);
                text.push_str(if is_last { "" } else { "/" });
            }
        }
    }
    Regex::new(&(text + "$")).ok()
}

/// Translates a shell pattern for one component; `None` if it is malformed.
fn expression(pattern: &str) -> Option<Regex> {
    Regex::new(&format!("(?s)^{}$", translated(pattern, ".")?)).ok()
}

/// Returns the text of the expression, in which `any` matches any character.
fn translated(pattern: &str, any: &str) -> Option<String> {
    let mut text = String::new();
    let mut rest = pattern.chars();
    while let Some(c) = rest.next() {
        match c {
            '*' => text += &format!("{any}*"),
            '?' => text += any,
            '[' => {
                let (set, after) = rest.as_str().split_once(']')?;
                let (negated, set) = match set.strip_prefix(['!', '^']) {
                    Some(set) => ("^", set),
                    None => ("", set),
                };
                let set = set.replace('\\', "\\\\").replace('[', "\\[").replace('&', "\\&");
                text += &format!("[{negated}{set}]");
                rest = after.chars();
            }
            _ => text += &regex::escape(c.encode_utf8(&mut [0; 4])),
        }
    }
    Some(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_those_of_the_shell() {
        let matches = |pattern, name| expression(pattern).is_some_and(|re| re.is_match(name));
        assert!(matches("*.log", "a.log"));
        assert!(!matches("*.log", "a.logs"));
        assert!(matches("a?[0-9].l", "ab7.l"));
        assert!(!matches("[!a]x", "ax"));
        assert!(matches("[!a]x", "bx"));
        assert!(expression("[a").is_none());
    }

    #[test]
    fn two_asterisks_are_any_number_of_directories() {
        let fit = |pattern: &str, path: &str| {
            let names: Vec<String> = path.split('/').map(str::to_owned).collect();
            Glob::new(pattern.split('/')).unwrap().fit(&names)
        };
        for (pattern, path, whole, below) in [
            ("**/*.log", "a.log", true, true),
            ("**/*.log", "x/y/a.log", true, true),
            ("**/*.log", "x/y", false, true),
            ("**", "x/y/a", true, true),
            ("x*/**/a", "x1/a", true, true),
            ("x*/**/a", "y/a", false, false),
            ("*/a", "x", false, true),
            ("*/a", "x/b", false, false),
        ] {
            assert_eq!(fit(pattern, path), Fit { whole, below }, "{pattern} {path}");
        }
    }

    #[test]
    fn names_and_paths_are_excluded() {
        let patterns = ["*.tmp", "old/**", "**/debug/*.log"].map(str::to_owned);
        let exclusion = Exclusion::new(&patterns).unwrap();
        let has = |path: &str| exclusion.has(std::path::Path::new(path));
        assert!(has("a/b.tmp") && has("old/x/y") && has("a/debug/x.log") && has("debug/x.log"));
        assert!(!has("a/b.log") && !has("new/old/x") && !has("a/debug/b/x.log"));
        assert_eq!(Exclusion::new(&["[a".to_owned()]).unwrap_err(), "[a");
    }
}
