// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares patterns with Lua's behaviour, by trying one alternative after the other.

use proptest::collection::vec;
use proptest::prelude::{any, prop_assert_eq, proptest};
use proptest::sample::select;

use super::item::Repeat;
use super::*;

fn is_match(pattern: &str, text: &str) -> bool {
    Pattern::new(pattern.as_bytes(), false).unwrap().is_match(text.as_bytes())
}

#[test]
fn patterns_mean_what_they_mean_in_lua() {
    for (pattern, text) in [
        ("", "anything"),
        ("^$", ""),
        ("a.c", "xabcx"),
        ("^a*b+c?d-$", "aabbcd"),
        ("[%a_][%w_]*", "_x1"),
        ("[]]", "]"),
        ("[^]]", "x"),
        ("[a-]", "-"),
        ("%d%d:%d%d", "at 12:34"),
        ("%b()x", "f(a(b)c)x"),
        ("%f[%w]item%f[%W]", "an item here"),
        ("%f[%w]item", "item"),
        ("end%f[%z]", "the end"),
        ("50%%", "50%"),
        ("(x)", "(x)"),
        ("a$b", "a$b"),
        ("^x-y", "xxxy"),
        ("%S+", "a"),
    ] {
        assert!(is_match(pattern, text), "{pattern} on {text}");
    }
    for (pattern, text) in [
        ("^b", "ab"),
        ("a$", "ab"),
        ("[^a]", "aaa"),
        ("%b()x", "f(a(b)c"),
        ("%f[%w]tem", "item"),
        ("a%", "a%"),
        ("[a", "a"),
        ("%b(", "("),
        ("%fx", "x"),
        ("%d", "abc"),
    ] {
        assert!(!is_match(pattern, text), "{pattern} on {text}");
    }
}

#[test]
fn a_literal_has_no_special_bytes() {
    let pattern = Pattern::new(b"foo.*", true).unwrap();
    assert!(pattern.is_match(b"a foo.* b"));
    assert!(!pattern.is_match(b"a food"));
}

#[test]
fn no_text_makes_a_search_slow() {
    let text = "a".repeat(100_000);
    assert!(!is_match("a*a*a*a*a*a*a*a*b", &text));
    let open = "(".repeat(200_000);
    let both = format!("{open}{}", ")".repeat(200_000));
    for pattern in ["%b()x", "%b().*x", "%b()%b()", "^%b()%b()$", ".*%b()x"] {
        assert!(!is_match(pattern, &open), "{pattern}");
        assert!(!is_match(pattern, &both), "{pattern}");
    }
    assert!(is_match("^%b()$", &both));
}

/// Matches as Lua does, by trying one alternative after the other.
fn matches_here(items: &[Item], at_end: bool, text: &[u8], at: usize) -> bool {
    let Some((item, rest)) = items.split_first() else { return !at_end || at == text.len() };
    let then = |at| matches_here(rest, at_end, text, at);
    let byte = text.get(at).copied();
    match item {
        Item::Byte(class, repeat) => {
            let fits = byte.is_some_and(|byte| class.has(byte));
            let again = || matches_here(items, at_end, text, at + 1);
            match repeat {
                Repeat::Once => fits && then(at + 1),
                Repeat::Maybe => then(at) || fits && then(at + 1),
                Repeat::Any => then(at) || fits && again(),
                Repeat::Some => fits && (then(at + 1) || again()),
            }
        }
        Item::Frontier(class) => {
            let before = at.checked_sub(1).map_or(0, |before| text[before]);
            !class.has(before) && class.has(byte.unwrap_or(0)) && then(at)
        }
        Item::Balance(open, close) => {
            let mut depth = 1;
            let end = text.iter().enumerate().skip(at + 1).find(|&(_, &byte)| {
                depth += if byte == *close { -1 } else { i32::from(byte == *open) };
                depth == 0
            });
            byte == Some(*open) && end.is_some_and(|(end, _)| then(end + 1))
        }
    }
}

proptest! {
    #[test]
    fn a_search_finds_what_backtracking_finds(
        parts in vec(select(&[
            "a", "ab", "b?", ".-", "[ab]*", "%b()", "%b(a", "%baa", "%b)(", "%f[a]", "%f[^%z]", "%(", ")+", ".",
        ][..]), 0..5),
        (at_start, at_end) in any::<(bool, bool)>(),
        text in vec(select(&b"ab()"[..]), 0..12),
    ) {
        let (start, end) = (if at_start { "^" } else { "" }, if at_end { "$" } else { "" });
        let text_of = format!("{start}{}{end}", parts.concat());
        let pattern = Pattern::new(text_of.as_bytes(), false).unwrap();
        if let Pattern::Items(of) = &pattern {
            let Items { items, at_start, at_end, .. } = &**of;
            let last = if *at_start { 0 } else { text.len() };
            let expected = (0..=last).any(|at| matches_here(items, *at_end, &text, at));
            prop_assert_eq!(pattern.is_match(&text), expected, "{}", text_of);
        }
    }
}
