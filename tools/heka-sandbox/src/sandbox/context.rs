// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the functions of one sandbox share.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Value, ffi};

use super::{Limits, Settings, direct, fields, raise};
use crate::host::Host;

/// How far a plugin has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its file is being executed.
    Loading,
    /// It can be called.
    Running,
    /// It failed for good.
    Terminated,
}

/// What the functions of a sandbox share.
pub(crate) struct Context {
    pub(super) settings: Settings,
    pub(super) words: fields::Words,
    pub(super) host: Rc<RefCell<dyn Host>>,
    pub(super) limits: Arc<Limits>,
    pub(super) state: Cell<State>,
    /// Name in the log.
    pub(super) component: String,
    /// Lua's own pcall, from before the plugin could replace it.
    pub(super) pcall: Function,
    /// `io.type`, once `io` is loaded.
    pub(super) io_type: OnceCell<Function>,
    pub(super) counts: Counts,
    /// Where messages are encoded.
    pub(super) scratch: RefCell<fields::Scratch>,
    /// The stream reader that was used last.
    pub(super) current: Rc<RefCell<direct::Current>>,
}

impl Context {
    /// Calls a function through Lua's pcall; an error is [`raise::Raise::Value`].
    pub(super) fn protected(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<MultiValue, raise::Raise> {
        let mut results: MultiValue = self.pcall.call((function, arguments))?;
        match results.pop_front() {
            Some(Value::Boolean(true)) => Ok(results),
            _ => Err(raise::Raise::Value(results.pop_front().unwrap_or(Value::Nil))),
        }
    }

    /// A new function for plugins.
    pub(super) fn function(
        self: &Rc<Self>,
        lua: &Lua,
        body: impl Fn(&Lua, &Self, &MultiValue) -> Result<MultiValue, raise::Raise> + 'static,
    ) -> mlua::Result<Function> {
        let context = Rc::clone(self);
        raise::function(lua, &self.limits, move |lua, arguments| body(lua, &context, &arguments))
    }

    /// The same with `direct` before it, one of [`direct`]'s functions.
    pub(super) fn direct_function(
        self: &Rc<Self>,
        lua: &Lua,
        direct: ffi::lua_CFunction,
        body: impl Fn(&Lua, &Self, &MultiValue) -> Result<MultiValue, raise::Raise> + 'static,
    ) -> mlua::Result<Function> {
        let context = Rc::clone(self);
        raise::direct_function(lua, self, direct, move |lua, arguments| {
            body(lua, &context, &arguments)
        })
    }
}

/// What a plugin has done so far.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Messages that the host took.
    pub(crate) messages: Cell<u64>,
    /// Their bytes.
    pub(crate) bytes: Cell<u64>,
    /// Calls that ended in order.
    pub(crate) calls: Cell<u64>,
    /// Those of them that returned -1.
    pub(crate) failures: Cell<u64>,
    /// Most bytes that Lua held after a call.
    pub(crate) memory: Cell<u64>,
    /// Most instructions that a call took.
    pub(crate) instructions: Cell<u64>,
    /// Bytes in the buffers of stream readers, which Lua does not count.
    pub(super) buffers: Rc<Cell<usize>>,
}

impl Counts {
    /// The host took a message.
    pub(super) fn count(&self, message: &[u8]) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + message.len() as u64);
    }
}
