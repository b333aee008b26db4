// SPDX-License-Identifier: MIT OR Apache-2.0
//! Severities from text and back: a map of words, numbers, and the names of RFC 5424.

/// A severity: a number, or a name as in logger(1) (RFC 5424).
///
/// # Errors
/// Words on what is wrong.
pub fn parse_severity(text: &str) -> Result<i32, String> {
    Ok(match text {
        "emerg" | "panic" => 0,
        "alert" => 1,
        "crit" => 2,
        "err" | "error" => 3,
        "warning" | "warn" => 4,
        "notice" => 5,
        "info" => 6,
        "debug" => 7,
        _ => text.parse().map_err(|_| "expected a number or emerg … debug".to_owned())?,
    })
}

/// The short name of a severity, at most five letters.
pub fn short_name(severity: i32) -> Option<&'static str> {
    const NAMES: [&str; 8] = ["EMERG", "ALERT", "CRIT", "ERR", "WARN", "NOTE", "INFO", "DEBUG"];
    usize::try_from(severity).ok().and_then(|severity| NAMES.get(severity)).copied()
}

/// The name of a severity as logger(1) has it.
pub fn long_name(severity: i32) -> Option<&'static str> {
    const NAMES: [&str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    usize::try_from(severity).ok().and_then(|severity| NAMES.get(severity)).copied()
}

/// Words and the severities they stand for, above the usual names.
#[derive(Clone, Debug, Default)]
pub struct SeverityMap {
    words: Vec<(String, i32)>,
}

impl SeverityMap {
    /// Reads `WORD=SEVERITY[,…]`, as `fatal=0,W=warning`.
    ///
    /// # Errors
    /// Words on what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let words = text
            .split(',')
            .map(|pair| {
                let (word, severity) = pair
                    .split_once('=')
                    .ok_or_else(|| format!("expected WORD=SEVERITY: {pair}"))?;
                Ok((word.to_owned(), parse_severity(severity)?))
            })
            .collect::<Result<_, String>>()?;
        Ok(Self { words })
    }

    /// What `word` stands for: by the map, as a number, as a name whatever its case.
    pub fn severity(&self, word: &str) -> Option<i32> {
        let mapped = self.words.iter().find(|(known, _)| known == word);
        mapped
            .map(|(_, severity)| *severity)
            .or_else(|| parse_severity(&word.to_ascii_lowercase()).ok())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_comes_before_names_and_numbers() {
        let map = SeverityMap::parse("info=3,W=warning").unwrap();
        assert_eq!(map.severity("info"), Some(3));
        assert_eq!(map.severity("W"), Some(4));
        assert_eq!(map.severity("ERROR"), Some(3));
        assert_eq!(map.severity("5"), Some(5));
        assert_eq!(map.severity("loud"), None);
        assert!(SeverityMap::parse("x").is_err());
        assert!(SeverityMap::parse("x=y").is_err());
    }
}
