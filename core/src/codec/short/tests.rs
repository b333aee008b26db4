// SPDX-License-Identifier: MIT OR Apache-2.0

use std::slice::from_ref;

use bytes::Bytes;

use super::{Look, Short, TimeForm};
use crate::codec::FieldList;
use crate::codec::time::Zone;
use crate::wire::{Field, Message, MessageView, ValueType, put_message};

/// 2026-01-02T11:38:24.154Z
const TIME: i64 = 1_767_353_904_154_999_999;

fn berlin() -> Zone {
    Zone::new(jiff::tz::TimeZone::posix("CET-1CEST,M3.5.0,M10.5.0/3").unwrap())
}

fn message(host: &str, logger: &str, severity: i32, payload: impl Into<Bytes>) -> Message {
    Message {
        timestamp: Some(TIME),
        hostname: Some(host.to_owned().into()),
        logger: Some(logger.to_owned().into()),
        severity: Some(severity),
        payload: Some(payload.into()),
        ..Message::default()
    }
}

fn shown(look: Look, messages: &[Message]) -> String {
    let mut short = Short::new(look, berlin());
    let mut out = Vec::new();
    for message in messages {
        let mut bytes = Vec::new();
        put_message(&mut bytes, message);
        short.put(&mut out, &MessageView::parse(&bytes).unwrap());
    }
    String::from_utf8(out).unwrap()
}

fn at(width: fn() -> Option<usize>) -> Look {
    Look { width: Some(width), ..Look::default() }
}

/// Removes the colours that the tools themselves use.
fn uncolored(text: &str) -> String {
    let mut plain = String::new();
    let mut parts = text.split('\x1b');
    plain.push_str(parts.next().unwrap());
    for part in parts {
        let (style, rest) = part.split_once('m').unwrap();
        let is_style = style
            .strip_prefix('[')
            .is_some_and(|style| style.chars().all(|c| c.is_ascii_digit() || c == ';'));
        assert!(is_style, "an escape that is no colour: {style:?}");
        plain.push_str(rest);
    }
    plain
}

#[test]
fn columns_grow_and_never_shrink() {
    let access = Message {
        fields: vec![Field::integer("status", 404), Field::string("user", "Jane Doe")],
        ..message("web01", "nginx.access", 6, "GET /x 404\n")
    };
    let messages = [message("a", "app", 3, "one"), access, message("web02", "b", 4, "three")];
    assert_eq!(
        shown(Look::default(), &messages),
        "12:38:24.154 a app ERR   one\n\
         12:38:24.154 web01 nginx.access INFO  GET /x 404  status=404 user=\"Jane Doe\"\n\
         12:38:24.154 web02 b            WARN  three\n"
    );
}

#[test]
fn what_is_absent_or_odd_keeps_its_column() {
    let odd = message("", "tab\there\nand\x1b[2J", 50, "x");
    assert_eq!(
        shown(Look::default(), &[Message::default(), odd]),
        "-            - - -\n12:38:24.154 - tab\\there\\nand\\u{1b}[2J 50    x\n"
    );
    let nothing = Message { fields: vec![Field::integer("n", 1)], ..message("h", "l", -1, "") };
    assert_eq!(shown(Look::default(), &[nothing]), "12:38:24.154 h l -1    n=1\n");
}

#[test]
fn times_have_five_forms() {
    let line = |time| {
        let now: Option<fn() -> i64> = Some(|| TIME + 125_000_000_000);
        let look = Look { time: Some(time), now, ..Look::default() };
        shown(look, &[message("h", "l", 6, "x")])
    };
    assert_eq!(line(TimeForm::Local), "12:38:24.154 h l INFO  x\n");
    assert_eq!(line(TimeForm::Utc), "11:38:24.154Z h l INFO  x\n");
    assert_eq!(line(TimeForm::Iso), "2026-01-02T12:38:24.154+01:00 h l INFO  x\n");
    assert_eq!(line(TimeForm::Relative), "  2m ago h l INFO  x\n");
    assert_eq!(line(TimeForm::None), "h l INFO  x\n");
}

