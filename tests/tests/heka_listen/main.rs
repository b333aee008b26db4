// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-listen beside senders of every kind.

mod ends;
mod gelf;
mod limits;
mod senders;
