// SPDX-License-Identifier: MIT OR Apache-2.0
//! A decoder of `lua_sandbox_extensions`: a module with a function `decode(data, default_headers,
//! mutable)` that injects messages made from `data`, and returns an error if there is one.

use heka_core::wire::MessageView;
use mlua::{Function, Table, Value};

use super::raise::type_name;
use super::text::{cut_text, error_text};
use super::{Sandbox, by_name};
use crate::config::words;

/// A loaded decoder.
pub(crate) struct Decoder {
    sandbox: Sandbox,
    decode: Function,
}

impl Decoder {
    /// Takes the function from the module that the sandbox has loaded.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn new(sandbox: Sandbox) -> Result<Self, String> {
        let decode = match &sandbox.returned {
            Value::Table(module) => function(module),
            _ => function(&sandbox.lua.globals()),
        };
        let decode = decode.ok_or("no decode function defined")?;
        Ok(Self { sandbox, decode })
    }

    /// Returns its sandbox.
    pub(crate) fn sandbox(&self) -> &Sandbox {
        &self.sandbox
    }

    /// Decodes the payload of a message, with the rest of the message as default headers. `others`
    /// receives the fields that a table cannot represent, as encoded fields.
    ///
    /// # Errors
    /// The error that the decoder returned.
    pub(crate) fn decode(
        &self,
        message: &MessageView<'_>,
        others: &mut Vec<u8>,
    ) -> Result<(), String> {
        let Sandbox { lua, context, .. } = &self.sandbox;
        context.scratch.borrow_mut().timestamp = message.timestamp;
        let data = without_end(message.payload.unwrap_or_default());
        let data = lua.create_string(data).map_err(words)?;
        let mut rest = *message;
        rest.payload = None;
        let headers = by_name::table(lua, &rest, others).map_err(words)?;
        let results = self.sandbox.limited(&self.decode, (data, headers, true));
        context.counts.calls.set(context.counts.calls.get() + 1);
        self.sandbox.note_usage();
        let text = |value: &Value| {
            let text = error_text(lua, value).unwrap_or_else(|| b"<nil error message>".into());
            cut_text(String::from_utf8_lossy(&text).into_owned())
        };
        let said = match results.as_ref().map(|results| results.front()) {
            Ok(None | Some(Value::Nil)) => return Ok(()),
            Ok(Some(value @ Value::String(_))) | Err(value) => text(value),
            Ok(Some(other)) => format!("decode returned a {}", type_name(other)),
        };
        context.counts.failures.set(context.counts.failures.get() + 1);
        Err(said)
    }
}

/// Removes the line end, which heka-tail keeps and hindsight's inputs do not.
fn without_end(line: &[u8]) -> &[u8] {
    let line = line.strip_suffix(b"\n").unwrap_or(line);
    line.strip_suffix(b"\r").unwrap_or(line)
}

fn function(table: &Table) -> Option<Function> {
    match table.raw_get("decode") {
        Ok(Value::Function(function)) => Some(function),
        _ => None,
    }
}
