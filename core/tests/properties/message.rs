// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages survive encoding, and the borrowed view agrees with the owned message.

use crate::messages::message;
use bytes::Bytes;
use heka_core::wire::{Field, FieldView, Message, MessageView, Value, ValueType, put_message};
use proptest::prelude::{ProptestConfig, any, prop_assert_eq, proptest};
use prost::Message as _;

const VALUE_TYPES: [ValueType; 5] =
    [ValueType::String, ValueType::Bytes, ValueType::Integer, ValueType::Double, ValueType::Bool];

fn encoded(message: &Message) -> Vec<u8> {
    let mut bytes = Vec::new();
    put_message(&mut bytes, message);
    bytes
}

fn owned(field: &FieldView<'_>) -> Field {
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    let mut made = Field {
        name: field.name.map(copy),
        value_type: field.value_type,
        representation: field.representation.map(copy),
        ..Field::default()
    };
    for value in VALUE_TYPES.iter().flat_map(|&value_type| field.values_of(value_type)) {
        match value {
            Value::String(text) => made.value_string.push(copy(text)),
            Value::Bytes(bytes) => made.value_bytes.push(copy(bytes)),
            Value::Integer(number) => made.value_integer.push(number),
            Value::Double(number) => made.value_double.push(number),
            Value::Bool(truth) => made.value_bool.push(truth),
        }
    }
    made
}

/// Converts the view to an owned message.
fn viewed(view: &MessageView<'_>) -> Message {
    let copy = |bytes: &[u8]| Bytes::copy_from_slice(bytes);
    Message {
        uuid: view.uuid.map(copy),
        timestamp: view.timestamp,
        r#type: view.type_.map(copy),
        logger: view.logger.map(copy),
        severity: view.severity,
        payload: view.payload.map(copy),
        env_version: view.env_version.map(copy),
        pid: view.pid,
        hostname: view.hostname.map(copy),
        fields: view.fields().map(|field| owned(&field)).collect(),
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(500))]

    #[test]
    fn what_is_written_is_read_again(message in message()) {
        let bytes = encoded(&message);
        prop_assert_eq!(&Message::decode(bytes.as_slice()).unwrap(), &message);
    }

    #[test]
    fn the_view_agrees_with_the_owned_message(message in message()) {
        let bytes = encoded(&message);
        let view = MessageView::parse(&bytes).unwrap();
        prop_assert_eq!(viewed(&view), message);
    }

    #[test]
    fn the_view_agrees_on_what_prost_writes(message in message()) {
        // Differs from ours: a negative int32 takes ten bytes in prost.
        let bytes = message.encode_to_vec();
        let view = MessageView::parse(&bytes).unwrap();
        prop_assert_eq!(viewed(&view), message);
    }

    #[test]
    fn unpacked_values_are_read_like_packed_ones(values in proptest::collection::vec(any::<i64>(), 0..5)) {
        let packed = Field { value_integer: values.clone(), ..Field::empty("n", ValueType::Integer) };
        let mut bytes = Field::empty("n", ValueType::Integer).encode_to_vec();
        for value in &values {
            prost::encoding::int64::encode(6, value, &mut bytes);
        }
        let mut message = Vec::new();
        prost::encoding::bytes::encode(10, &bytes, &mut message);
        let view = MessageView::parse(&message).unwrap();
        prop_assert_eq!(view.fields().map(|field| owned(&field)).collect::<Vec<_>>(), vec![packed]);
    }

    #[test]
    fn no_bytes_make_the_view_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
        if let Ok(view) = MessageView::parse(&bytes) {
            drop(viewed(&view));
        }
    }
}
