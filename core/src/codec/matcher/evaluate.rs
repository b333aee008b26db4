// SPDX-License-Identifier: MIT OR Apache-2.0
//! Evaluates expressions on messages.
//!
//! Strings are compared byte by byte, numbers as doubles. An absent text header is less than any
//! text. A field or value that does not exist or has another type than the expression asks for
//! satisfies only `== NIL`.

use std::cmp::Ordering;

use super::parse::{FieldTest, Node, NumberHeader, Search, TextHeader, TextTest, ValueTest};
use crate::wire::{MessageView, Value};

/// Whether `message` satisfies `node`.
pub(super) fn is_match(node: &Node, message: &MessageView<'_>) -> bool {
    match node {
        Node::Constant(truth) => *truth,
        Node::Not(node) => !is_match(node, message),
        Node::And(nodes) => nodes.iter().all(|node| is_match(node, message)),
        Node::Or(nodes) => nodes.iter().any(|node| is_match(node, message)),
        Node::Text(TextHeader::Uuid, test) => uuid_satisfies(message.uuid, test),
        Node::Text(header, test) => text_satisfies(text_header(*header, message), test),
        Node::Number(header, order, number) => {
            order.admits(number_header(*header, message).partial_cmp(number))
        }
        Node::NoPid(absent) => message.pid.is_none() == *absent,
        Node::Field(test) => field_satisfies(test, message),
    }
}

fn text_header<'a>(header: TextHeader, message: &MessageView<'a>) -> Option<&'a [u8]> {
    match header {
        TextHeader::Uuid => message.uuid,
        TextHeader::Type => message.type_,
        TextHeader::Logger => message.logger,
        TextHeader::Payload => message.payload,
        TextHeader::EnvVersion => message.env_version,
        TextHeader::Hostname => message.hostname,
    }
}

fn number_header(header: NumberHeader, message: &MessageView<'_>) -> f64 {
    match header {
        NumberHeader::Timestamp => message.timestamp.unwrap_or(0) as f64,
        NumberHeader::Severity => f64::from(message.severity()),
        NumberHeader::Pid => f64::from(message.pid.unwrap_or(i32::MIN)),
    }
}

fn text_satisfies(text: Option<&[u8]>, test: &TextTest) -> bool {
    match (test, text) {
        (TextTest::Nil(absent), text) => text.is_none() == *absent,
        (TextTest::Order(order, _), None) => order.admits_absent(),
        (TextTest::Order(order, wanted), Some(text)) => {
            order.admits(Some(text.cmp(wanted.as_slice())))
        }
        (TextTest::Matches(_, positive), None) => !positive,
        (TextTest::Matches(search, positive), Some(text)) => found(search, text) == *positive,
    }
}

fn found(search: &Search, text: &[u8]) -> bool {
    match search {
        Search::Lua(pattern) => pattern.is_match(text),
        Search::Regular(regular) => regular.is_match(text),
    }
}

/// Tests a UUID, which is 16 bytes in `lua_sandbox` and text with dashes in Heka. Regular
/// expressions and text of hexadecimal digits and dashes are compared with the text form,
/// everything else with the bytes.
fn uuid_satisfies(uuid: Option<&[u8]>, test: &TextTest) -> bool {
    let by_text = match test {
        TextTest::Order(_, wanted) => {
            wanted.len() != 16
                && wanted.iter().all(|byte| byte.is_ascii_hexdigit() || *byte == b'-')
        }
        TextTest::Matches(Search::Regular(_), _) => true,
        _ => false,
    };
    if !by_text {
        return text_satisfies(uuid, test);
    }
    let mut text = [0; 36];
    match uuid.map(<[u8; 16]>::try_from) {
        Some(Ok(bytes)) => {
            uuid::Uuid::from_bytes(bytes).hyphenated().encode_lower(&mut text);
            text_satisfies(Some(&text), test)
        }
        _ => text_satisfies(Some(b""), test),
    }
}

fn field_satisfies(test: &FieldTest, message: &MessageView<'_>) -> bool {
    let mut values = test.path.values(message);
    match &test.test {
        ValueTest::Nil(absent) => values.next().is_none() == *absent,
        ValueTest::Number(order, number) => values.any(|value| {
            match value {
                Value::Integer(_) | Value::Double(_) => test.seen.number.set(true),
                Value::String(_) | Value::Bytes(_) => test.seen.text.set(true),
                Value::Bool(_) => {}
            }
            as_number(value).is_some_and(|value| order.admits(value.partial_cmp(number)))
        }),
        test => values.any(|value| value_satisfies(value, test)),
    }
}

fn value_satisfies(value: Value<'_>, test: &ValueTest) -> bool {
    match (test, value) {
        (ValueTest::Text(test), Value::String(text) | Value::Bytes(text)) => {
            text_satisfies(Some(text), test)
        }
        (ValueTest::Truth(equal, truth), Value::Bool(value)) => (value == *truth) == *equal,
        (ValueTest::Truth(equal, truth), value) => {
            let number = f64::from(u8::from(*truth));
            as_number(value).is_some_and(|value| {
                (value.partial_cmp(&number) == Some(Ordering::Equal)) == *equal
            })
        }
        (ValueTest::Text(_) | ValueTest::Number(..) | ValueTest::Nil(_), _) => false,
    }
}

fn as_number(value: Value<'_>) -> Option<f64> {
    match value {
        Value::Integer(integer) => Some(integer as f64),
        Value::Double(double) => Some(double),
        _ => None,
    }
}
