// SPDX-License-Identifier: MIT OR Apache-2.0
//! Finds what an expression searches for in the payload, to highlight it.

use std::ops::Range;

use super::parse::{Node, Search, TextHeader, TextTest};
use regex::bytes::Regex;

/// Finds the parts of payloads that an expression searches for.
#[derive(Clone, Debug)]
pub struct Highlight {
    searches: Vec<Regex>,
}

impl Highlight {
    /// Collects the payload searches of an expression (`Payload =~ …`), if any.
    pub(super) fn new(node: &Node) -> Option<Self> {
        let mut searches = Vec::new();
        collect(node, &mut searches);
        (!searches.is_empty()).then_some(Self { searches })
    }

    /// Appends the matches in `payload` to `ranges`, in order and without overlap.
    pub fn find(&self, payload: &[u8], ranges: &mut Vec<Range<usize>>) {
        for search in &self.searches {
            let found = search.find_iter(payload).map(|found| found.range());
            ranges.extend(found.filter(|range| !range.is_empty()));
        }
        ranges.sort_unstable_by_key(|range| range.start);
        ranges.dedup_by(|next, before| {
            let touches = next.start <= before.end;
            if touches {
                before.end = before.end.max(next.end);
            }
            touches
        });
    }
}

fn collect(node: &Node, searches: &mut Vec<Regex>) {
    match node {
        Node::And(nodes) | Node::Or(nodes) => {
            nodes.iter().for_each(|node| collect(node, searches));
        }
        Node::Text(TextHeader::Payload, TextTest::Matches(search, true)) => {
            let regex = match search {
                Search::Regular(regular) => Some(regular.regex().clone()),
                Search::Lua(pattern) => pattern.to_regex().and_then(|text| Regex::new(&text).ok()),
            };
            searches.extend(regex);
        }
        _ => {}
    }
}

#[cfg(test)]
mod tests {
    use crate::codec::Matcher;

    fn found(expression: &str, payload: &str) -> Vec<String> {
        let mut ranges = Vec::new();
        if let Some(highlight) = Matcher::new(expression).unwrap().highlight() {
            highlight.find(payload.as_bytes(), &mut ranges);
        }
        ranges.into_iter().map(|range| payload.get(range).unwrap().to_owned()).collect()
    }

    #[test]
    fn what_is_looked_for_is_found() {
        assert_eq!(found("Payload =~ /t.m/", "a time, tom"), ["tim", "tom"]);
        assert_eq!(found("Payload =~ 'time' || Payload =~ /i.e out/", "a time out"), ["time out"]);
        assert_eq!(found("Payload =~ '%d+%.[0-9]*x?'", "a 12.5x 7"), ["12.5x"]);
        assert_eq!(found("Payload =~ '^%s-a$'", "  a"), ["  a"]);
    }

    #[test]
    fn what_is_not_looked_for_is_not() {
        for expression in
            ["TRUE", "Payload !~ /a/", "!(Payload =~ /a/)", "Type =~ /a/", "Payload =~ '%b()'"]
        {
            assert!(found(expression, "a (a)").is_empty(), "{expression}");
        }
        assert!(found("Payload =~ /x*/", "a").is_empty());
    }
}
