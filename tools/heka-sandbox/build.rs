// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds the functions of `lua_sandbox` that C modules use, and lets those (`--cpath`) find them
//! and the Lua functions inside the program.

fn main() {
    println!("cargo::rerun-if-changed=native/lsb.c");
    // What declares its functions links it: `sandbox/native.rs`, in the library or the program.
    cc::Build::new().file("native/lsb.c").std("c11").cargo_metadata(false).compile("heka_lsb");
    #[expect(clippy::disallowed_methods, reason = "Cargo says where")]
    let folder = std::env::var("OUT_DIR");
    if let Ok(folder) = folder {
        println!("cargo::rustc-link-search=native={folder}");
    }
    println!("cargo::rustc-link-arg-bins=-rdynamic");
}
