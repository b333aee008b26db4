// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-listen with senders of every kind.

mod ends;
mod gelf;
mod limits;
mod senders;
