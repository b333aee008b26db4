// SPDX-License-Identifier: MIT OR Apache-2.0
//! Determines which files form a stream: operands, patterns, Heka's LogstreamerInput, and the
//! search for the file of a position.

pub(crate) mod find;
pub(crate) mod glob;
pub(crate) mod listing;
pub(crate) mod logstreamer;
pub(crate) mod operand;
mod tree;

pub(crate) use glob::Exclusion;
pub(crate) use logstreamer::{Selection, Selector};
pub(crate) use operand::Operand;
