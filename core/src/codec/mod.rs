// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages to forms that people and other programs read, and back.
//!
//! A tool that writes messages gives its users a choice of [`Form`] and writes through an
//! [`Encoder`]; forms are pure functions from a [`crate::wire::MessageView`] to bytes, one module
//! each. Clock, time zone and width of the terminal are arguments.

pub mod csv;
mod encoder;
mod field_list;
mod form;
pub mod harmless;
pub mod header_name;
pub mod json;
pub mod logfmt;
#[cfg(feature = "regex")]
pub mod matcher;
mod mistake;
pub mod number;
pub mod payload;
#[cfg(feature = "regex")]
pub mod regular;
pub mod rst;
pub mod sandbox_text;
mod selector;
pub mod severity;
pub mod short;
pub mod template;
pub mod text;
pub mod time;

pub use encoder::{Encoder, Settings, Unfit};
pub use field_list::FieldList;
pub use form::Form;
pub use header_name::HeaderName;
#[cfg(feature = "regex")]
pub use matcher::Matcher;
pub use mistake::Mistake;
pub use payload::{Newlines, Payload, Prefix};
pub use selector::{FieldPath, Pick, Selector};
