// SPDX-License-Identifier: MIT OR Apache-2.0
//! Obsolete syntax of tail(1): `-5`, `-20f`, `+5`.

use std::ffi::OsString;
use std::path::Path;

/// Converts an obsolete first argument to the current syntax.
pub(crate) fn modern(mut arguments: Vec<OsString>) -> Vec<OsString> {
    let first = arguments.get(1).and_then(|first| first.to_str());
    if let Some(new) = first.and_then(translated) {
        arguments.splice(1..2, new.into_iter().map(OsString::from));
    }
    arguments
}

/// Converts `-20f` to `-n 20`, `+5c` to `-c +5`; following is the default.
fn translated(text: &str) -> Option<[String; 2]> {
    let (sign, rest) = match text.split_at_checked(1)? {
        ("+", _) if Path::new(text).exists() => return None,
        ("+", rest) => ("+", rest),
        ("-", rest) => ("", rest),
        _ => return None,
    };
    let digits = rest.find(|c: char| !c.is_ascii_digit()).unwrap_or(rest.len());
    let (number, letters) = rest.split_at_checked(digits)?;
    let number = match (number, sign) {
        // As in tail(1), a letter without a number is an option.
        ("", _) => return None,
        (number, _) => number,
    };
    let unit = letters.strip_suffix('f').unwrap_or(letters);
    let (flag, factor) = match unit {
        "" | "l" => ("-n", ""),
        "c" => ("-c", ""),
        "b" => ("-c", "b"),
        _ => return None,
    };
    Some([flag.to_owned(), format!("{sign}{number}{factor}")])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_in_front_are_options() {
        let of = |text: &str| translated(text).map(|[flag, number]| format!("{flag} {number}"));
        for (old, new) in [
            ("-5", "-n 5"),
            ("-20f", "-n 20"),
            ("+5", "-n +5"),
            ("-3c", "-c 3"),
            ("+7cf", "-c +7"),
            ("-2b", "-c 2b"),
            ("-9l", "-n 9"),
        ] {
            assert_eq!(of(old).as_deref(), Some(new), "{old}");
        }
        for other in ["-", "+", "-n5", "-f", "file", "-5x", "--lines=5", "-c"] {
            assert_eq!(of(other), None, "{other}");
        }
    }
}
