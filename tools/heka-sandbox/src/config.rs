// SPDX-License-Identifier: MIT OR Apache-2.0
//! A sandbox's configuration: Lua text without libraries, evaluated to plain values.

use mlua::{HookTriggers, Lua, StdLib, Table, VmState};

/// Maximum nesting of tables.
const MAX_DEPTH: usize = 100;
/// Maximum number of instructions of a configuration.
const MAX_INSTRUCTIONS: u32 = 1_000_000;
/// Maximum memory of a configuration in bytes.
const MAX_MEMORY: usize = 64 * 1024 * 1024;

/// One value of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Setting {
    /// A string: any bytes.
    Text(Vec<u8>),
    /// A number.
    Number(f64),
    /// True or false.
    Bool(bool),
    /// A table.
    Table(Vec<(Key, Self)>),
}

/// Key in a table of a configuration.
#[derive(Clone, Debug, PartialEq)]
pub(crate) enum Key {
    /// A string.
    Name(Vec<u8>),
    /// A number, without its fraction.
    Index(i64),
}

/// All settings, in the order in which Lua lists them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Config {
    settings: Vec<(Vec<u8>, Setting)>,
    /// Skipped settings, with the reason.
    pub(crate) skipped: Vec<String>,
}

impl Config {
    /// Evaluates Lua text; `name` is its name in errors, in the form of Lua's chunk names.
    pub(crate) fn evaluate(text: &[u8], name: &str) -> Result<Self, String> {
        let mut config = Self::default();
        let lua = bare_lua();
        let globals = lua.create_table().map_err(words)?;
        let chunk = lua.load(text).set_name(name).set_mode(mlua::chunk::ChunkMode::Text);
        chunk.set_environment(globals.clone()).exec().map_err(words)?;
        for pair in globals.pairs::<mlua::Value, mlua::Value>() {
            let (key, value) = pair.map_err(words)?;
            let Some(key) = config.key(&key) else { continue };
            let Some(value) = config.setting(&value, 0)? else { continue };
            if let Key::Name(name) = key {
                config.set(&name, value);
            }
        }
        Ok(config)
    }

    /// Parses the value of a `KEY=VALUE` argument: a Lua number, boolean, quoted string or table,
    /// otherwise plain text. Nothing is computed: a date is not a subtraction.
    pub(crate) fn literal(text: &str) -> Setting {
        let value = match text {
            "true" => Some(Setting::Bool(true)),
            "false" => Some(Setting::Bool(false)),
            _ if text.starts_with('{') || is_quoted(text) => Self::evaluated(text),
            _ => number(text).map(Setting::Number),
        };
        value.unwrap_or_else(|| Setting::Text(text.as_bytes().to_vec()))
    }

    fn evaluated(text: &str) -> Option<Setting> {
        let config = Self::evaluate(format!("value = {text}").as_bytes(), "=value").ok()?;
        let is_one = config.skipped.is_empty() && config.settings.len() == 1;
        config.get("value").filter(|_| is_one).cloned()
    }

    /// Sets or replaces a setting.
    pub(crate) fn set(&mut self, name: &[u8], value: Setting) {
        match self.settings.iter_mut().find(|(known, _)| known == name) {
            Some((_, old)) => *old = value,
            None => self.settings.push((name.to_vec(), value)),
        }
    }

    /// Sets a setting unless it exists.
    pub(crate) fn set_default(&mut self, name: &str, value: impl FnOnce() -> Setting) {
        if self.get(name).is_none() {
            self.set(name.as_bytes(), value());
        }
    }

