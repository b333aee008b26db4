// SPDX-License-Identifier: MIT OR Apache-2.0
//! Host functions whose errors are plain Lua strings with the position of their caller.
//!
//! An error returned by a Rust closure reaches Lua as userdata, but plugins do `tostring(err)`,
//! `err .. ""` and `return -1, err`. So each closure is called by a small C function ([`gate`])
//! that raises on its behalf, after all Rust frames are gone: `luaL_where` then finds the plugin's
//! line and `luaL_argerror` the name that the plugin called.

use std::ffi::c_int;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, IntoLua as _, LightUserData, Lua, MultiValue, Value, ffi};

use super::Context;
use super::limits::Limits;

/// The error of a host function.
#[derive(Debug)]
pub(crate) enum Raise {
    /// Creates an error at the caller's position.
    Here(String),
    /// An error without a position.
    Bare(String),
    /// `bad argument #N to 'NAME' (TEXT)`.
    Argument(i32, String),
    /// An error value that came from Lua.
    Value(Value),
    /// The memory limit was reached.
    Memory,
}

impl Raise {
    /// Creates an error at the caller's position.
    pub(crate) fn here(text: impl Into<String>) -> Self {
        Self::Here(text.into())
    }

    /// Creates the error for argument `index` of the wrong type.
    pub(crate) fn wrong_type(index: i32, wanted: &str, value: Option<&Value>) -> Self {
        let got = value.map_or("no value", type_name);
        Self::Argument(index, format!("{wanted} expected, got {got}"))
    }
}

impl From<mlua::Error> for Raise {
    fn from(error: mlua::Error) -> Self {
        match error {
            mlua::Error::MemoryError(_) => Self::Memory,
            other => Self::Bare(crate::config::words(other)),
        }
    }
}

/// Returns a value's type as `type()` names it.
pub(crate) fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Integer(_) => "number",
        Value::LightUserData(_) | Value::UserData(_) | Value::Error(_) => "userdata",
        other => other.type_name(),
    }
}

/// The first result of a closure: what the gate should do with the rest.
mod verdict {
    pub(super) const RETURN: i64 = 0;
    pub(super) const HERE: i64 = 1;
    pub(super) const RAISE: i64 = 2;
    pub(super) const ARGUMENT: i64 = 3;
    pub(super) const MEMORY: i64 = 4;
}

/// Creates a function for plugins.
pub(crate) fn function(
    lua: &Lua,
    limits: &Arc<Limits>,
    body: impl Fn(&Lua, MultiValue) -> Result<MultiValue, Raise> + 'static,
) -> mlua::Result<Function> {
    closure(lua, limits, None, gate, body)
}

/// Like [`function`], preceded by one of the functions in [`super::direct`].
pub(super) fn direct_function(
    lua: &Lua,
    context: &Rc<Context>,
    direct: ffi::lua_CFunction,
    body: impl Fn(&Lua, MultiValue) -> Result<MultiValue, Raise> + 'static,
) -> mlua::Result<Function> {
    closure(lua, &context.limits, Some(context), direct, body)
}

fn closure(
    lua: &Lua,
    limits: &Arc<Limits>,
    context: Option<&Rc<Context>>,
    entry: ffi::lua_CFunction,
    body: impl Fn(&Lua, MultiValue) -> Result<MultiValue, Raise> + 'static,
) -> mlua::Result<Function> {
    let body = lua.create_function(move |lua, arguments: MultiValue| {
        let (verdict, mut values) = match body(lua, arguments) {
            Ok(values) => (verdict::RETURN, values),
            Err(raise) => explain(lua, raise)?,
        };
        values.push_front(Value::Integer(verdict));
        Ok(values)
    })?;
    let limits = LightUserData(Arc::as_ptr(limits).cast_mut().cast());
    let names = context.map_or(Value::Nil, |context| Value::Table(context.words.list.clone()));
    let context = context.map_or(std::ptr::null(), Rc::as_ptr);
    let context = LightUserData(context.cast_mut().cast());
    #[expect(
        unsafe_code,
        clippy::multiple_unsafe_ops_per_block,
        reason = "mlua has no closures of plain C functions"
    )]
    // SAFETY: the four pushed values are the upvalues that `gate` and the fast path expect; the
    // pointers stay valid because the sandbox keeps its context longer than its Lua state.
    unsafe {
        lua.exec_raw((body, limits, context, names), |state| {
            ffi::lua_pushcclosure(state, entry, 4);
        })
    }
}

fn explain(lua: &Lua, raise: Raise) -> mlua::Result<(i64, MultiValue)> {
    let text = |text: String| text.into_lua(lua);
    Ok(match raise {
        Raise::Here(why) => (verdict::HERE, [text(why)?].into_iter().collect()),
        Raise::Bare(why) => (verdict::RAISE, [text(why)?].into_iter().collect()),
        Raise::Value(value) => (verdict::RAISE, [value].into_iter().collect()),
        Raise::Argument(index, why) => {
            (verdict::ARGUMENT, [index.into_lua(lua)?, text(why)?].into_iter().collect())
        }
        Raise::Memory => (verdict::MEMORY, MultiValue::new()),
    })
}

#[expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "a Lua C function")]
/// Calls the closure (upvalue 1) and raises the error that it requests; also raises if the sandbox
/// has been told to stop meanwhile (upvalue 2).
pub(super) unsafe extern "C-unwind" fn gate(state: *mut ffi::lua_State) -> c_int {
    // SAFETY: Lua calls this with a valid state, and `function` set the upvalues. Nothing here
    // needs dropping, so that a jump out of a Lua call skips nothing. `lua_insert` stays within the
    // 20 slots that Lua guarantees beyond the arguments.
    unsafe {
        let arguments = ffi::lua_gettop(state);
        ffi::lua_pushvalue(state, ffi::lua_upvalueindex(1));
        ffi::lua_insert(state, 1);
        ffi::lua_call(state, arguments, ffi::LUA_MULTRET);
        match ffi::lua_tointeger_(state, 1) {
            verdict::RETURN => {
                let limits = ffi::lua_touserdata(state, ffi::lua_upvalueindex(2));
                if let Some(text) = (*limits.cast::<Limits>()).stopped() {
                    return ffi::luaL_error(state, text.as_ptr());
                }
                ffi::lua_remove(state, 1);
                ffi::lua_gettop(state)
            }
            verdict::HERE => {
                ffi::luaL_where(state, 1);
                ffi::lua_pushvalue(state, 2);
                ffi::lua_concat(state, 2);
                ffi::lua_error(state)
            }
            verdict::ARGUMENT => {
                let index = c_int::try_from(ffi::lua_tointeger_(state, 2)).unwrap_or(0);
                ffi::luaL_argerror(state, index, ffi::lua_tostring(state, 3))
            }
            verdict::MEMORY => {
                // Lua has this string already for its own use, so it needs no memory.
                ffi::lua_pushstring(state, c"not enough memory".as_ptr());
                ffi::lua_error(state)
            }
            _ => {
                ffi::lua_settop(state, 2);
                ffi::lua_error(state)
            }
        }
    }
}
