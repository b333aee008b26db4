// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fast paths for the calls that a plugin makes for each message, bypassing mlua: `find_message(file)`
//! that finds a message at once, `read_message(name)`, `inject_message(reader)` and
//! `inject_message(table)`.
//!
//! Each is tried first and leaves unusual cases, including mistakes, to the function behind it
//! ([`gate`]). mlua creates references to the arguments and results of a call, and checks the type
//! of each userdata, which takes longer than the calls themselves. Here a reader is identified by
//! its address in Lua: the one used last is noted in [`Context`], and forgotten when Lua collects
//! it.
#![expect(
    unsafe_code,
    clippy::multiple_unsafe_ops_per_block,
    reason = "functions that Lua calls, with its stack"
)]

use std::cell::RefCell;
use std::ffi::{c_int, c_void};
use std::rc::Rc;

use mlua::ffi;

use super::Context;
use super::limits::Limits;
use super::push::push;
use super::raise::gate;
use super::read::FieldValue;
use super::reader::StreamReader;
use super::stack::{Item, Stack};
use super::usual;
use crate::host::{Checkpoint, answer};

/// A fast path; returns the number of results.
type Direct = unsafe fn(*mut ffi::lua_State, &Context) -> Option<c_int>;

/// The reader that a plugin used last, by its address in Lua.
#[derive(Debug, Default)]
pub(super) struct Current(Option<(*const c_void, Rc<RefCell<StreamReader>>)>);

impl Current {
    /// Sets the reader at an address.
    pub(super) fn set(&mut self, address: *const c_void, reader: &Rc<RefCell<StreamReader>>) {
        if self.0.as_ref().is_none_or(|(known, _)| *known != address) {
            self.0 = Some((address, Rc::clone(reader)));
        }
    }

    /// Forgets a reader that Lua has collected.
    pub(super) fn forget(&mut self, reader: &Rc<RefCell<StreamReader>>) {
        if self.0.as_ref().is_some_and(|(_, known)| Rc::ptr_eq(known, reader)) {
            self.0 = None;
        }
    }

    fn at(&self, address: *const c_void) -> Option<&RefCell<StreamReader>> {
        self.0.as_ref().filter(|(known, _)| *known == address).map(|(_, reader)| &**reader)
    }
}

/// Upvalue of the context, behind those of [`gate`].
const CONTEXT: c_int = 3;
/// Upvalue of the list of names.
const NAMES: c_int = 4;

macro_rules! direct {
    ($name:ident, $direct:ident) => {
        pub(super) unsafe extern "C-unwind" fn $name(state: *mut ffi::lua_State) -> c_int {
            // SAFETY: Lua calls this with a valid state, and the upvalues are set.
            unsafe { call(state, $direct) }
        }
    };
}

direct!(find_message, find);
direct!(read_message, read);
direct!(inject_message, inject);

unsafe fn call(state: *mut ffi::lua_State, direct: Direct) -> c_int {
    // SAFETY: the context and its limits live longer than the Lua state. No borrow and nothing
    // that needs dropping is there when an error is raised.
    unsafe {
        let context = ffi::lua_touserdata(state, ffi::lua_upvalueindex(CONTEXT));
        let context = &*context.cast::<Context>();
        let top = ffi::lua_gettop(state);
        let Some(count) = direct(state, context) else {
            ffi::lua_settop(state, top);
            return gate(state);
        };
        let limits: &Limits = &context.limits;
        match limits.stopped() {
            Some(text) => ffi::luaL_error(state, text.as_ptr()),
            None => count,
        }
    }
}

/// Returns the address of a userdata.
unsafe fn address(state: *mut ffi::lua_State, index: c_int) -> Option<*const c_void> {
    // SAFETY: the type of any index may be queried.
    unsafe {
        let is_userdata = ffi::lua_type(state, index) == ffi::LUA_TUSERDATA;
        is_userdata.then(|| ffi::lua_topointer(state, index))
    }
}

unsafe fn find(state: *mut ffi::lua_State, context: &Context) -> Option<c_int> {
    // SAFETY: reads of the stack are within its top; a function has room for 20 values.
    unsafe {
        if ffi::lua_gettop(state) != 2 {
            return None;
        }
        let consumed = {
            let current = context.current.borrow();
            let mut reader = current.at(address(state, 1)?)?.try_borrow_mut().ok()?;
            reader.find_at_once(address(state, 2)?)?
        };
        #[expect(clippy::cast_precision_loss, reason = "no buffer is that long")]
        let consumed = consumed as f64;
        ffi::lua_pushboolean(state, 1);
        ffi::lua_pushnumber(state, consumed);
        ffi::lua_pushnumber(state, 0.0);
        Some(3)
    }
}

