// SPDX-License-Identifier: MIT OR Apache-2.0
//! One input plugin in its Lua 5.1 state: loading, calling, stopping, and its environment.
//!
//! The behaviour is that of `lua_sandbox`'s input sandbox, including error texts; each module
//! documents deliberate differences. Files, streams and signals are not known here: messages and
//! checkpoints go to a [`Host`].

mod by_name;
mod context;
mod decode;
mod decoder;
mod direct;
mod environment;
mod fields;
mod file;
mod functions;
mod index;
mod inject;
mod limits;
mod native;
mod preserve;
mod push;
mod raise;
mod read;
mod reader;
#[cfg(test)]
mod replay;
mod require;
mod settings;
mod stack;
mod stream;
mod strict;
#[cfg(test)]
mod tests;
mod text;
mod usual;
mod values;

use std::cell::{Cell, OnceCell, RefCell};
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use mlua::{Function, IntoLuaMulti, Lua, LuaOptions, MultiValue, StdLib, Table, Value};

pub(crate) use context::State;
use context::{Context, Counts};
pub(crate) use decoder::Decoder;
pub(crate) use limits::{Cause, Limits};
pub(crate) use settings::Settings;
use text::{MAX_ERROR, c_string, cut, cut_text, error_text, truncated, without_shebang};

use crate::config::{Config, words};
use crate::host::{Checkpoint, Host, level};

/// The result of a call of `process_message`.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Outcome {
    /// The plugin's status; 1 if it failed for good.
    pub(crate) status: i32,
    /// The plugin's message, or the error.
    pub(crate) text: Vec<u8>,
}

/// A Lua file to run.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Script<'a> {
    /// Its path in errors.
    pub(crate) name: &'a str,
    /// Its contents.
    pub(crate) text: &'a [u8],
    /// Its name for `require`, if it is a module.
    pub(crate) module: Option<&'a str>,
}

/// A loaded plugin.
pub(crate) struct Sandbox {
    lua: Lua,
    context: Rc<Context>,
    ruler: Function,
    /// The value that its file returned.
    returned: Value,
}

