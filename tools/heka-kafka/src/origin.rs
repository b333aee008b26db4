// SPDX-License-Identifier: MIT OR Apache-2.0
//! The origin of a message.

use heka_core::delivery::transport::Origin;
use heka_core::wire::{Field, ValueType};

/// Type of messages made of text, as in Heka's `KafkaInput`.
pub(crate) const TEXT_TYPE: &str = "heka.kafka";

/// A position in a partition.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) topic: &'a str,
    pub(crate) partition: i32,
    pub(crate) offset: i64,
    pub(crate) key: Option<&'a [u8]>,
}

impl Origin for Stored<'_> {
    fn name(&self) -> String {
        format!("{} {} {}", self.topic, self.partition, self.offset)
    }

    fn fields(&self) -> Vec<Field> {
        let key = self.key.map(|key| match std::str::from_utf8(key) {
            Ok(text) => Field::string("Key", text.to_owned()),
            Err(_) => bytes("Key", key),
        });
        let place = [
            Field::string("Topic", self.topic.to_owned()),
            Field::integer("Partition", self.partition.into()),
            Field::integer("Offset", self.offset),
        ];
        key.into_iter().chain(place).collect()
    }
}

fn bytes(name: &'static str, value: &[u8]) -> Field {
    let mut field = Field::empty(name, ValueType::Bytes);
    field.value_bytes.push(value.to_vec().into());
    field
}
