// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the heka tools share.
pub mod wire;
