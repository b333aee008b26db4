// SPDX-License-Identifier: MIT OR Apache-2.0
//! File modes as text: octal (`600`, `0600`, `0o600`, `=600`) or symbolic (`u=rw,go=`).
//!
//! A comma-separated list of clauses starts from an empty mode; only the bits that it names are
//! changed on the socket, whose mode would otherwise be 0777 without the umask. An octal clause
//! names all bits, whatever its operator, and `u`, `g` or `o` after an operator copies from the
//! mode built so far. The connectors that this tool replaces parse their `permissions` in this way.

/// All bits of a mode.
const ALL: u32 = 0o7777;

/// The bits to set, and which bits are named.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Mode {
    bits: u32,
    named: u32,
}

impl Mode {
    /// Applies the mode to `base`.
    pub(crate) fn apply(self, base: u32) -> u32 {
        (base & !self.named) | (self.bits & self.named)
    }

    fn change(&mut self, operator: char, bits: u32, named: u32) {
        match operator {
            '+' => self.bits |= bits,
            '-' => self.bits &= !bits,
            _ => self.bits = (self.bits & !named) | bits,
        }
        self.named |= named;
    }
}

/// Parses a mode.
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse_mode(text: &str) -> Result<Mode, String> {
    let digits = text.strip_prefix("0o").unwrap_or(text);
    let mut mode = Mode::default();
    if digits.starts_with(|c: char| c.is_ascii_digit()) && !text.contains(',') {
        mode.change('=', octal(digits)?, ALL);
        return Ok(mode);
    }
    for clause in text.split(',') {
        put_clause(&mut mode, clause)?;
    }
    Ok(mode)
}

fn octal(digits: &str) -> Result<u32, String> {
    match u32::from_str_radix(digits, 8) {
        Ok(bits) if bits <= ALL && !digits.starts_with('+') => Ok(bits),
        _ => Err(format!("'{digits}' is not an octal mode of at most 7777")),
    }
}

fn put_clause(mode: &mut Mode, clause: &str) -> Result<(), String> {
    let operators = ['-', '+', '='];
    let Some(first) = clause.find(operators) else {
        return Err("expected a mode such as 600, =600 or u=rw,go=".to_owned());
    };
    let (who, actions) = clause.split_at(first);
    if who.is_empty() && actions.ends_with(|c: char| c.is_ascii_digit()) {
        let (operator, digits) = actions.split_at(1);
        mode.change(operator.chars().next().unwrap_or('='), octal(digits)?, ALL);
        return Ok(());
    }
    let who = parse_who(who)?;
    let mut rest = actions;
    while let Some(operator) = rest.chars().next() {
        let behind = rest.get(1..).unwrap_or_default();
        let end = behind.find(operators).unwrap_or(behind.len());
        let (permissions, tail) = behind.split_at(end);
        put_action(mode, who, operator, permissions)?;
        rest = tail;
    }
    Ok(())
}

/// Returns the bits of the named classes; `a` or no class means all.
fn parse_who(text: &str) -> Result<u32, String> {
    let mut who = 0;
    for c in text.chars() {
        who |= match c {
            'u' => 0o4700,
            'g' => 0o2070,
            'o' => 0o0007,
            'a' => ALL,
            _ => return Err(format!("'{c}' is not one of u, g, o, a")),
        };
    }
    Ok(if text.is_empty() { ALL } else { who })
}

fn put_action(mode: &mut Mode, who: u32, operator: char, text: &str) -> Result<(), String> {
    let copied = match text {
        "u" => Some((mode.bits >> 6) & 7),
        "g" => Some((mode.bits >> 3) & 7),
        "o" => Some(mode.bits & 7),
        _ => None,
    };
    let (bits, kept) = match copied {
        Some(bits) => ((bits * 0o111) & who, 0),
        None => parse_permissions(text, who)?,
    };
    let named = if operator == '=' { who & !kept } else { bits };
    mode.change(operator, bits, named);
    Ok(())
}

/// Returns the named bits, and those to leave unchanged: `X` applies to directories.
fn parse_permissions(text: &str, who: u32) -> Result<(u32, u32), String> {
    let (mut bits, mut kept) = (0, 0);
    for c in text.chars() {
        match c {
            'r' => bits |= 0o444 & who,
            'w' => bits |= 0o222 & who,
            'x' => bits |= 0o111 & who,
            's' => bits |= 0o6000 & who,
            't' => bits |= 0o1000,
            'X' => kept |= 0o111,
            _ => return Err(format!("'{c}' is not one of r, w, x, X, s, t")),
        }
    }
    Ok((bits, kept & !bits))
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn of(text: &str) -> u32 {
        parse_mode(text).unwrap().apply(0o755)
    }

    /// Results of tremor 0.13.0-rc.33 under umask 022.
    #[test]
    fn modes_are_those_of_the_seed() {
        for (text, mode) in [
            ("=600", 0o600),
            ("=0600", 0o600),
            ("+111", 0o111),
            ("-022", 0),
            ("=", 0),
            ("=777", 0o777),
            ("=1777", 0o1777),
            ("u+s", 0o4755),
            ("=600,g+r", 0o640),
            ("ug=rw,o-rwx", 0o660),
            ("u=rw", 0o655),
            ("u=rw,go=", 0o600),
            ("u=rw,g=,o=", 0o600),
            ("=rw", 0o666),
            ("a=rw", 0o666),
            ("ug+w", 0o775),
            ("o-w", 0o755),
            ("u=rwX", 0o755),
            ("g=u", 0o705),
            ("u=rw,g=u,o=", 0o660),
            ("+w", 0o777),
        ] {
            assert_eq!(of(text), mode, "{text}");
        }
    }

    #[test]
    fn plain_octal_is_taken_too() {
        for text in ["600", "0600", "0o600"] {
            assert_eq!(of(text), 0o600, "{text}");
        }
        assert_eq!(of("u=r+w"), 0o655);
    }

    #[test]
    fn malformed_modes_are_refused() {
        for text in [
            "",
            "=800",
            "=608",
            "608",
            "u=rwz",
            "=77777777777",
            "z=r",
            "u",
            ",",
            "600,",
            "0o",
            "é=r",
            "=+7",
            "+=600,",
        ] {
            assert!(parse_mode(text).is_err(), "{text}");
        }
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "[-+=ugoarwxXst0-9,é]{0,12}") {
            if let Ok(mode) = parse_mode(&text) {
                prop_assert!(mode.apply(0o755) <= ALL);
            }
        }
    }
}
