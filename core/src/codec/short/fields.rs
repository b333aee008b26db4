// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of a message behind its text: `status=404 user="Jane Doe" tags=a,b`.

use super::line::Line;
use super::style;
use crate::codec::logfmt;
use crate::wire::{FieldView, MessageView};

/// Which fields are shown.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldList {
    /// All, in the order of the message.
    #[default]
    All,
    /// None.
    None,
    /// Those of these names, in this order.
    These(Vec<Vec<u8>>),
}

impl FieldList {
    /// Reads `all`, `none` or `NAME,…`.
    pub fn parse(text: &str) -> Self {
        match text {
            "all" => Self::All,
            "none" => Self::None,
            _ => Self::These(text.split(',').map(|name| name.as_bytes().to_vec()).collect()),
        }
    }

    /// Calls `take` with the fields in question.
    pub fn each<'m>(&self, message: &MessageView<'m>, mut take: impl FnMut(&FieldView<'m>)) {
        match self {
            Self::None => {}
            Self::All => message.fields().for_each(|field| take(&field)),
            Self::These(names) => {
                for name in names {
                    let of_name = |field: &FieldView<'_>| field.name == Some(name.as_slice());
                    message.fields().filter(of_name).for_each(|field| take(&field));
                }
            }
        }
    }

    /// Appends the fields to a line.
    pub(super) fn put(
        &self,
        line: &mut Line<'_>,
        message: &MessageView<'_>,
        mut gap: Gap,
        color: bool,
        scratch: &mut Vec<u8>,
    ) {
        self.each(message, |field| {
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
}

/// What stands before the next field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Gap {
    None,
    Blank,
    Blanks,
    Line,
}
