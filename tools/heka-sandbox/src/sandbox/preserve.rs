// SPDX-License-Identifier: MIT OR Apache-2.0
//! Global data preserved between runs: Lua assignments that the next run executes after its file.
//!
//! Globals that are strings, numbers, booleans and tables of these are preserved; tables with a
//! metatable (including modules), functions and local variables are not.
//!
//! A function of Lua 5.1 can have at most 2^18 constants. So of many assignments, only the first
//! are written as `lua_sandbox` does, and the others in functions of their own.

use std::collections::HashMap;
use std::ffi::c_void;
use std::fmt::Write as _;
use std::fs::File;
use std::io::{ErrorKind, Write as _};
use std::path::Path;

use heka_core::os::{Replacement, read_file};
use heka_core::report::Cause as _;
use mlua::{AnyUserData, Function, Lua, Table, Value};

use super::Context;
use super::text::error_text;
use crate::config::words;

/// Upper bound on the memory per byte of source while it is loaded.
const COST: usize = 32;
/// Maximum nesting of tables.
const MAX_DEPTH: usize = 200;
/// Number of assignments in one function: each has at most [`MAX_DEPTH`] names and one value.
const BLOCK: usize = 1000;

/// Executes the output of [`save`]; nothing without a file. A file that is not Lua is moved aside,
/// and the returned text says so.
pub(super) fn restore(lua: &Lua, context: &Context, path: &Path) -> Result<Option<String>, String> {
    let name = path.display().to_string();
    let failed = |why: String| match why.starts_with(&name) {
        true => format!("restore_global_data {why}"),
        false => format!("restore_global_data {name}: {why}"),
    };
    let memory_limit = context.settings.memory_limit;
    let read = File::open(path).and_then(|file| read_file(&file, longest(memory_limit)));
    let source = match read {
        Ok(source) => source,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(failed(error.cause())),
    };
    // Source of this size takes no more, if it only assigns.
    context.limits.set(match context.settings.instruction_limit {
        0 => 0,
        limit => limit.max(source.len() as u64),
    });
    let budget = match memory_limit {
        0 => 0,
        limit => limit.saturating_add(COST.saturating_mul(source.len())),
    };
    let limit = lua.set_memory_limit(budget).map_err(words)?;
    context.limits.arm(lua).map_err(words)?;
    let loaded = load(lua, path, &source);
    // The loaded chunk uses memory until it is dropped.
    let restored = loaded.map(|function| execute(lua, context, &function));
    context.limits.disarm();
    drop(source);
    lua.gc_collect().map_err(words)?;
    lua.set_memory_limit(limit).map_err(words)?;
    match restored {
        Ok(restored) => restored.map(|()| None).map_err(failed),
        Err(mlua::Error::SyntaxError { message, .. }) => {
            put_aside(path, &failed(message)).map(Some)
        }
        Err(error) => Err(failed(words(error))),
    }
}

/// Moves a truncated or overwritten file out of the way of the plugin and its new data.
fn put_aside(path: &Path, why: &str) -> Result<String, String> {
    let mut aside = path.as_os_str().to_owned();
    aside.push(".broken");
    std::fs::rename(path, &aside).map_err(|error| format!("{why}: {}", error.cause()))?;
    Ok(format!("{why}, starting without it, kept as {}", Path::new(&aside).display()))
}

fn load(lua: &Lua, path: &Path, source: &[u8]) -> mlua::Result<Function> {
    let chunk = lua.load(source).set_name(format!("@{}", path.display()));
    chunk.set_mode(mlua::chunk::ChunkMode::Text).into_function()
}

fn execute(lua: &Lua, context: &Context, function: &Function) -> Result<(), String> {
    match context.protected(function, Value::Nil) {
        Err(super::raise::Raise::Value(error)) => {
            let text = error_text(lua, &error).unwrap_or_default();
            Err(String::from_utf8_lossy(&text).into_owned())
        }
        other => other.map(drop).map_err(|_| "not enough memory".to_owned()),
    }
}

/// Returns the maximum file size for an amount of memory: names of tables are repeated in it, and
/// bytes escaped.
fn longest(memory_limit: usize) -> u64 {
    match memory_limit {
        0 => u64::MAX - 1,
        limit => (1 << 20) + 4 * limit as u64,
    }
}

/// Writes all global data to `path` atomically.
pub(super) fn save(lua: &Lua, memory_limit: usize, path: &Path) -> Result<(), String> {
    let failed = |why: String| format!("preserve_global_data {}: {why}", path.display());
    let globals = &lua.globals();
    let limit = usize::try_from(longest(memory_limit)).unwrap_or(usize::MAX);
    let mut writer = Writer { lua, limit, out: Vec::new(), assigned: 0, seen: HashMap::new() };
    let version = match globals.raw_get("_PRESERVATION_VERSION") {
        Ok(Value::Integer(version)) => version,
        #[expect(clippy::cast_possible_truncation, reason = "a version is a small integer")]
        Ok(Value::Number(version)) => version as i64,
        _ => 0,
    };
    let guard = format!(
        "if _PRESERVATION_VERSION and _PRESERVATION_VERSION ~= {version} then return end\n"
    );
    writer.out.extend_from_slice(guard.as_bytes());
    writer.seen.insert(globals.to_pointer(), b"_G".to_vec());
    writer.entries(b"_G", globals, 0).map_err(failed)?;
    writer.end_block();
    // Data that could not be loaded again must not replace data that can.
    if writer.out.len() as u64 > longest(memory_limit) {
        return Err(failed("too large for the memory limit".to_owned()));
    }
    lua.load(&writer.out[..]).set_name("=data").into_function().map_err(words).map_err(failed)?;
    replace(path, &writer.out).map_err(|error| failed(error.cause()))
}

