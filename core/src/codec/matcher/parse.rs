// SPDX-License-Identifier: MIT OR Apache-2.0
//! Parses tokens to a tree.
//!
//! ```text
//! or   = and ("||" and)*         and  = not ("&&" not)*
//! not  = "!" not | "(" or ")" | TRUE | FALSE | test
//! test = variable comparison value
//! ```
//!
//! `and`, `or` and `not` are synonyms of the operators.

use std::cell::Cell;
use std::cmp::Ordering;

use super::Mistake;
use super::date;
use super::hint::{no_comparison, no_number, unknown};
use super::lex::{Compare, Lexer, Token};
use super::pattern::Pattern;
use crate::codec::FieldPath;
use crate::codec::regular::Regular;

/// Maximum nesting of parentheses and negations.
const MAX_DEPTH: usize = 200;

/// An expression.
#[derive(Clone, Debug)]
pub(super) enum Node {
    Constant(bool),
    Not(Box<Self>),
    /// All nodes are true.
    And(Vec<Self>),
    /// At least one node is true.
    Or(Vec<Self>),
    /// A text header.
    Text(TextHeader, TextTest),
    /// A numeric header.
    Number(NumberHeader, Order, f64),
    /// Whether a numeric header is absent (or, if `false`, present).
    NoPid(bool),
    /// A value of a field.
    Field(FieldTest),
}

impl Node {
    /// Returns the field tests in the expression.
    pub(super) fn field_tests(&self) -> Vec<&FieldTest> {
        match self {
            Self::Not(node) => node.field_tests(),
            Self::And(nodes) | Self::Or(nodes) => {
                nodes.iter().flat_map(Self::field_tests).collect()
            }
            Self::Field(test) => vec![test],
            Self::Constant(_) | Self::Text(..) | Self::Number(..) | Self::NoPid(_) => Vec::new(),
        }
    }
}

/// Headers that are text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum TextHeader {
    Uuid,
    Type,
    Logger,
    Payload,
    EnvVersion,
    Hostname,
}

/// Headers that are numbers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NumberHeader {
    Timestamp,
    Severity,
    Pid,
}

/// A test of a text.
#[derive(Clone, Debug)]
pub(super) enum TextTest {
    Order(Order, Vec<u8>),
    Matches(Search, bool),
    Nil(bool),
}

/// A search in a text.
#[derive(Clone, Debug)]
pub(super) enum Search {
    Lua(Pattern),
    Regular(Regular),
}

/// A test of a field.
#[derive(Clone, Debug)]
pub(super) struct FieldTest {
    pub(super) path: FieldPath,
    pub(super) test: ValueTest,
    pub(super) seen: Seen,
}

/// The kinds of values that were compared with a number so far.
#[derive(Clone, Debug, Default)]
pub(super) struct Seen {
    pub(super) text: Cell<bool>,
    pub(super) number: Cell<bool>,
}

/// A test of a field's value.
#[derive(Clone, Debug)]
pub(super) enum ValueTest {
    Text(TextTest),
    Number(Order, f64),
    /// `==` (or, if `false`, `!=`) a truth value.
    Truth(bool, bool),
    Nil(bool),
}

/// The orderings that satisfy a comparison.
#[derive(Clone, Copy, Debug)]
pub(super) struct Order {
    less: bool,
    equal: bool,
    greater: bool,
    /// For values that cannot be compared (NaN).
    neither: bool,
}

impl Order {
    fn new(compare: Compare) -> Option<Self> {
        let (less, equal, greater) = match compare {
            Compare::Equal => (false, true, false),
            Compare::NotEqual => (true, false, true),
            Compare::Greater => (false, false, true),
            Compare::GreaterOrEqual => (false, true, true),
            Compare::Less => (true, false, false),
            Compare::LessOrEqual => (true, true, false),
            Compare::Matches | Compare::MatchesNot | Compare::Contains => return None,
        };
        Some(Self { less, equal, greater, neither: compare == Compare::NotEqual })
    }

    /// Whether `ordering`, of the message's value relative to the expression's, satisfies the
    /// comparison.
    #[inline]
    pub(super) fn admits(self, ordering: Option<Ordering>) -> bool {
        match ordering {
            Some(Ordering::Less) => self.less,
            Some(Ordering::Equal) => self.equal,
            Some(Ordering::Greater) => self.greater,
            None => self.neither,
        }
    }

