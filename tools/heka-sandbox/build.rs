// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the functions of `lua_sandbox` that C modules use, and lets those (`--cpath`) find them
//! and the Lua functions inside the program.

fn main() {
    println!("cargo::rerun-if-changed=native/lsb.c");
    let mut lsb = cc::Build::new();
    // Nothing in the program calls most of them.
    lsb.file("native/lsb.c").std("c11").link_lib_modifier("+whole-archive").compile("heka_lsb");
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
