// SPDX-License-Identifier: MIT OR Apache-2.0
//! Defaults that hindsight provides for a plugin: the values that `read_config` always finds, and
//! those of a `hindsight.cfg` (`--defaults`).

use std::path::Path;

use heka_core::report::Stop;

use crate::config::{Config, Key, Setting};

/// Hindsight's default directory of plugins.
pub(crate) const INSTALL_PATH: &str = "/usr/share/luasandbox/sandboxes/heka";

/// Size at which hindsight begins a new output file.
const OUTPUT_SIZE: f64 = 67_108_864.0;
/// Longest message of a stream reader.
const MAX_MESSAGE_SIZE: f64 = 65_536.0;

/// Options of `hindsight.cfg` with the same name for plugins.
const SAME: [&str; 5] =
    ["output_path", "output_size", "sandbox_run_path", "sandbox_install_path", "max_message_size"];

/// Options with a different name: `hindsight.cfg`'s, and the plugin's.
const RENAMED: [(&str, &str); 3] =
    [("io_lua_path", "path"), ("io_lua_cpath", "cpath"), ("hostname", "Hostname")];

/// Options that only concern hindsight.
const OTHERS: [&str; 10] = [
    "sandbox_load_path",
    "analysis_threads",
    "analysis_utilization_limit",
    "analysis_lua_path",
    "analysis_lua_cpath",
    "backpressure",
    "backpressure_disk_free",
    "input_defaults",
    "analysis_defaults",
    "output_defaults",
];

/// Settings allowed in `input_defaults`.
const INPUT_DEFAULTS: [&str; 7] = [
    "output_limit",
    "memory_limit",
    "instruction_limit",
    "ticker_interval",
    "preserve_data",
    "restricted_headers",
    "shutdown_on_terminate",
];

/// Adds the settings of the `hindsight.cfg` at `path` that `config` does not have.
///
/// # Errors
/// A file that cannot be read, or an unknown option; status 1.
pub(crate) fn take_over(config: &mut Config, path: &Path) -> Result<(), Stop> {
    let hindsight = super::plugin::read_config(path)?;
    let wrong = |why: String| Stop::failed(format_args!("{}: {why}", path.display()));
    for name in hindsight.names() {
        let is_known = SAME.contains(&name.as_ref())
            || OTHERS.contains(&name.as_ref())
            || RENAMED.iter().any(|(known, _)| *known == name);
        if !is_known {
            return Err(wrong(format!("invalid option: '{name}'")));
        }
    }
    for name in SAME {
        fill(config, name, hindsight.get(name));
    }
    for (theirs, ours) in RENAMED {
        fill(config, ours, hindsight.get(theirs));
    }
    let Some(defaults) = hindsight.get("input_defaults") else { return Ok(()) };
    let Setting::Table(defaults) = defaults else {
        return Err(wrong("input_defaults must be a table".to_owned()));
    };
    for (key, value) in defaults {
        let Key::Name(name) = key else { continue };
        let name = String::from_utf8_lossy(name);
        if !INPUT_DEFAULTS.contains(&name.as_ref()) {
            return Err(wrong(format!("invalid option: 'input_defaults.{name}'")));
        }
        fill(config, &name, Some(value));
    }
    Ok(())
}

/// Adds the settings that a plugin always finds under hindsight. `run_path` is the directory of its
/// configuration.
pub(crate) fn complete(config: &mut Config, run_path: &Path, filename: &str) {
    // A plugin's configuration may use hindsight's names.
    for (theirs, ours) in RENAMED {
        let value = config.get(theirs).cloned();
        fill(config, ours, value.as_ref());
    }
    let text = |text: &str| Setting::Text(text.as_bytes().to_vec());
    config.set_default("max_message_size", || Setting::Number(MAX_MESSAGE_SIZE));
    config.set_default("ticker_interval", || Setting::Number(0.0));
    for name in ["preserve_data", "restricted_headers", "shutdown_on_terminate"] {
        config.set_default(name, || Setting::Bool(false));
    }
    config.set_default("output_path", || text("."));
    config.set_default("output_size", || Setting::Number(OUTPUT_SIZE));
    config.set_default("sandbox_run_path", || text(&run_path.to_string_lossy()));
    config.set_default("sandbox_install_path", || text(INSTALL_PATH));
    config.set_default("filename", || text(filename));
}

fn fill(config: &mut Config, name: &str, value: Option<&Setting>) {
    if let Some(value) = value {
        config.set_default(name, || value.clone());
    }
}
