// SPDX-License-Identifier: MIT OR Apache-2.0
//! Severities from text and back: names of RFC 5424, numbers, and a map of words.

/// Parses a severity: a number, or a name as in logger(1) (RFC 5424).
///
/// # Errors
/// A description of what is wrong.
pub fn parse_severity(text: &str) -> Result<i32, String> {
    named(text.as_bytes())
        .or_else(|| text.parse().ok())
        .ok_or_else(|| "expected a number or emerg … debug".to_owned())
}

/// Longest name of a severity.
const LONGEST: usize = 16;

/// Looks up the names of severities that programs and logging libraries use; case-insensitive.
pub fn named(word: &[u8]) -> Option<i32> {
    let mut lower = [0; LONGEST];
    let lower = lower.get_mut(..word.len())?;
    lower.copy_from_slice(word);
    lower.make_ascii_lowercase();
    Some(match &*lower {
        b"emerg" | b"emergency" | b"panic" => 0,
        b"alert" => 1,
        b"crit" | b"critical" | b"fatal" | b"dpanic" => 2,
        b"err" | b"error" | b"severe" => 3,
        b"warning" | b"warn" => 4,
        b"notice" => 5,
        b"info" | b"information" | b"informational" | b"log" | b"config" | b"statement"
        | b"http" => 6,
        b"debug" | b"dbg" | b"trace" | b"verbose" | b"silly" | b"fine" | b"finer" | b"finest"
        | b"debug1" | b"debug2" | b"debug3" | b"debug4" | b"debug5" => 7,
        _ => return None,
    })
}

/// Returns the short name of a severity, at most five letters.
pub fn short_name(severity: i32) -> Option<&'static str> {
    const NAMES: [&str; 8] = ["EMERG", "ALERT", "CRIT", "ERR", "WARN", "NOTE", "INFO", "DEBUG"];
    usize::try_from(severity).ok().and_then(|severity| NAMES.get(severity)).copied()
}

/// Returns the name of a severity as in logger(1).
pub fn long_name(severity: i32) -> Option<&'static str> {
    const NAMES: [&str; 8] =
        ["emerg", "alert", "crit", "err", "warning", "notice", "info", "debug"];
    usize::try_from(severity).ok().and_then(|severity| NAMES.get(severity)).copied()
}

/// The levels of pino and bunyan.
const PINO: [(&str, i32); 6] = [("10", 7), ("20", 7), ("30", 6), ("40", 4), ("50", 3), ("60", 2)];
/// The levels of Python's logging.
const PYTHON: [(&str, i32); 5] = [("10", 7), ("20", 6), ("30", 4), ("40", 3), ("50", 2)];

/// A map of words to severities, which takes precedence over the usual names.
#[derive(Clone, Debug, Default)]
pub struct SeverityMap {
    words: Vec<(String, i32)>,
    /// Severity of all other words.
    default: Option<i32>,
}

impl SeverityMap {
    /// Parses `WORD=SEVERITY[,…]`, e.g. `fatal=0,W=warning`; `*` stands for all other words, `pino`
    /// and `python` for the numeric levels of these.
    ///
    /// # Errors
    /// A description of what is wrong.
    pub fn parse(text: &str) -> Result<Self, String> {
        let mut map = Self::default();
        let own = |list: &[(&str, i32)]| list.iter().map(|&(w, s)| (w.to_owned(), s)).collect();
        for pair in text.split(',') {
            let mut more: Vec<(String, i32)> = match pair.split_once('=') {
                Some(("*", severity)) => {
                    map.default = Some(parse_severity(severity)?);
                    continue;
                }
                Some((word, severity)) => vec![(word.to_owned(), parse_severity(severity)?)],
                None if pair == "pino" => own(&PINO),
                None if pair == "python" => own(&PYTHON),
                None => return Err(format!("expected WORD=SEVERITY: {pair}")),
            };
            map.words.append(&mut more);
        }
        Ok(map)
    }

    /// The map with the levels of pino and bunyan.
    pub fn pino() -> Self {
        Self { words: PINO.iter().map(|&(w, s)| (w.to_owned(), s)).collect(), default: None }
    }

    /// Returns the severity of `word`: by the map, as a syslog number, or by its name in any case.
    /// Other numbers differ between libraries and are not recognised.
    pub fn severity(&self, word: &[u8]) -> Option<i32> {
        let word = word.trim_ascii();
        let exactly = |known: &str| known.as_bytes() == word;
        let nearly = |known: &str| known.as_bytes().eq_ignore_ascii_case(word);
        let find = |is: &dyn Fn(&str) -> bool| self.words.iter().find(|(known, _)| is(known));
        let mapped = find(&exactly).or_else(|| find(&nearly)).map(|(_, severity)| *severity);
        let number = || match word {
            [digit @ b'0'..=b'7'] => Some(i32::from(digit - b'0')),
            _ => None,
        };
        mapped.or_else(number).or_else(|| named(word)).or(self.default)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_map_comes_before_names_and_numbers() {
        let map = SeverityMap::parse("info=3,W=warning").unwrap();
        assert_eq!(map.severity(b"info"), Some(3));
        assert_eq!(map.severity(b"W"), Some(4));
        assert_eq!(map.severity(b"ERROR"), Some(3));
        assert_eq!(map.severity(b"5"), Some(5));
        assert_eq!(map.severity(b"loud"), None);
        assert!(SeverityMap::parse("x").is_err());
        assert!(SeverityMap::parse("x=y").is_err());
    }

    #[test]
    fn words_of_every_library_are_known_whatever_their_case() {
        let map = SeverityMap::default();
        for (words, severity) in [
            ("CRITICAL Fatal dpanic crit", 2),
            ("SEVERE error ERR", 3),
            ("Warn WARNING", 4),
            ("Informational LOG statement config INFO", 6),
            ("TRACE verbose FINE finest DEBUG debug5", 7),
        ] {
            for word in words.split(' ') {
                assert_eq!(map.severity(word.as_bytes()), Some(severity), "{word}");
            }
        }
        // Numbers that differ between libraries are not taken for syslog's.
        for word in ["50", "8", "-1", "165", "", "a word that is longer than any name"] {
            assert_eq!(map.severity(word.as_bytes()), None, "{word}");
        }
    }

    #[test]
    fn maps_have_a_default_regard_no_case_and_know_libraries() {
        let map = SeverityMap::parse("w=warning,Fatal=0,*=notice").unwrap();
        assert_eq!(map.severity(b"W"), Some(4));
        assert_eq!(map.severity(b"FATAL"), Some(0));
        assert_eq!(map.severity(b"error"), Some(3));
        assert_eq!(map.severity(b"loud"), Some(5));
        assert_eq!(SeverityMap::parse("pino").unwrap().severity(b"50"), Some(3));
        assert_eq!(SeverityMap::parse("python").unwrap().severity(b"50"), Some(2));
    }
}
