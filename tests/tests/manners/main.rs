// SPDX-License-Identifier: MIT OR Apache-2.0
//! What all tools have in common.

mod private_files;
mod redial;
mod statistics;
mod terminal;
mod tools;
mod warnings;
