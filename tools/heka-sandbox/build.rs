// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lets C modules of Lua (`--cpath`) find the Lua functions inside the program.

#[expect(clippy::print_stdout, reason = "that is how cargo listens")]
fn main() {
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