unsafe fn read(state: *mut ffi::lua_State, context: &Context) -> Option<c_int> {
    // SAFETY: as in `find`. The text of an argument is valid while it is on the stack, and so is
    // the reader with the message, which is not changed meanwhile.
    unsafe {
        if ffi::lua_gettop(state) != 2 || ffi::lua_type(state, 2) != ffi::LUA_TSTRING {
            return None;
        }
        let mut len = 0;
        let name = ffi::lua_tolstring(state, 2, &raw mut len);
        let name = std::slice::from_raw_parts(name.cast::<u8>(), len);
        let value = {
            let current = context.current.borrow();
            let mut reader = current.at(address(state, 1)?)?.try_borrow_mut().ok()?;
            reader.part(name)?.map(|value| match value {
                FieldValue::Text(text) => {
                    FieldValue::Text(std::slice::from_raw_parts(text.as_ptr(), text.len()))
                }
                FieldValue::Number(number) => FieldValue::Number(number),
                FieldValue::Bool(bool) => FieldValue::Bool(bool),
            })
        };
        match value {
            Some(value) => push(state, value),
            None => ffi::lua_pushnil(state),
        }
        Some(1)
    }
}

unsafe fn inject(state: *mut ffi::lua_State, context: &Context) -> Option<c_int> {
    // SAFETY: as in `find`; nothing is borrowed any longer when an error is raised.
    unsafe {
        let answer = match ffi::lua_type(state, 1) {
            ffi::LUA_TTABLE => inject_table(state, context)?,
            _ => inject_reader(state, context)?,
        };
        match answer {
            answer::TAKEN => {}
            answer::BAD_CHECKPOINT => {
                ffi::luaL_error(state, c"inject_message() failed: checkpoint update".as_ptr());
            }
            refused => {
                let text = c"inject_message() failed: rejected by the callback rv: %d";
                ffi::luaL_error(state, text.as_ptr(), refused);
            }
        }
        Some(0)
    }
}

unsafe fn inject_reader(state: *mut ffi::lua_State, context: &Context) -> Option<c_int> {
    // SAFETY: as in `find`.
    unsafe {
        if ffi::lua_gettop(state) != 1 {
            return None;
        }
        let current = context.current.borrow();
        let reader = current.at(address(state, 1)?)?.try_borrow().ok()?;
        Some(send(context, reader.message()?, None))
    }
}

unsafe fn inject_table(state: *mut ffi::lua_State, context: &Context) -> Option<c_int> {
    // SAFETY: as in `find`. Nothing but setting the defaults can raise an error, nothing is borrowed
    // then, and nothing that Lua does meanwhile runs anything of the plugin.
    unsafe {
        let top = ffi::lua_gettop(state);
        let names = ffi::lua_upvalueindex(NAMES);
        let missing = {
            let stack = Stack::new(state, names);
            if top > 2 || stack.argument(1) != Item::Table(1) {
                return None;
            }
            let (Item::Nil | Item::Text(_) | Item::Number(_)) = stack.argument(2) else {
                return None;
            };
            let mut scratch = context.scratch.try_borrow_mut().ok()?;
            usual::put_message(&stack, 1, &context.settings, &mut scratch)?
        };
        ffi::lua_settop(state, top);
        for (name, _) in missing.into_iter().filter(|(_, is_missing)| *is_missing) {
            ffi::lua_rawgeti_(state, names, name);
            ffi::lua_rawgeti_(state, names, usual::name::DEFAULT + name);
            ffi::lua_rawset(state, 1);
        }
        let checkpoint = match Stack::new(state, names).argument(2) {
            Item::Number(number) if !number.is_nan() => Some(Checkpoint::Number(number)),
            Item::Text(text) => Some(Checkpoint::Text(text.to_vec())),
            _ => None,
        };
        let scratch = context.scratch.borrow();
        Some(send(context, &scratch.message, checkpoint.as_ref()))
    }
}

fn send(context: &Context, message: &[u8], checkpoint: Option<&Checkpoint>) -> c_int {
    let answer = context.host.borrow_mut().inject(Some(message), checkpoint);
    if answer == answer::TAKEN {
        context.counts.count(message);
    }
    answer
}
