// SPDX-License-Identifier: MIT OR Apache-2.0
//! The choice of fields that forms with room for some of them share.

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
}
