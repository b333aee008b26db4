// SPDX-License-Identifier: MIT OR Apache-2.0
//! The settings of the sandbox itself, validated as in `lua_sandbox`.

use crate::config::{Config, Setting};

/// The largest number that is exact as a double and fits into `size_t`.
const MAX_SIZE: u64 = 1 << 53;

/// Limits and defaults of one sandbox.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// Maximum length of a message made from a table, and of a line of `print`, in bytes; 0: no
    /// limit.
    pub(crate) output_limit: usize,
    /// Maximum memory of Lua in bytes; 0: no limit.
    pub(crate) memory_limit: usize,
    /// Maximum number of instructions of one call; 0: no limit.
    pub(crate) instruction_limit: u64,
    /// Whether the output of `print` is logged.
    pub(crate) prints: bool,
    /// Maximum length of a message of a stream reader, in bytes.
    pub(crate) max_message_size: usize,
    /// Default Logger header.
    pub(crate) logger: Option<Vec<u8>>,
    /// Default Hostname header.
    pub(crate) hostname: Option<Vec<u8>>,
    /// Default Pid header.
    pub(crate) pid: Option<f64>,
    /// Whether Logger, Hostname, Pid, Uuid and Timestamp always come from the host.
    pub(crate) restricted_headers: bool,
    /// Search templates for Lua modules.
    pub(crate) path: Option<Vec<u8>>,
    /// Search templates for C modules.
    pub(crate) cpath: Option<Vec<u8>>,
    /// Names of modules that may not be loaded.
    pub(crate) disabled_modules: Vec<Vec<u8>>,
}

impl Settings {
    /// Validates a configuration and fills in its defaults. Messages of a source get the host's
    /// headers; those changed by a decoder have their own.
    ///
    /// # Errors
    /// The error message of `lua_sandbox`.
    pub(crate) fn new(config: &mut Config, is_source: bool) -> Result<Self, String> {
        set_defaults(config);
        let size = |name| {
            let number = config.number(name, MAX_SIZE, "a size_t")?;
            usize::try_from(number.unwrap_or(0)).map_err(|_| format!("{name} must be a size_t"))
        };
        size("input_limit")?;
        let log_level = config.number("log_level", u64::from(u32::MAX), "an unsigned int")?;
        let max_message_size = match config.get("max_message_size") {
            Some(Setting::Number(number)) if *number > 0.0 => size("max_message_size")?,
            _ => 65_536,
        };
        Ok(Self {
            output_limit: size("output_limit")?,
            memory_limit: size("memory_limit")?,
            instruction_limit: size("instruction_limit")? as u64,
            prints: log_level == Some(7),
            max_message_size,
            logger: header(config, "Logger"),
            hostname: header(config, "Hostname")
                .or_else(|| is_source.then(|| heka_core::os::clock::hostname().into_bytes())),
            pid: match config.get("Pid") {
                Some(Setting::Number(pid)) => Some(pid.trunc()),
                _ => is_source.then_some(0.0),
            },
            restricted_headers: matches!(
                config.get("restricted_headers"),
                Some(Setting::Bool(true))
            ),
            path: config.text("path")?.map(<[u8]>::to_vec),
            cpath: config.text("cpath")?.map(<[u8]>::to_vec),
            disabled_modules: disabled(config),
        })
    }
}

fn set_defaults(config: &mut Config) {
    let defaults: [(&str, f64); 5] = [
        ("input_limit", 65_536.0),
        ("output_limit", 65_536.0),
        ("memory_limit", 8_388_608.0),
        ("instruction_limit", 1_000_000.0),
        ("log_level", 3.0),
    ];
    for (name, value) in defaults {
        config.set_default(name, || Setting::Number(value));
    }
}

fn header(config: &Config, name: &str) -> Option<Vec<u8>> {
    match config.get(name)? {
        Setting::Text(text) => Some(text.clone()),
        Setting::Number(number) => Some(number.to_string().into_bytes()),
        _ => None,
    }
}

/// Returns the disabled modules, under the name that `lua_sandbox` reads and the one in its manual.
fn disabled(config: &Config) -> Vec<Vec<u8>> {
    let tables = ["disable_modules", "disabled_modules"].map(|name| config.get(name));
    let mut names = Vec::new();
    for table in tables.into_iter().flatten() {
        let Setting::Table(entries) = table else { continue };
        for (key, _) in entries {
            if let crate::config::Key::Name(name) = key {
                names.push(name.clone());
            }
        }
    }
    names
}
