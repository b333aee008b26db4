// SPDX-License-Identifier: MIT OR Apache-2.0
//! The environment of a plugin: only a reduced base library. The other libraries are loaded by
//! `require`, without the functions that could harm the host.

use std::rc::Rc;

use mlua::{Lua, MultiValue, StdLib, Table, Value};

use super::Context;
use super::raise::{self, Raise};

/// Functions of the base library that would load code or create unchecked objects.
const REMOVED: [&str; 6] = ["dofile", "load", "loadfile", "loadstring", "newproxy", "coroutine"];

/// Conversions of strftime in C99 and POSIX, alone or after E or O.
const DATE_LETTERS: &[u8] = b"aAbBcCdDeFgGhHIjmMnprRStTuUVwWxXyYzZ%";

/// Registry key of the coroutine library.
const COROUTINE: &str = "heka-sandbox.coroutine";

/// Removes what a plugin must not have.
pub(super) fn prepare(lua: &Lua, context: &Rc<Context>) -> mlua::Result<()> {
    let globals = lua.globals();
    lua.set_named_registry_value(COROUTINE, globals.raw_get::<Value>("coroutine")?)?;
    let package: Table = globals.raw_get("package")?;
    super::require::register(lua, context, &package)?;
    for pair in package.clone().pairs::<String, Value>() {
        let (name, _) = pair?;
        if name != "seeall" {
            package.raw_set(name, Value::Nil)?;
        }
    }
    // A metatable distinguishes modules from data when global data is preserved.
    package.set_metatable(Some(lua.create_table()?))?;
    for name in REMOVED {
        globals.raw_set(name, Value::Nil)?;
    }
    Ok(())
}

/// Loads a standard library and sets its global; `None` if there is no such library.
pub(super) fn library(lua: &Lua, context: &Context, name: &str) -> mlua::Result<Option<Table>> {
    let (libraries, removed): (StdLib, &[&str]) = match name {
        "string" => (StdLib::STRING, &["dump"]),
        "table" => (StdLib::TABLE, &[]),
        "io" => (StdLib::IO, &[]),
        "os" => (StdLib::OS, &["exit", "setlocale"]),
        "math" => (StdLib::MATH, &[]),
        "coroutine" => {
            let library: Table = lua.named_registry_value(COROUTINE)?;
            lua.globals().raw_set(name, &library)?;
            return Ok(Some(library));
        }
        _ => return Ok(None),
    };
    lua.load_std_libs(libraries)?;
    let library: Table = lua.globals().raw_get(name)?;
    for name in removed {
        library.raw_set(*name, Value::Nil)?;
    }
    match name {
        "io" => drop(context.io_type.set(library.raw_get("type")?)),
        "math" => extend_math(lua, context, &library)?,
        "os" => check_dates(lua, context, &library)?,
        _ => {}
    }
    Ok(Some(library))
}

fn extend_math(lua: &Lua, context: &Context, math: &Table) -> mlua::Result<()> {
    #[expect(unsafe_code, reason = "Rust's library has neither function")]
    // SAFETY: these are from the C library, and pure functions of one double.
    unsafe extern "C" {
        safe fn erf(x: f64) -> f64;
        safe fn erfc(x: f64) -> f64;
    }
    for (name, function) in [("erf", erf as extern "C" fn(f64) -> f64), ("erfc", erfc)] {
        let checked = raise::function(lua, &context.limits, move |lua, arguments: MultiValue| {
            let x = arguments.front();
            let number = x.and_then(|x| lua.coerce_number(x.clone()).ok().flatten());
            let number = number.ok_or_else(|| Raise::wrong_type(1, "number", x))?;
            Ok([Value::Number(function(number))].into_iter().collect())
        })?;
        math.raw_set(name, checked)?;
    }
    let seed = heka_core::os::clock::random_uuid();
    let seed = u32::from_le_bytes([seed[0], seed[1], seed[2], seed[3]]);
    math.raw_get::<mlua::Function>("randomseed")?.call(seed)
}

/// Rejects unknown conversions, whose behaviour is undefined in C libraries; some crash.
fn check_dates(lua: &Lua, context: &Context, os: &Table) -> mlua::Result<()> {
    let date: mlua::Function = os.raw_get("date")?;
    let checked = raise::function(lua, &context.limits, move |_, arguments: MultiValue| {
        if let Some(Value::String(format)) = arguments.front() {
            let format = format.as_bytes();
            if let Some(letters) = unknown_letters(&format) {
                let letters = String::from_utf8_lossy(letters);
                let text = format!("invalid conversion specifier '%{letters}'");
                return Err(Raise::Argument(1, text));
            }
        }
        Ok(date.call(arguments)?)
    })?;
    os.raw_set("date", checked)
}

/// Returns what follows the first % that strftime does not know.
fn unknown_letters(format: &[u8]) -> Option<&[u8]> {
    let mut rest = format.strip_prefix(b"!").unwrap_or(format);
    if rest.starts_with(b"*t") {
        return None;
    }
    while let Some(at) = rest.iter().position(|&byte| byte == b'%') {
        rest = &rest[at + 1..];
        let len = match rest {
            [b'E' | b'O', letter, ..] if DATE_LETTERS.contains(letter) => 2,
            [letter, ..] if DATE_LETTERS.contains(letter) => 1,
            _ => return Some(&rest[..rest.len().min(1)]),
        };
        rest = &rest[len..];
    }
    None
}
