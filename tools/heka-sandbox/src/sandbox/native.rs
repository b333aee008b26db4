// SPDX-License-Identifier: MIT OR Apache-2.0
//! The interface for C modules of `lua_sandbox`: the functions in `native/lsb.c`, the
//! configuration, a log. Their values can be fields of messages and preserved global data.

use std::ffi::{CStr, c_char, c_int};

use heka_core::report;
use mlua::{AnyUserData, LightUserData, Lua, LuaString, Table, Value, ffi};

use super::raise::Raise;
use crate::config::words;
use crate::host::level;

/// Registry keys under which `lua_sandbox` stores its configuration and itself.
const CONFIG: &str = "lsb_config";
const ITSELF: [&str; 2] = ["lsb_this_ptr", "lsb_heka_this_ptr"];
/// Registry key of the functions below.
const OUTPUT: &str = "heka-sandbox.output";
const SERIALIZE: &str = "heka-sandbox.serialize";

// Called by modules, not by anything in the program.
#[link(name = "heka_lsb", kind = "static", modifiers = "+whole-archive")]
#[expect(unsafe_code, reason = "functions of native/lsb.c, for Lua to call")]
unsafe extern "C-unwind" {
    fn heka_lsb_output(state: *mut ffi::lua_State) -> c_int;
    fn heka_lsb_serialize(state: *mut ffi::lua_State) -> c_int;
}

/// The sandbox from a module's point of view, which only passes it to functions of `native/lsb.c`.
static SANDBOX: u8 = 0;

/// Puts everything where modules look for it.
pub(super) fn register(lua: &Lua, config: &Table) -> mlua::Result<()> {
    lua.set_named_registry_value(CONFIG, config)?;
    for name in ITSELF {
        let sandbox = LightUserData((&raw const SANDBOX).cast_mut().cast());
        lua.set_named_registry_value(name, sandbox)?;
    }
    let functions: [(&str, ffi::lua_CFunction); 2] =
        [(OUTPUT, heka_lsb_output), (SERIALIZE, heka_lsb_serialize)];
    for (name, function) in functions {
        #[expect(unsafe_code, reason = "C functions")]
        // SAFETY: these are Lua C functions, and raise errors only with nothing to release.
        let function = unsafe { lua.create_c_function(function)? };
        lua.set_named_registry_value(name, function)?;
    }
    Ok(())
}

/// Returns the bytes that a module writes for its value; `None` if it writes none.
pub(super) fn output(
    lua: &Lua,
    limit: usize,
    value: &Value,
    userdata: &AnyUserData,
) -> Result<Option<LuaString>, Raise> {
    let function: mlua::Function = lua.named_registry_value(OUTPUT)?;
    Ok(function.call((limit, value, userdata))?)
}

/// Returns Lua source that recreates a module's value as `name`.
pub(super) fn serialize(
    lua: &Lua,
    limit: usize,
    userdata: &AnyUserData,
    name: &[u8],
) -> Result<Option<LuaString>, String> {
    let function: mlua::Function = lua.named_registry_value(SERIALIZE).map_err(words)?;
    let name = lua.create_string(name).map_err(words)?;
    function.call((limit, userdata, name)).map_err(words)
}

/// Logs a line of a module, or of a library that it uses, in any thread.
#[expect(unsafe_code, reason = "called by native/lsb.c")]
#[unsafe(no_mangle)]
extern "C" fn heka_lsb_log(component: *const c_char, severity: c_int, text: *const c_char) {
    // SAFETY: native/lsb.c passes two C strings that outlive the call.
    let [component, text] = [component, text].map(|text| unsafe { CStr::from_ptr(text) });
    let [component, text] = [component, text].map(|text| text.to_string_lossy());
    let line = format_args!("{component}: {text}");
    match u8::try_from(severity) {
        Ok(..=level::ERROR) => report::error(line),
        Ok(level::WARNING) => report::warning(line),
        Ok(level::DEBUG) => report::debug(line),
        _ => report::note(line),
    }
}
