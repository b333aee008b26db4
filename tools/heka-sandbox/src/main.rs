// SPDX-License-Identifier: MIT OR Apache-2.0
//! Runs a Lua input plugin and writes its messages to standard output.

mod config;
mod host;
mod sandbox;

fn main() { let lua = mlua::Lua::new(); drop(lua); }