/// Replaces a file atomically.
fn replace(path: &Path, bytes: &[u8]) -> std::io::Result<()> {
    let new = Replacement::new(path, 0o600)?;
    new.file().write_all(bytes)?;
    new.replace().map(drop)
}

struct Writer<'a> {
    lua: &'a Lua,
    /// Maximum size of one value.
    limit: usize,
    out: Vec<u8>,
    /// Number of assignments.
    assigned: usize,
    /// Tables that have been written, with their names.
    seen: HashMap<*const c_void, Vec<u8>>,
}

impl Writer<'_> {
    fn entries(&mut self, name: &[u8], table: &Table, depth: usize) -> Result<(), String> {
        if depth == MAX_DEPTH {
            return Err("tables nest too deeply".to_owned());
        }
        for pair in table.pairs::<Value, Value>() {
            let (key, value) = pair.map_err(words)?;
            if depth == 0 && matches!(&key, Value::String(key) if is_version(&key.as_bytes())) {
                continue;
            }
            let Some(key) = literal(&key) else { continue };
            let name = [name, b"[", &key, b"]"].concat();
            match &value {
                Value::Table(inner) => self.table(&name, inner, depth)?,
                Value::UserData(userdata) => self.native(&name, userdata)?,
                other => {
                    if let Some(value) = literal(other) {
                        self.assign(&name, &value);
                    }
                }
            }
        }
        Ok(())
    }

    fn table(&mut self, name: &[u8], table: &Table, depth: usize) -> Result<(), String> {
        if table.metatable().is_some() {
            return Ok(());
        }
        match self.seen.get(&table.to_pointer()).cloned() {
            Some(known) if known == b"_G" => Ok(()),
            Some(known) => {
                self.assign(name, &known);
                Ok(())
            }
            None => {
                self.seen.insert(table.to_pointer(), name.to_vec());
                self.assign(name, b"{}");
                self.entries(name, table, depth + 1)
            }
        }
    }

    /// Writes a value of a C module that can recreate it.
    fn native(&mut self, name: &[u8], userdata: &AnyUserData) -> Result<(), String> {
        if let Some(known) = self.seen.get(&userdata.to_pointer()).cloned() {
            self.assign(name, &known);
            return Ok(());
        }
        if let Some(text) = super::native::serialize(self.lua, self.limit, userdata, name)? {
            self.seen.insert(userdata.to_pointer(), name.to_vec());
            self.begin();
            self.out.extend_from_slice(&text.as_bytes());
        }
        Ok(())
    }

    fn end_block(&mut self) {
        if self.assigned > BLOCK {
            self.out.extend_from_slice(b"end)() end\n");
        }
    }

    fn assign(&mut self, name: &[u8], value: &[u8]) {
        self.begin();
        self.out.extend_from_slice(&[name, b" = ", value, b"\n"].concat());
    }

    /// Begins another assignment, in a function that has room for it.
    fn begin(&mut self) {
        if self.assigned > 0 && self.assigned.is_multiple_of(BLOCK) {
            self.end_block();
            self.out.extend_from_slice(b"do (function()\n");
        }
        self.assigned += 1;
    }
}

fn is_version(name: &[u8]) -> bool {
    name == b"_PRESERVATION_VERSION"
}

/// Returns a string, number or boolean as Lua source.
fn literal(value: &Value) -> Option<Vec<u8>> {
    match value {
        Value::String(text) => Some(quoted(&text.as_bytes())),
        Value::Integer(number) => Some(number.to_string().into_bytes()),
        Value::Number(number) => Some(number_source(*number).into_bytes()),
        Value::Boolean(bool) => Some(bool.to_string().into_bytes()),
        _ => None,
    }
}

/// Quotes like Lua's `%q`.
fn quoted(text: &[u8]) -> Vec<u8> {
    let mut out = vec![b'"'];
    for &byte in text {
        match byte {
            b'"' | b'\\' | b'\n' => out.extend_from_slice(&[b'\\', byte]),
            b'\r' => out.extend_from_slice(b"\\r"),
            0 => out.extend_from_slice(b"\\000"),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out
}

/// Returns digits that yield the same number again.
fn number_source(number: f64) -> String {
    let mut text = String::new();
    // Writing to a string cannot fail.
    let _ = match number {
        _ if number.is_nan() => write!(text, "0/0"),
        _ if number.is_infinite() && number > 0.0 => write!(text, "1/0"),
        _ if number.is_infinite() => write!(text, "-1/0"),
        _ if number != 0.0 && !(1e-4..1e15).contains(&number.abs()) => write!(text, "{number:e}"),
        _ => write!(text, "{number}"),
    };
    text
}
