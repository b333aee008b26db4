// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads tables with Lua's own functions. None of those used here can raise an error.
//!
//! In mlua, each value needs a protected call and a reference, which cost several times as much as the
//! value.
#![expect(unsafe_code, reason = "a protected call for each value would take most of the time")]

use std::ffi::c_int;
use std::marker::PhantomData;

use mlua::ffi;

/// The stack of a function that Lua has called. Lua runs nothing while it is read, so the strings in
/// its tables stay.
#[derive(Debug)]
pub(super) struct Stack<'a> {
    state: *mut ffi::lua_State,
    /// Index of a list of names.
    names: c_int,
    lua: PhantomData<&'a [u8]>,
}

/// A value.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) enum Item<'a> {
    Nil,
    Text(&'a [u8]),
    Number(f64),
    Bool(bool),
    /// A table without a metatable, at that index.
    Table(c_int),
    Other,
}

impl<'a> Stack<'a> {
    /// The stack of `state`, and the index of a list of names.
    ///
    /// # Safety
    /// There is a table at `names`, which may be a pseudo-index, and twelve slots are free: a
    /// function that Lua has called has twenty.
    /// Nothing else uses `state` while the result or what it borrowed is used.
    pub(super) unsafe fn new(state: *mut ffi::lua_State, names: c_int) -> Self {
        Self { state, names, lua: PhantomData }
    }

    /// The argument with that number.
    pub(super) fn argument(&self, index: c_int) -> Item<'a> {
        // SAFETY: any index up to the last free slot may be asked for its type, and a string that is
        // one is not converted. A metatable has a free slot.
        #[expect(clippy::multiple_unsafe_ops_per_block, reason = "the type says what is safe")]
        unsafe {
            match ffi::lua_type(self.state, index) {
                ffi::LUA_TNIL | ffi::LUA_TNONE => Item::Nil,
                ffi::LUA_TSTRING => {
                    let mut len = 0;
                    let text = ffi::lua_tolstring(self.state, index, &raw mut len);
                    Item::Text(std::slice::from_raw_parts(text.cast(), len))
                }
                ffi::LUA_TNUMBER => Item::Number(ffi::lua_tonumber(self.state, index)),
                ffi::LUA_TBOOLEAN => Item::Bool(ffi::lua_toboolean(self.state, index) != 0),
                ffi::LUA_TTABLE if ffi::lua_getmetatable(self.state, index) == 0 => {
                    Item::Table(index)
                }
                _ => Item::Other,
            }
        }
    }

    /// Number of values on the stack.
    pub(super) fn top(&self) -> c_int {
        // SAFETY: the state is valid.
        unsafe { ffi::lua_gettop(self.state) }
    }

    /// Removes the values above that index.
    pub(super) fn cut(&self, top: c_int) {
        // SAFETY: the callers' numbers are those of `top`, from before values were added.
        unsafe { ffi::lua_settop(self.state, top) }
    }

    /// Takes the value on top. A table stays there.
    fn take(&self) -> Item<'a> {
        let top = self.top();
        let item = self.argument(top);
        if !matches!(item, Item::Table(_)) {
            self.cut(top - 1);
        }
        item
    }

    /// Returns the member of a table with that name. A table stays on the stack.
    pub(super) fn member(&self, table: c_int, name: c_int) -> Item<'a> {
        // SAFETY: both are tables, and there are two free slots.
        #[expect(clippy::multiple_unsafe_ops_per_block, reason = "a name and its value")]
        unsafe {
            ffi::lua_rawgeti_(self.state, self.names, name);
            ffi::lua_rawget_(self.state, table);
        }
        self.take()
    }

    /// Returns an element of a list. A table stays on the stack.
    pub(super) fn element(&self, table: c_int, number: c_int) -> Item<'a> {
        // SAFETY: it is a table, and there is a free slot.
        unsafe { ffi::lua_rawgeti_(self.state, table, number) };
        self.take()
    }

    /// Returns the length of a list, or `None` if it does not fit a C integer.
    pub(super) fn len(&self, table: c_int) -> Option<c_int> {
        // SAFETY: it is a table.
        c_int::try_from(unsafe { ffi::lua_objlen(self.state, table) }).ok()
    }

    /// Calls `take` with each member of a table until it returns `None`.
    pub(super) fn each(
        &self,
        table: c_int,
        mut take: impl FnMut(Item<'a>, Item<'a>) -> Option<()>,
    ) -> Option<()> {
        // SAFETY: there are two free slots, and each key is that of a member, which nobody changes.
        #[expect(clippy::multiple_unsafe_ops_per_block, reason = "a key and its value")]
        unsafe {
            ffi::lua_pushnil(self.state);
            while ffi::lua_next(self.state, table) != 0 {
                let value = self.top();
                take(self.argument(value - 1), self.argument(value))?;
                self.cut(value - 1);
            }
        }
        Some(())
    }
}
