// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-send with peers of every kind.

mod check;
mod connections;
mod failures;
mod peers;
