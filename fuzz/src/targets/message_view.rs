// SPDX-License-Identifier: MIT OR Apache-2.0
//! The borrowed view compared with prost: both read the same message.

use heka_core::wire::{Message, MessageView, Value};
use prost::Message as _;

/// See the module.
pub fn run(input: &[u8]) {
    let view = MessageView::parse(input);
    if let Ok(view) = &view {
        // Damage inside a field must cause neither a loop nor a panic.
        let _ = view.fields().map(|field| field.values().count()).sum::<usize>();
    }
    let Ok(message) = Message::decode(input) else { return };
    let view = view.expect("prost reads it, the view does not");
    assert_eq!(view.uuid, message.uuid.as_deref());
    assert_eq!(view.timestamp, message.timestamp);
    assert_eq!(view.type_, message.r#type.as_deref());
    assert_eq!(view.logger, message.logger.as_deref());
    assert_eq!(view.severity, message.severity);
    assert_eq!(view.payload, message.payload.as_deref());
    assert_eq!(view.env_version, message.env_version.as_deref());
    assert_eq!(view.pid, message.pid);
    assert_eq!(view.hostname, message.hostname.as_deref());
    assert_eq!(view.fields().count(), message.fields.len());
    for (seen, field) in view.fields().zip(&message.fields) {
        assert_eq!(seen.value_type, field.value_type);
        // Limited, because each lookup searches all fields.
        for value in seen.values().take(16) {
            match value {
                Value::String(text) => assert!(field.value_string.iter().any(|v| v == text)),
                Value::Bytes(bytes) => assert!(field.value_bytes.iter().any(|v| v == bytes)),
                Value::Integer(number) => assert!(field.value_integer.contains(&number)),
                Value::Double(number) => {
                    assert!(field.value_double.iter().any(|v| v.to_bits() == number.to_bits()));
                }
                Value::Bool(truth) => assert!(field.value_bool.contains(&truth)),
            }
        }
    }
}
