// SPDX-License-Identifier: MIT OR Apache-2.0
//! The behaviour common to all tools.

mod memory;
mod numbers;
mod private_files;
mod redial;
mod secrets;
mod service;
mod statistics;
mod stuck;
mod terminal;
mod tools;
mod warnings;
mod wording;