    /// The result for an absent header, which is less than any text.
    #[inline]
    pub(super) fn admits_absent(self) -> bool {
        self.less
    }
}

/// Parses a whole expression.
pub(super) fn parse(text: &str) -> Result<Node, Mistake> {
    let mut lexer = Lexer::new(text);
    let next = lexer.next()?;
    let mut parser = Parser { lexer, next, depth: 0 };
    let node = parser.or()?;
    match &parser.next {
        (_, Token::End) => Ok(node),
        (at, Token::Close) => Err(Mistake::new(*at, "no ( for this )")),
        (at, _) => Err(Mistake::new(*at, "expected && or ||")),
    }
}

struct Parser<'a> {
    lexer: Lexer<'a>,
    next: (usize, Token),
    depth: usize,
}

impl Parser<'_> {
    fn advance(&mut self) -> Result<(usize, Token), Mistake> {
        let next = self.lexer.next()?;
        Ok(std::mem::replace(&mut self.next, next))
    }

    fn or(&mut self) -> Result<Node, Mistake> {
        let first = self.and()?;
        let mut nodes = vec![first];
        while self.next.1 == Token::Or {
            self.advance()?;
            nodes.push(self.and()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::Or(nodes) })
    }

    fn and(&mut self) -> Result<Node, Mistake> {
        let first = self.not()?;
        let mut nodes = vec![first];
        while self.next.1 == Token::And {
            self.advance()?;
            nodes.push(self.not()?);
        }
        Ok(if nodes.len() == 1 { nodes.remove(0) } else { Node::And(nodes) })
    }

    fn not(&mut self) -> Result<Node, Mistake> {
        let (at, token) = self.advance()?;
        self.depth += 1;
        if self.depth > MAX_DEPTH {
            return Err(Mistake::new(at, "nested too deep"));
        }
        let node = match token {
            Token::Not => Node::Not(Box::new(self.not()?)),
            Token::Open => {
                let node = self.or()?;
                match self.advance()? {
                    (_, Token::Close) => node,
                    (_, Token::End) => return Err(Mistake::new(at, "no ) for this (")),
                    (at, _) => return Err(Mistake::new(at, "expected && or || or )")),
                }
            }
            Token::Word(word) => self.header(at, &word)?,
            Token::Field(path) => {
                Node::Field(FieldTest { path, test: self.field_test()?, seen: Seen::default() })
            }
            Token::End => return Err(Mistake::new(at, "expected a test")),
            _ => return Err(Mistake::new(at, "expected a header, Fields[…], TRUE, FALSE, ! or (")),
        };
        self.depth -= 1;
        Ok(node)
    }

    fn header(&mut self, at: usize, word: &str) -> Result<Node, Mistake> {
        let text = match word {
            "TRUE" => return Ok(Node::Constant(true)),
            "FALSE" => return Ok(Node::Constant(false)),
            "Timestamp" => return self.number_test(NumberHeader::Timestamp),
            "Severity" => return self.number_test(NumberHeader::Severity),
            "Pid" => return self.number_test(NumberHeader::Pid),
            "Uuid" => TextHeader::Uuid,
            "Type" => TextHeader::Type,
            "Logger" => TextHeader::Logger,
            "Payload" => TextHeader::Payload,
            "EnvVersion" => TextHeader::EnvVersion,
            "Hostname" => TextHeader::Hostname,
            _ => {
                let is_compared = matches!(self.next.1, Token::Compare(_));
                return Err(Mistake::new(at, unknown(word, is_compared)));
            }
        };
        let (compare_at, compare) = self.comparison()?;
        let (at, value) = self.advance()?;
        match value {
            Token::Word(word) if word == "NIL" && text == TextHeader::Uuid => {
                Err(Mistake::new(at, "Uuid is never NIL"))
            }
            Token::Word(word) if word == "NIL" => {
                Ok(Node::Text(text, TextTest::Nil(equality(compare_at, compare, "NIL")?)))
            }
            value => Ok(Node::Text(text, text_test(compare_at, compare, at, value)?)),
        }
    }

    fn number_test(&mut self, header: NumberHeader) -> Result<Node, Mistake> {
        let (compare_at, compare) = self.comparison()?;
        let order = Order::new(compare)
            .ok_or_else(|| Mistake::new(compare_at, "this header is a number"))?;
        let (at, value) = self.advance()?;
        match (header, value) {
            (_, Token::Number(number)) => Ok(Node::Number(header, order, number)),
            (NumberHeader::Pid, Token::Word(word)) if word == "NIL" => {
                Ok(Node::NoPid(equality(compare_at, compare, "NIL")?))
            }
            (NumberHeader::Timestamp, Token::Text { bytes, literal: false }) => {
                let time = date::parse(&bytes).ok_or_else(|| {
                    Mistake::new(at, "expected a time such as '2006-01-02T15:04:05Z'")
                })?;
                Ok(Node::Number(header, order, time))
            }
            (NumberHeader::Severity, Token::Word(word)) => Err(no_number(at, &word)),
            (_, Token::Text { bytes, .. }) if header == NumberHeader::Severity => {
                Err(no_number(at, &String::from_utf8_lossy(&bytes)))
            }
            _ => Err(Mistake::new(at, "expected a number")),
        }
    }

    fn field_test(&mut self) -> Result<ValueTest, Mistake> {
        let (compare_at, compare) = self.comparison()?;
        let (at, value) = self.advance()?;
        match value {
            Token::Number(number) => match Order::new(compare) {
                Some(order) => Ok(ValueTest::Number(order, number)),
                None if compare == Compare::Contains => {
                    Err(Mistake::new(at, "expected text in quotes"))
                }
                None => Err(Mistake::new(at, "expected a /regular expression/ or a 'pattern'")),
            },
            Token::Word(word) if word == "NIL" => {
                Ok(ValueTest::Nil(equality(compare_at, compare, "NIL")?))
            }
            Token::Word(word) if word == "TRUE" || word == "FALSE" => {
                Ok(ValueTest::Truth(equality(compare_at, compare, &word)?, word == "TRUE"))
            }
            value => Ok(ValueTest::Text(text_test(compare_at, compare, at, value)?)),
        }
    }

    fn comparison(&mut self) -> Result<(usize, Compare), Mistake> {
        match self.advance()? {
            (at, Token::Compare(Compare::Less))
                if self.next == (at + 1, Token::Compare(Compare::Greater)) =>
            {
                Err(Mistake::new(at, "did you mean !=?"))
            }
            (at, Token::Compare(compare)) => Ok((at, compare)),
            (at, token) => Err(Mistake::new(at, no_comparison(&token))),
        }
    }
}

