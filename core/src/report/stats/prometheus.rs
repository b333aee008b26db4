// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statistics in the text format of Prometheus.

use super::{START, metric};
use crate::report;

/// Returns all numbers with the labels `tool` and `name`; `name` distinguishes several processes of
/// one tool whose files are read by one collector.
pub fn prometheus(name: &str) -> String {
    let labels = format!("tool=\"{}\",name=\"{}\"", report::program(), Escaped(name));
    let mut text = String::new();
    if let Some(start) = START.get() {
        put_head(&mut text, "heka_build_info", "Version and revision of the tool", "gauge");
        let (version, revision) = (Escaped(start.version), Escaped(start.revision));
        text += &format!(
            "heka_build_info{{{labels},version=\"{version}\",revision=\"{revision}\"}} 1\n"
        );
    }
    for metric in metric::all() {
        let (label, values) = metric.values();
        if values.is_empty() {
            continue;
        }
        put_head(&mut text, metric.name, metric.help, metric.kind.name());
        for (of, number) in values {
            text += &match label {
                Some(label) => {
                    format!("{}{{{labels},{label}=\"{}\"}} {number}\n", metric.name, Escaped(&of))
                }
                None => format!("{}{{{labels}}} {number}\n", metric.name),
            };
        }
    }
    text
}

fn put_head(text: &mut String, name: &str, help: &str, kind: &str) {
    *text += &format!("# HELP {name} {help}\n# TYPE {name} {kind}\n");
}

/// The value of a label.
#[derive(Debug)]
struct Escaped<'a>(&'a str);

impl std::fmt::Display for Escaped<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        for c in self.0.chars() {
            match c {
                '\\' => f.write_str("\\\\")?,
                '"' => f.write_str("\\\"")?,
                '\n' => f.write_str("\\n")?,
                c => std::fmt::Write::write_char(f, c)?,
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_of_labels_are_escaped() {
        assert_eq!(Escaped("a\"b\\c\nd").to_string(), "a\\\"b\\\\c\\nd");
    }
}