#[test]
fn lines_of_a_payload_hang_below_the_first() {
    let trace = Message {
        fields: vec![Field::integer("n", 1)],
        ..message("h", "l", 3, "boom\r\n\tat main\n\nend\n")
    };
    let indent = " ".repeat(23);
    assert_eq!(
        shown(Look::default(), &[trace]),
        format!("12:38:24.154 h l ERR   boom\n{indent}\tat main\n\n{indent}end\n{indent}n=1\n")
    );
}

#[test]
fn long_lines_wrap_between_words_or_are_cut() {
    let long = message("h", "l", 6, "the quick brown fox jumps over the lazy dog");
    let indent = " ".repeat(23);
    assert_eq!(
        shown(at(|| Some(50)), from_ref(&long)),
        format!("12:38:24.154 h l INFO  the quick brown fox jumps\n{indent}over the lazy dog\n")
    );
    let cut = Look { no_wrap: true, ..at(|| Some(50)) };
    assert_eq!(shown(cut, &[long]), "12:38:24.154 h l INFO  the quick brown fox jumps …\n");
    let fields = vec![Field::integer("n", 1)];
    let gap = Message { fields, ..message("h", "l", 6, "x".repeat(26)) };
    assert_eq!(
        shown(at(|| Some(50)), &[gap]),
        format!("12:38:24.154 h l INFO  {}\n{indent}n=1\n", "x".repeat(26))
    );
    let word = message("h", "l", 6, "x".repeat(40));
    let (first, rest) = ("x".repeat(27), "x".repeat(13));
    assert_eq!(
        shown(at(|| Some(50)), &[word]),
        format!("12:38:24.154 h l INFO  {first}\n{indent}{rest}\n")
    );
    let exact = message("h", "l", 6, "x".repeat(27));
    let cut = Look { no_wrap: true, ..at(|| Some(50)) };
    assert_eq!(shown(cut, &[exact]), format!("12:38:24.154 h l INFO  {first}\n"));
}

#[test]
fn wide_characters_take_two_columns() {
    let wide = message("主机", "l", 6, "日本語日本語日本語");
    assert_eq!(
        shown(at(|| Some(50)), &[wide.clone(), message("h", "l", 6, "x")]),
        "12:38:24.154 主机 l INFO  日本語日本語日本語\n12:38:24.154 h    l INFO  x\n"
    );
    for line in shown(at(|| Some(33)), &[wide]).lines() {
        assert!(unicode_width::UnicodeWidthStr::width(line) <= 33, "{line}");
    }
}

#[test]
fn a_narrow_terminal_gets_the_text_below_the_head() {
    let long = message("www.example.org", "/var/log/nginx/access.log", 6, "GET /index.html 200");
    assert_eq!(
        shown(at(|| Some(20)), &[long]),
        "12:38:24.154 www.exa… …ess.log INFO\n    GET /index.html\n    200\n"
    );
}

#[test]
fn forty_fields_are_shown_or_those_that_are_wanted() {
    let fields = (0..40).map(|n| Field::integer(format!("f{n}"), n)).collect();
    let many = Message { fields, ..message("h", "l", 6, "x") };
    let all = shown(at(|| Some(80)), from_ref(&many));
    assert!(all.contains(" f39=39\n") && all.lines().all(|line| line.len() <= 80), "{all}");
    let these = |list| Look { fields: Some(FieldList::parse(list)), ..Look::default() };
    assert_eq!(shown(these("f7,f3,x"), from_ref(&many)), "12:38:24.154 h l INFO  x  f7=7 f3=3\n");
    assert_eq!(shown(these("none"), &[many]), "12:38:24.154 h l INFO  x\n");
}

