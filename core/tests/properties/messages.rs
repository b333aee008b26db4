// SPDX-License-Identifier: MIT OR Apache-2.0
//! Generators of arbitrary messages.

use bytes::Bytes;
use heka_core::wire::{Field, Message};
use proptest::collection::vec;
use proptest::option;
use proptest::prelude::{Just, Strategy, any, prop_oneof};

/// Generates bytes in which those of the framing are frequent.
pub(crate) fn text() -> impl Strategy<Value = Bytes> {
    let byte = prop_oneof![3 => any::<u8>(), 1 => Just(0x1e), 1 => Just(0x1f), 1 => Just(b'\n')];
    vec(byte, 0..40).prop_map(Bytes::from)
}

fn double() -> impl Strategy<Value = f64> {
    // NaN is not equal to itself; its bits are compared elsewhere.
    any::<f64>().prop_filter("not NaN", |value| !value.is_nan())
}

/// Generates a field with values of any types, whatever its declared type.
pub(crate) fn field() -> impl Strategy<Value = Field> {
    (
        option::of(text()),
        option::of(0..5i32),
        option::of(text()),
        (vec(text(), 0..3), vec(text(), 0..3)),
        (vec(any::<i64>(), 0..3), vec(double(), 0..3), vec(any::<bool>(), 0..3)),
    )
        .prop_map(|(name, value_type, representation, texts, numbers)| Field {
            name,
            value_type,
            representation,
            value_string: texts.0,
            value_bytes: texts.1,
            value_integer: numbers.0,
            value_double: numbers.1,
            value_bool: numbers.2,
        })
}

/// Generates a message with any members present or absent.
pub(crate) fn message() -> impl Strategy<Value = Message> {
    (
        (option::of(text()), option::of(any::<i64>())),
        (option::of(text()), option::of(text()), option::of(any::<i32>())),
        (option::of(text()), option::of(text()), option::of(any::<i32>()), option::of(text())),
        vec(field(), 0..4),
    )
        .prop_map(|(first, head, tail, fields)| Message {
            uuid: first.0,
            timestamp: first.1,
            r#type: head.0,
            logger: head.1,
            severity: head.2,
            payload: tail.0,
            env_version: tail.1,
            pid: tail.2,
            hostname: tail.3,
            fields,
        })
}