impl Sandbox {
    /// Loads a plugin.
    ///
    /// # Errors
    /// The error in its configuration or file, which has been logged.
    pub(crate) fn new<H: Host + 'static>(
        script: Script<'_>,
        mut config: Config,
        limits: &Arc<Limits>,
        host: &Rc<RefCell<H>>,
    ) -> Result<Self, String> {
        for text in &config.skipped {
            host.borrow_mut().log(level::WARNING, "copy_table", text);
        }
        let refuse = |component: &str, text: String| {
            host.borrow_mut().log(level::ERROR, component, &text);
            text
        };
        let settings = Settings::new(&mut config, script.module.is_none())
            .map_err(|why| refuse("load_sandbox_config", format!("config error: {why}")))?;
        let component = settings.logger.as_ref().map_or_else(
            || "unnamed".to_owned(),
            |logger| String::from_utf8_lossy(logger).into_owned(),
        );
        let shared: Rc<RefCell<dyn Host>> = Rc::<RefCell<H>>::clone(host);
        Self::start(script, &config, settings, component.clone(), limits, shared)
            .map_err(|text| refuse(&component, text))
    }

    fn start(
        script: Script<'_>,
        config: &Config,
        settings: Settings,
        component: String,
        limits: &Arc<Limits>,
        host: Rc<RefCell<dyn Host>>,
    ) -> Result<Self, String> {
        #[expect(unsafe_code, reason = "C modules (--cpath) need a Lua that may load them")]
        // SAFETY: only what the user names with --cpath can load machine code: the functions that
        // could are taken away from the plugin in `environment::prepare`.
        let lua = unsafe { Lua::unsafe_new_with(StdLib::PACKAGE, LuaOptions::new()) };
        let globals = lua.globals();
        let context = Rc::new(Context {
            pcall: globals.get("pcall").map_err(words)?,
            words: fields::Words::new(&lua, &settings).map_err(words)?,
            settings,
            host,
            limits: Arc::clone(limits),
            state: Cell::new(State::Loading),
            component,
            io_type: OnceCell::new(),
            counts: Counts::default(),
            scratch: RefCell::default(),
            current: Rc::default(),
        });
        let ruler = limits::ruler(&lua).map_err(words)?;
        environment::prepare(&lua, &context).map_err(words)?;
        functions::register(&lua, &context, config).map_err(words)?;
        let mut sandbox = Self { lua, context, ruler, returned: Value::Nil };
        sandbox.load(script)?;
        Ok(sandbox)
    }

    /// Executes the plugin's file under both limits.
    fn load(&mut self, script: Script<'_>) -> Result<(), String> {
        let limit = self.context.settings.memory_limit;
        self.lua.set_memory_limit(limit).map_err(words)?;
        let chunk = self.lua.load(without_shebang(script.text));
        let chunk = chunk.set_name(format!("@{}", script.name));
        let function = chunk
            .set_mode(mlua::chunk::ChunkMode::Text)
            .into_function()
            .map_err(|e| cut_text(words(e)))?;
        let returned = self.limited(&function, script.module).map_err(|error| {
            let text =
                error_text(&self.lua, &error).unwrap_or_else(|| b"<nil error message>".into());
            cut_text(String::from_utf8_lossy(&text).into_owned())
        })?;
        self.returned = returned.into_iter().next().unwrap_or(Value::Nil);
        functions::end_of_loading(&self.lua).map_err(words)?;
        self.context.state.set(State::Running);
        self.lua.gc_collect().map_err(words)?;
        self.note_usage();
        Ok(())
    }

    /// Calls `process_message` with the last checkpoint.
    pub(crate) fn process_message(&self, checkpoint: Option<&Checkpoint>) -> Outcome {
        if self.context.state.get() == State::Terminated {
            return Outcome { status: 1, text: Vec::new() };
        }
        let outcome = self.call(checkpoint);
        let counts = &self.context.counts;
        match &outcome {
            Ok(Some(outcome)) => {
                counts.calls.set(counts.calls.get() + 1);
                counts.failures.set(counts.failures.get() + u64::from(outcome.status == -1));
                outcome.clone()
            }
            Ok(None) => Outcome { status: 0, text: Vec::new() },
            Err(text) => {
                self.context.state.set(State::Terminated);
                let mut text = [b"process_message() ", text.as_slice()].concat();
                text.truncate(MAX_ERROR);
                Outcome { status: 1, text }
            }
        }
    }

    /// Executes the call: `None` if it was stopped normally.
    fn call(&self, checkpoint: Option<&Checkpoint>) -> Result<Option<Outcome>, Vec<u8>> {
        let inner = |error: mlua::Error| words(error).into_bytes();
        let globals = self.lua.globals();
        let Ok(Value::Function(function)) = globals.raw_get("process_message") else {
            return Err(b"function was not found".to_vec());
        };
        let argument = match checkpoint {
            None => Value::Nil,
            Some(Checkpoint::Number(number)) => Value::Number(*number),
            Some(Checkpoint::Text(text)) => {
                Value::String(self.lua.create_string(text).map_err(inner)?)
            }
        };
        match self.limited(&function, argument) {
            Ok(results) => self.outcome(results).map(Some),
            Err(error) => {
                let is_stopped = self.context.limits.is_stopped();
                match error_text(&self.lua, &error) {
                    // The same text from the plugin itself is not a normal end.
                    Some(text) if is_stopped && text == b"shutting down" => Ok(None),
                    Some(text) => Err(text),
                    None => Err(b"<nil error message>".to_vec()),
                }
            }
        }
    }

    /// Converts the plugin's results: a number, and optionally a text.
    fn outcome(&self, mut results: MultiValue) -> Result<Outcome, Vec<u8>> {
        let status = match results.pop_front() {
            Some(Value::Integer(status)) => truncated(status as f64),
            Some(Value::Number(status)) => truncated(status),
            _ => return Err(b"must return a numeric status code".to_vec()),
        };
        let text = match results.pop_front() {
            None | Some(Value::Nil) => Vec::new(),
            Some(Value::String(text)) => cut(c_string(&text.as_bytes())).to_vec(),
            Some(_) => return Err(b"must return a nil or string error message".to_vec()),
        };
        self.note_usage();
        if status > 0 {
            return Err(b"received a termination status code".to_vec());
        }
        Ok(Outcome { status, text })
    }

    /// Calls a function under the limits of one call, and keeps error values unchanged.
    fn limited(
        &self,
        function: &Function,
        arguments: impl IntoLuaMulti,
    ) -> Result<MultiValue, Value> {
        let limits = &self.context.limits;
        limits.set(self.context.settings.instruction_limit);
        if let Err(error) = limits.arm(&self.lua) {
            let text = self.lua.create_string(words(error));
            return Err(text.map_or(Value::Nil, Value::String));
        }
        let results = self.context.protected(function, arguments);
        limits.disarm();
        results.map_err(|error| match error {
            raise::Raise::Value(value) => value,
            _ => Value::Nil,
        })
    }

    fn note_usage(&self) {
        let counts = &self.context.counts;
        let used = self.context.limits.usage(&self.ruler);
        counts.instructions.set(counts.instructions.get().max(used));
        counts.memory.set(counts.memory.get().max(self.lua.used_memory() as u64));
    }

    /// Returns the counts.
    pub(crate) fn counts(&self) -> &Counts {
        &self.context.counts
    }

    /// Returns the state.
    pub(crate) fn state(&self) -> State {
        self.context.state.get()
    }

    /// Whether it has a function `process_message`.
    pub(crate) fn is_callable(&self) -> bool {
        matches!(self.lua.globals().raw_get("process_message"), Ok(Value::Function(_)))
    }

    /// Restores global data from the file of [`Sandbox::preserve`], if it exists. A damaged file is
    /// moved aside, and a message about that is returned.
    ///
    /// # Errors
    /// `restore_global_data …`.
    pub(crate) fn restore(&self, path: &Path) -> Result<Option<String>, String> {
        preserve::restore(&self.lua, &self.context, path)
    }

    /// Stores global data in a file, unless the plugin failed for good.
    ///
    /// # Errors
    /// `preserve_global_data …`.
    pub(crate) fn preserve(&self, path: &Path) -> Result<(), String> {
        if self.context.state.get() == State::Terminated {
            return Ok(());
        }
        self.lua.set_memory_limit(0).map_err(words)?;
        preserve::save(&self.lua, self.context.settings.memory_limit, path)
    }
}

/// Creates a table of functions for plugins.
fn table_of(
    lua: &Lua,
    entries: impl IntoIterator<Item = (&'static str, Function)>,
) -> mlua::Result<Table> {
    lua.create_table_from(entries)
}