    /// Returns the names of all settings.
    pub(crate) fn names(&self) -> impl Iterator<Item = std::borrow::Cow<'_, str>> {
        self.settings.iter().map(|(name, _)| String::from_utf8_lossy(name))
    }

    /// Returns a setting.
    pub(crate) fn get(&self, name: &str) -> Option<&Setting> {
        let found = self.settings.iter().find(|(known, _)| known == name.as_bytes());
        found.map(|(_, value)| value)
    }

    /// Returns a setting that must be text, if it exists.
    pub(crate) fn text(&self, name: &str) -> Result<Option<&[u8]>, String> {
        match self.get(name) {
            None => Ok(None),
            Some(Setting::Text(text)) => Ok(Some(text)),
            Some(_) => Err(format!("{name} must be set to a string")),
        }
    }

    /// Returns a setting that must be a number from 0 to `max`, if it exists.
    pub(crate) fn number(&self, name: &str, max: u64, kind: &str) -> Result<Option<u64>, String> {
        match self.get(name) {
            None => Ok(None),
            #[expect(
                clippy::cast_possible_truncation,
                clippy::cast_sign_loss,
                reason = "the range is checked"
            )]
            Some(&Setting::Number(number)) if number >= 0.0 && number <= max as f64 => {
                Ok(Some(number as u64))
            }
            Some(Setting::Number(_)) => Err(format!("{name} must be {kind}")),
            Some(_) => Err(format!("{name} must be set to a number")),
        }
    }

    /// Converts the settings to a Lua table.
    pub(crate) fn to_table(&self, lua: &Lua) -> mlua::Result<Table> {
        let table = lua.create_table()?;
        for (name, value) in &self.settings {
            table.raw_set(lua.create_string(name)?, value.to_lua(lua)?)?;
        }
        Ok(table)
    }

    fn key(&mut self, key: &mlua::Value) -> Option<Key> {
        match key {
            mlua::Value::String(name) => Some(Key::Name(name.as_bytes().to_vec())),
            mlua::Value::Integer(index) => Some(Key::Index(*index)),
            #[expect(clippy::cast_possible_truncation, reason = "keys lose their fraction")]
            mlua::Value::Number(index) => Some(Key::Index(*index as i64)),
            other => {
                self.skipped.push(format!("skipping config key type: {}", other.type_name()));
                None
            }
        }
    }

    fn setting(&mut self, value: &mlua::Value, depth: usize) -> Result<Option<Setting>, String> {
        Ok(Some(match value {
            mlua::Value::String(text) => Setting::Text(text.as_bytes().to_vec()),
            mlua::Value::Integer(number) => Setting::Number(*number as f64),
            mlua::Value::Number(number) => Setting::Number(*number),
            mlua::Value::Boolean(bool) => Setting::Bool(*bool),
            mlua::Value::Table(_) if depth == MAX_DEPTH => {
                return Err("tables nest too deeply".to_owned());
            }
            mlua::Value::Table(table) => {
                let mut entries = Vec::new();
                for pair in table.pairs::<mlua::Value, mlua::Value>() {
                    let (key, value) = pair.map_err(words)?;
                    let Some(key) = self.key(&key) else { continue };
                    if let Some(value) = self.setting(&value, depth + 1)? {
                        entries.push((key, value));
                    }
                }
                Setting::Table(entries)
            }
            other => {
                self.skipped.push(format!("skipping config value type: {}", other.type_name()));
                return Ok(None);
            }
        }))
    }
}

/// Whether text is a single quoted string: its second quote is its end.
fn is_quoted(text: &str) -> bool {
    let bytes = text.as_bytes();
    let Some((&quote, rest)) = bytes.split_first().filter(|(first, _)| b"\"'".contains(first))
    else {
        return false;
    };
    let mut escaped = false;
    let end = rest.iter().position(|&byte| {
        let is_end = byte == quote && !escaped;
        escaped = byte == b'\\' && !escaped;
        is_end
    });
    end.is_some_and(|end| end + 1 == rest.len())
}

/// Parses a number as Lua 5.1 writes it.
fn number(text: &str) -> Option<f64> {
    let digits = text.strip_prefix('-').unwrap_or(text);
    if let Some(digits) = digits.strip_prefix("0x").or_else(|| digits.strip_prefix("0X")) {
        let is_hex = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = is_hex.then(|| u64::from_str_radix(digits, 16).ok()).flatten()? as f64;
        return Some(if text.starts_with('-') { -number } else { number });
    }
    // Rust also accepts words for the infinities and a sign before any number.
    let is_decimal = digits.starts_with(|c: char| c.is_ascii_digit() || c == '.');
    text.parse().ok().filter(|_| is_decimal)
}

impl Setting {
    fn to_lua(&self, lua: &Lua) -> mlua::Result<mlua::Value> {
        Ok(match self {
            Self::Text(text) => mlua::Value::String(lua.create_string(text)?),
            Self::Number(number) => mlua::Value::Number(*number),
            Self::Bool(bool) => mlua::Value::Boolean(*bool),
            Self::Table(entries) => {
                let table = lua.create_table()?;
                for (key, value) in entries {
                    let value = value.to_lua(lua)?;
                    match key {
                        Key::Name(name) => table.raw_set(lua.create_string(name)?, value)?,
                        Key::Index(index) => table.raw_set(*index as f64, value)?,
                    }
                }
                mlua::Value::Table(table)
            }
        })
    }
}