fn equality(at: usize, compare: Compare, value: &str) -> Result<bool, Mistake> {
    match compare {
        Compare::Equal => Ok(true),
        Compare::NotEqual => Ok(false),
        _ => Err(Mistake::new(at, format!("{value} is compared by == or != only"))),
    }
}

fn text_test(
    compare_at: usize,
    compare: Compare,
    at: usize,
    value: Token,
) -> Result<TextTest, Mistake> {
    match (Order::new(compare), value) {
        (Some(order), Token::Text { bytes, literal: false }) => Ok(TextTest::Order(order, bytes)),
        (Some(_), Token::Text { literal: true, .. } | Token::Regex(_)) => {
            Err(Mistake::new(compare_at, "patterns are compared by =~ or !~"))
        }
        (Some(_), _) => Err(Mistake::new(at, "expected text in quotes")),
        (None, Token::Text { bytes, .. }) if compare == Compare::Contains => {
            let pattern = Pattern::new(&bytes, true).map_err(|why| Mistake::new(at, why))?;
            Ok(TextTest::Matches(Search::Lua(pattern), true))
        }
        (None, _) if compare == Compare::Contains => {
            Err(Mistake::new(at, "expected text in quotes"))
        }
        (None, Token::Text { bytes, literal }) => {
            let pattern = Pattern::new(&bytes, literal).map_err(|why| Mistake::new(at, why))?;
            Ok(TextTest::Matches(Search::Lua(pattern), compare == Compare::Matches))
        }
        (None, Token::Regex(text)) => {
            let regular = Regular::new(&text).map_err(|why| Mistake::new(at, why.to_string()))?;
            Ok(TextTest::Matches(Search::Regular(regular), compare == Compare::Matches))
        }
        (None, _) => Err(Mistake::new(at, "expected a /regular expression/ or a 'pattern'")),
    }
}
