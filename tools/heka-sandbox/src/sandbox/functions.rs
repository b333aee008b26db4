// SPDX-License-Identifier: MIT OR Apache-2.0
//! The functions that a plugin calls, except `inject_message` and the stream reader's.

use std::rc::Rc;

use mlua::{Lua, MultiValue, Table, Value};

use super::raise::Raise;
use super::text::c_string;
use super::{Context, State, decode, direct, inject, native, reader};
use crate::config::Config;
use crate::host::{answer, level};

const OUTPUT: &str = "output";

/// Sets the globals.
pub(super) fn register(lua: &Lua, context: &Rc<Context>, config: &Config) -> mlua::Result<()> {
    let globals = lua.globals();
    let settings = config.to_table(lua)?;
    native::register(lua, &settings)?;
    let read_config = context
        .function(lua, move |lua, _, arguments| one(read_config(lua, &settings, arguments)?))?;
    let is_running =
        context.function(lua, |_, context, _| one(Value::Boolean(is_running(context)?)))?;
    let print = context.function(lua, |lua, context, arguments| {
        print(lua, context, arguments)?;
        Ok(MultiValue::new())
    })?;
    let inject =
        context.direct_function(lua, direct::inject_message, |lua, context, arguments| {
            inject::inject_message(lua, context, arguments)?;
            Ok(MultiValue::new())
        })?;
    let decode =
        context.function(lua, |lua, _, arguments| one(decode::decode_message(lua, arguments)?))?;
    let output = context.function(lua, |_, _, arguments| output(arguments))?;
    globals.raw_set(OUTPUT, output)?;
    globals.raw_set("read_config", read_config)?;
    globals.raw_set("is_running", is_running)?;
    globals.raw_set("print", print)?;
    globals.raw_set("inject_message", inject)?;
    globals.raw_set("decode_message", decode)?;
    reader::register(lua, context)
}

/// Writes nowhere: in `lua_sandbox` too, nothing reads the output of an input plugin. Only the file may
/// call it, while it loads.
fn output(arguments: &MultiValue) -> Result<MultiValue, Raise> {
    if arguments.is_empty() {
        return Err(Raise::Argument(0, "must have at least one argument".to_owned()));
    }
    Ok(MultiValue::new())
}

/// Takes away what only the file may use, while it loads.
pub(super) fn end_of_loading(lua: &Lua) -> mlua::Result<()> {
    lua.globals().raw_set(OUTPUT, Value::Nil)
}

/// Returns one result.
pub(super) fn one(value: Value) -> Result<MultiValue, Raise> {
    Ok([value].into_iter().collect())
}

fn read_config(lua: &Lua, settings: &Table, arguments: &MultiValue) -> Result<Value, Raise> {
    let key = arguments.front();
    let text = key.and_then(|key| lua.coerce_string(key.clone()).ok().flatten());
    let Some(text) = text else { return Err(Raise::wrong_type(1, "string", key)) };
    if arguments.len() > 1 {
        return Err(Raise::Argument(0, "too many arguments".to_owned()));
    }
    Ok(settings.raw_get(text)?)
}

fn is_running(context: &Context) -> Result<bool, Raise> {
    if context.host.borrow_mut().inject(None, None) != answer::TAKEN {
        return Err(Raise::here("is_running() failed: rejected by the callback"));
    }
    Ok(context.state.get() == State::Running && !context.limits.is_ending())
}

fn print(lua: &Lua, context: &Context, arguments: &MultiValue) -> Result<(), Raise> {
    if !context.settings.prints || arguments.is_empty() {
        return Ok(());
    }
    let limit = match context.settings.output_limit {
        0 => usize::MAX,
        limit => limit.saturating_sub(1),
    };
    let mut line = String::new();
    for (index, argument) in arguments.iter().enumerate() {
        let Value::Function(tostring) = lua.globals().get("tostring")? else {
            return Err(Raise::here("attempt to call global 'tostring'"));
        };
        let text = context.protected(&tostring, argument)?;
        let Some(Value::String(text)) = text.front() else {
            return Err(Raise::here("'tostring' must return a string to 'print'"));
        };
        if index > 0 {
            line.push('\t');
        }
        let text = text.as_bytes();
        let printable =
            |byte: &u8| if matches!(byte, b' '..=b'~') { char::from(*byte) } else { ' ' };
        line.extend(c_string(&text).iter().map(printable).take(limit.saturating_sub(line.len())));
    }
    line.truncate(limit);
    context.host.borrow_mut().log(level::DEBUG, &context.component, &line);
    Ok(())
}
