// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost of a matcher: no allocation per message, and no access to parts of a message that the
//! expression does not name.

use std::num::NonZeroUsize;

use heka_core::codec::Matcher;
use heka_core::wire::{Field, Message, MessageView, ValueType, put_message};
use nix::sys::mman::{MapFlags, ProtFlags, mmap_anonymous, mprotect};

use super::ALLOCATIONS;

/// Returns every variable with every operator that it accepts.
fn expressions() -> Vec<String> {
    let mut all: Vec<String> =
        ["TRUE", "FALSE", "!TRUE", "TRUE && (FALSE || !(TRUE))"].map(str::to_owned).into();
    let orders = ["==", "!=", ">", ">=", "<", "<="];
    let searches = [
        "/GET/",
        "/^.*status=[^x]+ .$/",
        "/(?i)büch|\\bget\\b/",
        "/\\pL{3}|\\d+$/",
        "//",
        "'GET'",
        "'^[%w ]-(status)=%d+.*$'",
        "'%b()%f[%w]x?'",
        "'a.b'%",
    ];
    let texts = ["Uuid", "Type", "Logger", "Payload", "EnvVersion", "Hostname"];
    for variable in texts.into_iter().chain(["Fields[text]", "Fields[raw]", "Fields[text][0][1]"]) {
        all.extend(orders.map(|order| format!("{variable} {order} 'GET /'")));
        for search in searches {
            all.extend(["=~", "!~"].map(|operator| format!("{variable} {operator} {search}")));
        }
        if variable != "Uuid" {
            all.extend(["==", "!="].map(|operator| format!("{variable} {operator} NIL")));
        }
    }
    all.extend(orders.map(|order| format!("Uuid {order} '55555555-5555-5555-5555-555555555555'")));
    let numbers = ["Timestamp", "Severity", "Pid", "Fields[n]", "Fields[d]", "Fields[b]"];
    for variable in numbers.into_iter().chain(["Fields[n][0][1]", "Fields[nope]"]) {
        all.extend(orders.map(|order| format!("{variable} {order} 6")));
    }
    all.extend(orders.map(|order| format!("Timestamp {order} '2016-05-24T00:00:00Z'")));
    all.extend(
        ["Pid == NIL", "Pid != NIL", "Fields[b] == TRUE", "Fields[n] != FALSE"].map(str::to_owned),
    );
    all
}

/// Creates a message with `text` in every text.
fn message(text: &[u8]) -> Vec<u8> {
    let text = || Some(text.to_vec().into());
    let list = || vec![text().unwrap(), text().unwrap()];
    let message = Message {
        uuid: Some([0x55; 16].to_vec().into()),
        timestamp: Some(1 << 60),
        r#type: text(),
        logger: text(),
        severity: Some(6),
        payload: text(),
        env_version: text(),
        pid: Some(7),
        hostname: text(),
        fields: vec![
            Field { value_string: list(), ..Field::empty("text", ValueType::String) },
            Field { value_bytes: list(), ..Field::empty("raw", ValueType::Bytes) },
            Field { value_integer: vec![1, 6], ..Field::empty("n", ValueType::Integer) },
            Field { value_double: vec![6.0], ..Field::empty("d", ValueType::Double) },
            Field { value_bool: vec![true], ..Field::empty("b", ValueType::Bool) },
        ],
    };
    let mut bytes = Vec::new();
    put_message(&mut bytes, &message);
    bytes
}

#[test]
fn nothing_is_allocated_per_message() {
    let messages = [
        message(b"GET /index.html status=200 b\xc3\xbcch"),
        message(b"(no match) at all"),
        message(b""),
        message(b"GET /\xff\xfe status=4\xc3 \x80"),
        message(b"\x80\x81\xe2\x82 no such thing \xf0\x9f"),
        message(&[0xff; 5000]),
        Vec::new(),
    ];
    for expression in expressions() {
        let matcher = Matcher::new(&expression).unwrap();
        let evaluate = || {
            let is_match = |bytes| matcher.is_match(&MessageView::parse(bytes).unwrap());
            messages.iter().filter(|bytes| is_match(bytes)).count()
        };
        // An automaton keeps the states that texts reach, so the first round creates them.
        let first = evaluate();
        let before = ALLOCATIONS.get();
        let second = evaluate();
        assert_eq!(ALLOCATIONS.get() - before, 0, "{expression}");
        assert_eq!(first, second, "{expression}");
    }
}

/// Appends a header or value that fills one unreadable page; its tag and length are directly before
/// the page.
fn put_page(bytes: &mut Vec<u8>, page: usize, before: &[u8]) {
    // An unknown member, whose length always takes two bytes, pads up to the page.
    let padding = page - (bytes.len() + 3 + before.len()) % page;
    let [low, high] = [padding & 0x7f, padding >> 7].map(|part| u8::try_from(part).unwrap());
    bytes.extend([0x7a, low | 0x80, high]);
    bytes.resize(bytes.len() + padding, 0);
    bytes.extend_from_slice(before);
    assert_eq!(bytes.len() % page, 0);
    bytes.resize(bytes.len() + page, b'x');
}

#[test]
fn what_is_not_named_is_not_touched() {
    let page = 4096;
    let mut bytes = vec![0x28, 6, 0x1a, 1, b't'];
    let mut hidden = Vec::new();
    // Logger, Payload, Hostname, and the value of a field of 4106 bytes.
    for before in [
        &[0x22, 0x80, 0x20][..],
        &[0x32, 0x80, 0x20],
        &[0x4a, 0x80, 0x20],
        &[0x52, 0x8a, 0x20, 0x0a, 3, b'b', b'i', b'g', 0x10, 0, 0x22, 0x80, 0x20],
    ] {
        put_page(&mut bytes, page, before);
        hidden.push(bytes.len() - page);
    }
    let named = Field::string("a", "v");
    put_message(&mut bytes, &Message { fields: vec![named], ..Message::default() });

    let len = NonZeroUsize::new(bytes.len().next_multiple_of(page)).unwrap();
    let access = ProtFlags::PROT_READ | ProtFlags::PROT_WRITE;
    // SAFETY: a new mapping, which lives as long as the test.
    let start = unsafe { mmap_anonymous(None, len, access, MapFlags::MAP_PRIVATE) }.unwrap();
    // SAFETY: both are at least as long as the copied range, and do not overlap.
    unsafe { start.cast::<u8>().as_ptr().copy_from_nonoverlapping(bytes.as_ptr(), bytes.len()) };
    for at in hidden {
        // SAFETY: within the mapping.
        let hidden = unsafe { start.byte_add(at) };
        // SAFETY: nothing may access this page from here on, which is the point of the test.
        unsafe { mprotect(hidden, page, ProtFlags::PROT_NONE) }.unwrap();
    }
    // SAFETY: mapped, initialised, and no longer written.
    let seen = unsafe { std::slice::from_raw_parts(start.cast::<u8>().as_ptr(), bytes.len()) };

    let view = MessageView::parse(seen).unwrap();
    for (expression, expected) in [
        ("Severity == 6 && Type == 't' && Fields[a] == 'v'", true),
        ("Pid == NIL && Fields[none] == NIL && Uuid == ''", true),
        ("Severity == 5 && Payload =~ /x/", false),
        ("Type == 't' || Logger == 'x'", true),
        ("Payload != NIL && Fields[big] != NIL", true),
    ] {
        assert_eq!(Matcher::new(expression).unwrap().is_match(&view), expected, "{expression}");
    }
}
