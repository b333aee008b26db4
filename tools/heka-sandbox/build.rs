// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets C modules of Lua (`--cpath`) find the Lua functions inside the program.

fn main() {
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
