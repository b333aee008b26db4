// SPDX-License-Identifier: MIT OR Apache-2.0
//! The choice of fields, for the forms that do not always show all of them.

use crate::wire::{FieldView, MessageView};

/// The fields to show.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum FieldList {
    /// All fields, in the order of the message.
    #[default]
    All,
    /// No fields.
    None,
    /// Fields with these names, in this order.
    These(Vec<Vec<u8>>),
}

impl FieldList {
    /// Parses `all`, `none` or `NAME,…`.
    pub fn parse(text: &str) -> Self {
        match text {
            "all" => Self::All,
            "none" => Self::None,
            _ => Self::These(text.split(',').map(|name| name.as_bytes().to_vec()).collect()),
        }
    }

    /// Calls `take` with each chosen field.
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
}
