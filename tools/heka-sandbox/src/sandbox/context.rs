// SPDX-License-Identifier: MIT OR Apache-2.0
//! The state shared by the functions of one sandbox.

use std::cell::{Cell, OnceCell, RefCell};
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, IntoLuaMulti, Lua, MultiValue, Value, ffi};

use super::{Limits, Settings, direct, fields, raise};
use crate::host::Host;

/// The state of a plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum State {
    /// Its file is being executed.
    Loading,
    /// It can be called.
    Running,
    /// It failed for good.
    Terminated,
}

/// The state shared by the functions of a sandbox.
pub(crate) struct Context {
    pub(super) settings: Settings,
    pub(super) words: fields::Words,
    pub(super) host: Rc<RefCell<dyn Host>>,
    pub(super) limits: Arc<Limits>,
    pub(super) state: Cell<State>,
    /// Name in the log.
    pub(super) component: String,
    /// Lua's own pcall, saved before the plugin could replace it.
    pub(super) pcall: Function,
    /// `io.type`, once `io` is loaded.
    pub(super) io_type: OnceCell<Function>,
    pub(super) counts: Counts,
    /// Buffers for encoding messages.
    pub(super) scratch: RefCell<fields::Scratch>,
    /// The stream reader used last.
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

    /// Creates a function for plugins.
    pub(super) fn function(
        self: &Rc<Self>,
        lua: &Lua,
        body: impl Fn(&Lua, &Self, &MultiValue) -> Result<MultiValue, raise::Raise> + 'static,
    ) -> mlua::Result<Function> {
        let context = Rc::clone(self);
        raise::function(lua, &self.limits, move |lua, arguments| body(lua, &context, &arguments))
    }

    /// Like [`Context::function`], preceded by one of the functions in [`direct`].
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

/// Counts of a plugin's actions.
#[derive(Clone, Debug, Default)]
pub(crate) struct Counts {
    /// Number of messages accepted by the host.
    pub(crate) messages: Cell<u64>,
    /// Their size in bytes.
    pub(crate) bytes: Cell<u64>,
    /// Number of calls that ended normally.
    pub(crate) calls: Cell<u64>,
    /// Number of those that returned -1.
    pub(crate) failures: Cell<u64>,
    /// Maximum memory of Lua after a call, in bytes.
    pub(crate) memory: Cell<u64>,
    /// Maximum number of instructions of a call.
    pub(crate) instructions: Cell<u64>,
    /// Size of the buffers of stream readers, which Lua does not count.
    pub(super) buffers: Rc<Cell<usize>>,
}

impl Counts {
    /// Counts an accepted message.
    pub(super) fn count(&self, message: &[u8]) {
        self.messages.set(self.messages.get() + 1);
        self.bytes.set(self.bytes.get() + message.len() as u64);
    }
}
