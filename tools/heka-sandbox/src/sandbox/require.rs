// SPDX-License-Identifier: MIT OR Apache-2.0
//! `require`: the standard libraries, and modules from the user's search templates.

use std::path::Path;
use std::rc::Rc;

use mlua::{Function, LightUserData, Lua, MultiValue, Table, Value};

use super::raise::{Raise, type_name};
use super::{Context, environment};

/// Its address marks modules that are being loaded.
static LOADING: u8 = 0;

/// The parts of the package library that `require` needs, saved before it was cut down.
struct Loader {
    loaded: Table,
    loadlib: Function,
}

/// Replaces Lua's own `require`.
pub(super) fn register(lua: &Lua, context: &Rc<Context>, package: &Table) -> mlua::Result<()> {
    let loader =
        Loader { loaded: package.raw_get("loaded")?, loadlib: package.raw_get("loadlib")? };
    loader.loaded.raw_set("coroutine", Value::Nil)?;
    loader.loaded.raw_set("", lua.globals())?;
    let require = context.function(lua, move |lua, context, arguments| {
        let value = loader.require(lua, context, arguments.front())?;
        Ok([value].into_iter().collect())
    })?;
    lua.globals().raw_set("require", require)
}

impl Loader {
    fn require(&self, lua: &Lua, context: &Context, name: Option<&Value>) -> Result<Value, Raise> {
        let text = name.and_then(|name| lua.coerce_string(name.clone()).ok().flatten());
        let Some(key) = text else { return Err(Raise::wrong_type(1, "string", name)) };
        let name = String::from_utf8_lossy(&key.as_bytes()).into_owned();
        if context.settings.disabled_modules.iter().any(|known| known == name.as_bytes()) {
            return Err(Raise::here(format!("module '{name}' disabled")));
        }
        let value: Value = self.loaded.raw_get(&key)?;
        match value {
            Value::Nil | Value::Boolean(false) => {}
            Value::LightUserData(_) => {
                return Err(Raise::here(format!("loop or previous error loading module '{name}'")));
            }
            value => return Ok(value),
        }
        let value = match environment::library(lua, context, &name)? {
            Some(library) => Value::Table(library),
            None => self.external(lua, context, &name)?,
        };
        if let Value::Table(table) = &value
            && table.metatable().is_none()
        {
            // Distinguishes it from data when global data is preserved.
            table.set_metatable(Some(lua.create_table()?))?;
        }
        self.loaded.raw_set(key, &value)?;
        Ok(value)
    }

    fn external(&self, lua: &Lua, context: &Context, name: &str) -> Result<Value, Raise> {
        if !name.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.')) {
            return Err(Raise::here(format!("invalid module name '{name}'")));
        }
        let settings = &context.settings;
        let mut tried = String::new();
        if settings.path.is_none() && settings.cpath.is_none() {
            let text = "no 'path' configuration was specified for the sandbox; \
                        external modules have been disabled";
            return Err(Raise::Bare(text.to_owned()));
        }
        let path = settings.path.as_deref().unwrap_or_default();
        let cpath = settings.cpath.as_deref().unwrap_or_default();
        let function = if let Some(file) = find(path, name, &mut tried) {
            load_lua(lua, name, &file)?
        } else if let Some(file) = find(cpath, name, &mut tried) {
            let loaded = self.load_c(name, &file)?;
            loaded.map_err(|why| not_loaded(name, &file, &why))?
        } else if let Some(function) = self.load_part(cpath, name, &mut tried)? {
            function
        } else {
            return Err(Raise::here(format!("module '{name}' not found:{tried}")));
        };
        // The placeholder while the module loads must not be a table: module() would use it.
        let sentinel = Value::LightUserData(LightUserData((&raw const LOADING).cast_mut().cast()));
        self.loaded.raw_set(name, &sentinel)?;
        let result = context.protected(&function, name);
        let result = result.inspect_err(|_| drop(self.loaded.raw_set(name, Value::Nil)))?;
        match result.into_iter().next() {
            Some(value) if !value.is_nil() => return Ok(value),
            _ => {}
        }
        // A module that called module() has put its table there itself.
        let value: Value = self.loaded.raw_get(name)?;
        Ok(if value == sentinel { Value::Boolean(true) } else { value })
    }

    /// Loads a C module `a.b` from the library of `a`, like Lua's all-in-one loader.
    fn load_part(
        &self,
        cpath: &[u8],
        name: &str,
        tried: &mut String,
    ) -> Result<Option<Function>, Raise> {
        let Some((root, _)) = name.split_once('.') else { return Ok(None) };
        let Some(file) = find(cpath, root, tried) else { return Ok(None) };
        match self.load_c(name, &file)? {
            Ok(function) => Ok(Some(function)),
            Err(why) if why.contains("undefined symbol") => {
                *tried += &format!("\n\tno module '{name}' in file '{file}'");
                Ok(None)
            }
            Err(why) => Err(not_loaded(name, &file, &why)),
        }
    }

    /// Returns the function that opens a module in a library, or the reason why there is none.
    fn load_c(&self, name: &str, file: &str) -> mlua::Result<Result<Function, String>> {
        let entry = format!("luaopen_{}", name.replace('.', "_"));
        let mut results: MultiValue = self.loadlib.call((file, entry))?;
        Ok(match results.pop_front() {
            Some(Value::Function(function)) => Ok(function),
            _ => Err(results.pop_front().map_or(String::new(), |why| {
                why.to_string().unwrap_or_else(|_| type_name(&why).to_owned())
            })),
        })
    }
}

fn load_lua(lua: &Lua, name: &str, file: &str) -> Result<Function, Raise> {
    let source = std::fs::read(file).map_err(|error| {
        let why = heka_core::report::Cause::cause(&error);
        not_loaded(name, file, &format!("cannot read {file}: {why}"))
    })?;
    let chunk = lua.load(super::text::without_shebang(&source)).set_name(format!("@{file}"));
    match chunk.set_mode(mlua::chunk::ChunkMode::Text).into_function() {
        Err(mlua::Error::MemoryError(_)) => Err(Raise::Memory),
        loaded => loaded.map_err(|error| not_loaded(name, file, &crate::config::words(error))),
    }
}

fn not_loaded(name: &str, file: &str, why: &str) -> Raise {
    Raise::here(format!("error loading module '{name}' from file '{file}':\n\t{why}"))
}

/// Returns the first readable file of the templates; `tried` lists the others.
fn find(templates: &[u8], name: &str, tried: &mut String) -> Option<String> {
    let name = name.replace('.', "/");
    for template in String::from_utf8_lossy(templates).split(';').filter(|text| !text.is_empty()) {
        let file = template.replace('?', &name);
        if Path::new(&file).is_file() {
            return Some(file);
        }
        *tried += &format!("\n\tno file '{file}'");
    }
    None
}