/// Creates a Lua state without libraries, with limits of its own.
fn bare_lua() -> Lua {
    let lua = Lua::new_with(StdLib::NONE, mlua::LuaOptions::new()).unwrap_or_default();
    let triggers = HookTriggers::new().every_nth_instruction(MAX_INSTRUCTIONS);
    let hooked = lua.set_hook(triggers, |_, _| -> mlua::Result<VmState> {
        Err(mlua::Error::RuntimeError("instruction_limit exceeded".to_owned()))
    });
    let limited = lua.set_memory_limit(MAX_MEMORY);
    debug_assert!(hooked.is_ok() && limited.is_ok(), "limits of the configuration");
    lua
}

/// Returns the first line of Lua's message, without the traceback.
pub(crate) fn words(error: mlua::Error) -> String {
    let text = match error {
        mlua::Error::SyntaxError { message, .. } => message,
        mlua::Error::RuntimeError(text) | mlua::Error::MemoryError(text) => text,
        mlua::Error::CallbackError { cause, .. } => return words((*cause).clone()),
        other => other.to_string(),
    };
    let first = text.split("\nstack traceback:").next().unwrap_or(&text);
    first.to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn evaluate(text: &str) -> Result<Config, String> {
        Config::evaluate(text.as_bytes(), "=test.cfg")
    }

    #[test]
    fn strings_numbers_booleans_and_tables_are_taken() {
        let config = evaluate("a = 'x\\0y' b = 2^3 c = true d = {1, k = {2}, [1.5] = 3}").unwrap();
        assert_eq!(config.get("a"), Some(&Setting::Text(b"x\0y".to_vec())));
        assert_eq!(config.get("b"), Some(&Setting::Number(8.0)));
        assert_eq!(config.get("c"), Some(&Setting::Bool(true)));
        assert!(matches!(config.get("d"), Some(Setting::Table(entries)) if entries.len() == 3));
    }

    #[test]
    fn functions_are_left_out_with_words() {
        let config = evaluate("f = function() end").unwrap();
        assert_eq!(config.skipped, ["skipping config value type: function"]);
    }

    #[test]
    fn errors_name_the_line() {
        assert_eq!(
            evaluate("a = 1\nb = = 2").unwrap_err(),
            "test.cfg:2: unexpected symbol near '='"
        );
        let error = evaluate("a = print('x')").unwrap_err();
        assert_eq!(error, "test.cfg:1: attempt to call global 'print' (a nil value)");
    }

    #[test]
    fn hostile_configurations_end() {
        assert!(evaluate("while true do end").unwrap_err().contains("instruction_limit exceeded"));
        assert!(evaluate("t = {} t.t = t").unwrap_err().contains("nest too deeply"));
        assert!(evaluate("s = 'x' while true do s = s .. s end").unwrap_err().contains("memory"));
    }

    #[test]
    fn arguments_are_literals_or_text() {
        assert_eq!(Config::literal("7"), Setting::Number(7.0));
        assert_eq!(Config::literal("true"), Setting::Bool(true));
        assert_eq!(Config::literal("'7'"), Setting::Text(b"7".to_vec()));
        assert_eq!(Config::literal("/var/log/x.log"), Setting::Text(b"/var/log/x.log".to_vec()));
        assert_eq!(Config::literal("word"), Setting::Text(b"word".to_vec()));
        assert_eq!(Config::literal(""), Setting::Text(Vec::new()));
        for (text, number) in [("-1.5e3", -1500.0), ("0x1F", 31.0), (".5", 0.5), ("5.", 5.0)] {
            assert_eq!(Config::literal(text), Setting::Number(number), "{text}");
        }
        let quoted = Config::literal(r#""a\"b\n""#);
        assert_eq!(quoted, Setting::Text(b"a\"b\n".to_vec()));
        let list = vec![(Key::Index(1), Setting::Number(1.0))];
        assert_eq!(Config::literal("{1}"), Setting::Table(list));
        assert_eq!(Config::literal("{}"), Setting::Table(Vec::new()));
    }

    #[test]
    fn arguments_are_not_computed() {
        for text in [
            "2016-05-24",
            "2^3",
            "1 + 1",
            "1 other = 2",
            "'a' .. 'b'",
            "'a",
            "'",
            "-",
            "+1",
            "inf",
            "nan",
            "0x",
            "1.2.3",
            "not true",
            "{1} other = 2",
            "{",
        ] {
            assert_eq!(Config::literal(text), Setting::Text(text.as_bytes().to_vec()), "{text}");
        }
    }
}
