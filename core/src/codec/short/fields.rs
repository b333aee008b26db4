// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of a message after its text: `status=404 user="Jane Doe" tags=a,b`.

use super::line::Line;
use super::style;
use crate::codec::{FieldList, logfmt};
use crate::wire::MessageView;

/// The separator before the next field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    Blank,
    Blanks,
    Line,
}

/// Appends the fields to a line.
pub(super) fn put(
    fields: &FieldList,
    line: &mut Line<'_>,
    message: &MessageView<'_>,
    mut gap: Gap,
    color: bool,
    scratch: &mut Vec<u8>,
) {
    fields.each(message, |field| {
        match std::mem::replace(&mut gap, Gap::Blank) {
            Gap::None => {}
            Gap::Blank => line.text(b" "),
            Gap::Blanks => line.text(b"  "),
            Gap::Line => line.below(),
        }
        scratch.clear();
        logfmt::put_name(scratch, field.name.unwrap_or_default());
        scratch.push(b'=');
        let end = scratch.len();
        logfmt::put_values(scratch, field);
        let (name, values) = scratch.split_at(end);
        if color {
            line.style(style::DIM);
        }
        line.text(name);
        if color {
            line.style(style::RESET);
        }
        line.text(values);
    });
}
