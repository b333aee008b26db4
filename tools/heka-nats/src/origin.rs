// SPDX-License-Identifier: MIT OR Apache-2.0
//! The origin of a message.

use heka_core::delivery::transport::Origin;
use heka_core::wire::Field;

/// Type of messages made of text, as in Heka's KafkaInput.
pub(crate) const TEXT_TYPE: &str = "heka.nats";

/// A position in a stream.
#[derive(Debug)]
pub(crate) struct Stored<'a> {
    pub(crate) subject: &'a str,
    pub(crate) sequence: u64,
}

impl Origin for Stored<'_> {
    fn name(&self) -> String {
        format!("{} {}", self.subject, self.sequence)
    }

    fn fields(&self) -> Vec<Field> {
        vec![
            Field::string("Subject", self.subject.to_owned()),
            Field::integer("Sequence", self.sequence.cast_signed()),
        ]
    }
}
