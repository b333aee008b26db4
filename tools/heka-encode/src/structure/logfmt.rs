// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines of logfmt: `level=warn msg="took too long" took=1.5 retry`.
//!
//! A value stands bare or in double quotes, where `\"`, `\\`, `\n`, `\r` and `\t` are escapes. A key
//! without a value is true.

/// One pair.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Pair {
    /// The key.
    pub(crate) key: String,
    /// The value; nothing if there is none.
    pub(crate) value: Option<String>,
    /// Whether the value stood in quotes.
    pub(crate) is_quoted: bool,
}

/// Reads a line.
///
/// # Errors
/// Words on what is wrong, and in which column.
pub(crate) fn parse(line: &str) -> Result<Vec<Pair>, String> {
    let mut pairs = Vec::new();
    let mut rest = line.trim_start();
    while !rest.is_empty() {
        let column = line.len() - rest.len() + 1;
        let end = rest.find(|c: char| c == '=' || c == '"' || c.is_whitespace());
        let (key, behind) = rest.split_at(end.unwrap_or(rest.len()));
        if key.is_empty() || behind.starts_with('"') {
            return Err(format!("column {column}: expected KEY=VALUE"));
        }
        let key = key.to_owned();
        let (pair, behind) = match behind.strip_prefix('=') {
            None => (Pair { key, value: None, is_quoted: false }, behind),
            Some(behind) => match behind.strip_prefix('"') {
                None => {
                    let end = behind.find(char::is_whitespace).unwrap_or(behind.len());
                    let (value, behind) = behind.split_at(end);
                    (Pair { key, value: Some(value.to_owned()), is_quoted: false }, behind)
                }
                Some(behind) => {
                    let (value, behind) = quoted(behind)
                        .ok_or_else(|| format!("column {column}: no closing quote"))?;
                    (Pair { key, value: Some(value), is_quoted: true }, behind)
                }
            },
        };
        pairs.push(pair);
        rest = behind.trim_start();
    }
    Ok(pairs)
}

/// The text up to the closing quote, and what follows that.
fn quoted(text: &str) -> Option<(String, &str)> {
    let mut value = String::new();
    let mut chars = text.char_indices();
    while let Some((at, c)) = chars.next() {
        match c {
            '"' => return text.get(at + 1..).map(|rest| (value, rest)),
            '\\' => match chars.next()?.1 {
                'n' => value.push('\n'),
                'r' => value.push('\r'),
                't' => value.push('\t'),
                escaped @ ('"' | '\\') => value.push(escaped),
                other => value.extend(['\\', other]),
            },
            _ => value.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pairs_are_bare_quoted_or_alone() {
        let pair = |key: &str, value: Option<&str>, is_quoted| Pair {
            key: key.to_owned(),
            value: value.map(str::to_owned),
            is_quoted,
        };
        assert_eq!(
            parse(r#" level=warn msg="took \"too\" long\n" url=/?a=b retry empty= "#).unwrap(),
            [
                pair("level", Some("warn"), false),
                pair("msg", Some("took \"too\" long\n"), true),
                pair("url", Some("/?a=b"), false),
                pair("retry", None, false),
                pair("empty", Some(""), false),
            ]
        );
        assert_eq!(parse("a=\"b").unwrap_err(), "column 1: no closing quote");
        assert_eq!(parse("a=b \"x\"").unwrap_err(), "column 5: expected KEY=VALUE");
        assert_eq!(parse("=x").unwrap_err(), "column 1: expected KEY=VALUE");
    }
}
