// SPDX-License-Identifier: MIT OR Apache-2.0
//! Locates the plugin and evaluates its configuration.

use std::path::{Path, PathBuf};
use std::time::Duration;

use heka_core::report::{self, Explain as _, Stop};

use crate::cli::Plan;
use crate::config::{Config, Setting};
use crate::defaults::{self, INSTALL_PATH};
use crate::sandbox::Script;

/// A plugin and its configuration, loaded but not running.
#[derive(Debug)]
pub(crate) struct Plugin {
    /// Path of the Lua file, as shown.
    pub(crate) name: String,
    /// The name of a decoder for `require`.
    pub(crate) module: Option<String>,
    /// The contents of the Lua file.
    pub(crate) source: Vec<u8>,
    /// The configuration, including everything that hindsight adds.
    pub(crate) config: Config,
    /// Its Logger, which is the key of its checkpoints.
    pub(crate) logger: String,
    /// Interval between calls, if it is called more than once.
    pub(crate) ticker_interval: Option<Duration>,
}

impl Plugin {
    /// Reads the files of the plan.
    ///
    /// # Errors
    /// A file that cannot be read, or an invalid configuration; status 1.
    pub(crate) fn open(plan: &Plan) -> Result<Self, Stop> {
        let is_config = plan.plugin.extension().is_some_and(|extension| extension == "cfg");
        let mut config = configuration(plan, is_config)?;
        let wrong = |why: String| {
            Stop::failed(format_args!("{}: config error: {why}", plan.plugin.display()))
        };
        let is_decoder = plan.decoding.is_some();
        let path = match is_config {
            true => find(&plan.plugin, &config).map_err(wrong)?,
            false => plan.plugin.clone(),
        };
        let name = path.display().to_string();
        let source = std::fs::read(&path).at(&name)?;
        // A message for a decoder has its own.
        let logger = logger(&mut config, &plan.plugin, !is_decoder);
        let folder = |path: &Path| path.parent().map_or_else(PathBuf::new, Path::to_path_buf);
        let filename = path.file_name().unwrap_or_default().to_string_lossy();
        defaults::complete(&mut config, &folder(&plan.plugin), &filename);
        if !is_decoder {
            let hostname = heka_core::os::clock::hostname();
            config.set_default("Hostname", || Setting::Text(hostname.into()));
            config.set_default("Pid", || Setting::Number(std::process::id().into()));
        }
        if plan.prints {
            config.set_default("log_level", || Setting::Number(7.0));
        }
        if config.get("preserve_data") == Some(&Setting::Bool(true)) && plan.preserve.is_none() {
            report::warning(format_args!("{name}: preserve_data needs --preserve FILE"));
        }
        let ticker_interval = ticker_interval(&config).map_err(wrong)?;
        let module = is_decoder.then(|| module_name(&path));
        Ok(Self { name, module, source, config, logger, ticker_interval })
    }

    /// Returns the file, for a sandbox.
    pub(crate) fn script(&self) -> Script<'_> {
        Script { name: &self.name, text: &self.source, module: self.module.as_deref() }
    }
}

/// Combines the configuration, the command line and hindsight's own configuration.
fn configuration(plan: &Plan, is_config: bool) -> Result<Config, Stop> {
    let path = if is_config { Some(&plan.plugin) } else { plan.config.as_ref() };
    let mut config = match path {
        Some(path) => read_config(path)?,
        None => Config::default(),
    };
    for (key, value) in &plan.settings {
        config.set(key.as_bytes(), value.clone());
    }
    if let Some(path) = &plan.defaults {
        defaults::take_over(&mut config, path)?;
    }
    Ok(config)
}

/// Returns the name of a module, from its path below the directory `decoders`, as in
/// `decoders.nginx.access`; the module finds its part of the configuration by this name.
fn module_name(path: &Path) -> String {
    let path = path.with_extension("");
    let parts: Vec<_> = path.iter().map(std::ffi::OsStr::to_string_lossy).collect();
    let start = parts.iter().rposition(|part| part == "decoders");
    let start = start.unwrap_or(parts.len().saturating_sub(1));
    parts.get(start..).unwrap_or_default().join(".")
}

pub(crate) fn read_config(path: &Path) -> Result<Config, Stop> {
    let name = path.display().to_string();
    let text = std::fs::read(path).at(&name)?;
    Config::evaluate(&text, &format!("@{name}")).map_err(Stop::failed)
}

/// Finds the Lua file of a configuration: beside it, or in hindsight's directory.
fn find(config_path: &Path, config: &Config) -> Result<PathBuf, String> {
    let filename = config.text("filename")?.ok_or("filename must be set to a string")?;
    let filename = String::from_utf8_lossy(filename).into_owned();
    if filename.contains(['/', '\\']) {
        return Err("filename must not contain a path component".to_owned());
    }
    if !filename.ends_with(".lua") {
        return Err("filename must have a .lua extension".to_owned());
    }
    let beside = config_path.with_file_name(&filename);
    if beside.exists() {
        return Ok(beside);
    }
    let install = config.text("sandbox_install_path")?.map(String::from_utf8_lossy);
    let install = install.as_deref().unwrap_or(INSTALL_PATH);
    let installed = Path::new(install).join("input").join(&filename);
    if installed.exists() {
        return Ok(installed);
    }
    Err(format!("neither {} nor {} is there", beside.display(), installed.display()))
}

/// Returns the configuration's Logger, or `input.NAME` as in hindsight.
fn logger(config: &mut Config, path: &Path, is_default: bool) -> String {
    let stem = path.file_stem().unwrap_or(path.as_os_str()).to_string_lossy().into_owned();
    if is_default {
        config.set_default("Logger", || Setting::Text(format!("input.{stem}").into_bytes()));
    }
    match config.get("Logger") {
        Some(Setting::Text(text)) => String::from_utf8_lossy(text).into_owned(),
        Some(Setting::Number(number)) => number.to_string(),
        _ => format!("input.{stem}"),
    }
}

fn ticker_interval(config: &Config) -> Result<Option<Duration>, String> {
    match config.get("ticker_interval") {
        None => Ok(None),
        Some(Setting::Number(seconds)) => match Duration::try_from_secs_f64(*seconds) {
            Ok(interval) => Ok(Some(interval).filter(|interval| !interval.is_zero())),
            Err(_) => Err("ticker_interval must be an unsigned int".to_owned()),
        },
        Some(_) => Err("ticker_interval must be set to a number".to_owned()),
    }
}
