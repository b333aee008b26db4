// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as Lua values, created by Lua's own functions in one protected call.
//!
//! With mlua each value would be a separate protected call, and a reference that is created and
//! dropped: several times the cost of the value.
#![expect(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "a protected call for each value would take most of the time"
)]

use std::ffi::{CStr, c_int};

use heka_core::wire::MessageView;
use mlua::{Lua, Table, ffi};

use super::read::{FieldValue, Member, members};
use super::strict::walk;

/// Maximum number of stack slots of [`push_message`]: the message, its fields, a field, its values,
/// a value.
const SLOTS: c_int = 8;

/// Creates a table with the headers of a message.
pub(super) fn headers(lua: &Lua, view: &MessageView<'_>) -> mlua::Result<Table> {
    // SAFETY: the closure runs in a protected call; neither it nor anything that it calls owns what
    // an error would leak, and it makes room for what it pushes.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::luaL_checkstack(state, SLOTS, std::ptr::null());
            push_headers(state, view);
        })
    }
}

/// Creates a table with the headers of a message, and a list of its fields.
pub(super) fn message(lua: &Lua, message: &[u8]) -> mlua::Result<Table> {
    let view = MessageView::parse(message).unwrap_or_default();
    // SAFETY: as in `headers`.
    unsafe {
        lua.exec_raw((), |state| {
            ffi::luaL_checkstack(state, SLOTS, std::ptr::null());
            push_message(state, &view, message);
        })
    }
}

unsafe fn push_message(state: *mut ffi::lua_State, view: &MessageView<'_>, message: &[u8]) {
    // SAFETY: guaranteed by the caller: a protected call with room for `SLOTS` values.
    unsafe {
        push_headers(state, view);
        let mut count = 0;
        let _ = walk(message, |field| {
            if count == 0 {
                ffi::lua_createtable(state, 0, 0);
            }
            count += 1;
            push_field(state, field);
            ffi::lua_rawseti(state, -2, count);
            Ok(())
        });
        if count > 0 {
            ffi::lua_setfield(state, -2, c"Fields".as_ptr());
        }
    }
}

unsafe fn push_headers(state: *mut ffi::lua_State, view: &MessageView<'_>) {
    let texts = [
        (c"Uuid", view.uuid),
        (c"Type", view.type_),
        (c"Logger", view.logger),
        (c"Payload", view.payload),
        (c"EnvVersion", view.env_version),
        (c"Hostname", view.hostname),
    ];
    #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
    let timestamp = view.timestamp.map(|timestamp| timestamp as f64);
    let numbers = [
        (c"Timestamp", timestamp),
        (c"Severity", view.severity.map(f64::from)),
        (c"Pid", view.pid.map(f64::from)),
    ];
    // SAFETY: as in `push_message`.
    unsafe {
        ffi::lua_createtable(state, 0, 8);
        for (name, text) in texts {
            if let Some(text) = text {
                set(state, name, FieldValue::Text(text));
            }
        }
        for (name, number) in numbers {
            if let Some(number) = number {
                set(state, name, FieldValue::Number(number));
            }
        }
    }
}

/// Pushes `{name = …, value_type = …, representation = …, value = {…}}`.
unsafe fn push_field(state: *mut ffi::lua_State, field: &[u8]) {
    // SAFETY: as in `push_message`.
    unsafe {
        ffi::lua_createtable(state, 0, 4);
        ffi::lua_createtable(state, 1, 0);
        let mut count = 0;
        let _ = members(field, |member| match member {
            Member::Name(name) => set_below(state, c"name", FieldValue::Text(name)),
            #[expect(clippy::cast_precision_loss, reason = "Lua's numbers are doubles")]
            Member::Type(number) => {
                set_below(state, c"value_type", FieldValue::Number(number as f64));
            }
            Member::Representation(text) => {
                set_below(state, c"representation", FieldValue::Text(text));
            }
            Member::Value(value) => {
                count += 1;
                push(state, value);
                ffi::lua_rawseti(state, -2, count);
            }
        });
        ffi::lua_setfield(state, -2, c"value".as_ptr());
    }
}

/// Sets a member of the table on top.
unsafe fn set(state: *mut ffi::lua_State, name: &CStr, value: FieldValue<'_>) {
    // SAFETY: as in `push_message`.
    unsafe {
        push(state, value);
        ffi::lua_setfield(state, -2, name.as_ptr());
    }
}

/// Sets a member of the table below the top.
unsafe fn set_below(state: *mut ffi::lua_State, name: &CStr, value: FieldValue<'_>) {
    // SAFETY: as in `push_message`.
    unsafe {
        push(state, value);
        ffi::lua_setfield(state, -3, name.as_ptr());
    }
}

/// Pushes a value; there must be room for it.
pub(super) unsafe fn push(state: *mut ffi::lua_State, value: FieldValue<'_>) {
    // SAFETY: guaranteed by the caller: a function called by Lua, or a protected call.
    unsafe {
        match value {
            FieldValue::Text(text) => {
                ffi::lua_pushlstring(state, text.as_ptr().cast(), text.len());
            }
            FieldValue::Number(number) => ffi::lua_pushnumber(state, number),
            FieldValue::Bool(bool) => ffi::lua_pushboolean(state, c_int::from(bool)),
        }
    }
}