#[test]
fn values_are_logfmt() {
    let mut bytes = Field::empty("raw", ValueType::Bytes);
    bytes.value_bytes.push(Bytes::from_static(b"\0\x01"));
    let mut several = Field::empty("tags", ValueType::String);
    several.value_string.extend([Bytes::from_static(b"a"), Bytes::from_static(b"b c")]);
    let fields = vec![
        bytes,
        several,
        Field::string("a b=", "say \"x\"\n\x1b[31m"),
        Field::string("", ""),
        Field::string(Bytes::from_static(b"n"), Bytes::from_static(b"\xff\xe2\x80\xae")),
    ];
    let odd = Message { fields, ..message("h", "l", 6, "x") };
    assert_eq!(
        shown(Look::default(), &[odd]),
        "12:38:24.154 h l INFO  x  raw=\"AAE=\" tags=\"a,b c\" a_b_=\"say \\\"x\\\"\\n\\u001b[31m\" \
         _=\"\" n=\"\u{fffd}\\u{202e}\"\n"
    );
}

#[test]
fn no_payload_can_emit_an_escape() {
    let hostile = "a\x1b]0;owned\x07b\u{9b}31mc\u{202e}d\u{200b}e\u{2028}f\rg\x08h";
    let text = shown(Look::default(), &[message(hostile, hostile, 6, hostile)]);
    assert_eq!(text.matches('\n').count(), 1);
    let harmful = |c: char| c != '\n' && crate::codec::harmless::is_harmful(c);
    assert!(!text.contains(harmful), "{text:?}");
    let colored = Look { color: true, ..at(|| Some(40)) };
    let text = shown(colored, &[message(hostile, hostile, 6, hostile)]);
    assert!(!uncolored(&text).contains(harmful), "{text:?}");
    let bad = message("h", "l", 6, Bytes::from_static(b"a\xffb\xf0\x9f"));
    assert_eq!(shown(Look::default(), &[bad]), "12:38:24.154 h l INFO  a\\xffb\\xf0\\x9f\n");
}

#[test]
fn colours_are_stable_and_take_no_columns() {
    let fields = vec![Field::string("k", "v")];
    let long = "word ".repeat(30);
    let messages = [
        Message { fields, ..message("web01", "app", 3, "boom") },
        message("web01", "app", 4, long.clone()),
        message("web01", "app", 7, long),
    ];
    for no_wrap in [false, true] {
        let colored = Look { color: true, no_wrap, ..at(|| Some(60)) };
        let colored = shown(colored, &messages);
        let plain = Look { no_wrap, ..at(|| Some(60)) };
        assert_eq!(uncolored(&colored), shown(plain, &messages));
    }
    let first = shown(Look { color: true, ..Look::default() }, &messages[..1]);
    assert_eq!(
        first,
        "\x1b[2m12:38:24.154\x1b[0m \x1b[36mweb01\x1b[0m \x1b[1;35mapp\x1b[0m \x1b[31mERR\x1b[0m   \
         boom  \x1b[2mk=\x1b[0mv\n"
    );
}

#[cfg(feature = "regex")]
#[test]
fn what_was_matched_is_highlighted() {
    let matcher = crate::codec::Matcher::new("Payload =~ /t[a-z]+t/").unwrap();
    let look = Look { color: true, highlight: matcher.highlight(), ..Look::default() };
    let text = shown(look.clone(), &[message("", "", 6, "a test, text")]);
    assert!(text.ends_with("a \x1b[1;31mtest\x1b[0m, \x1b[1;31mtext\x1b[0m\n"), "{text:?}");
    let text = shown(Look { color: false, ..look }, &[message("", "", 6, "a test")]);
    assert!(text.ends_with(" a test\n"), "{text:?}");
}

#[test]
fn a_width_that_is_absurd_harms_nobody() {
    let message = message("host", "logger", 6, "some words and 日本語\n\tmore");
    for width in [|| Some(0), || Some(1), || Some(2), || Some(5)] as [fn() -> _; 4] {
        for no_wrap in [false, true] {
            shown(Look { no_wrap, ..at(width) }, from_ref(&message));
        }
    }
}
