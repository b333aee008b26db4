// SPDX-License-Identifier: MIT OR Apache-2.0
//! `-h` and `--help`: the common options, or all options with examples.

use clap::{Arg, Command};

/// The additions to a tool's help.
#[derive(Clone, Copy, Debug)]
pub struct Help {
    /// Long names of the options that `-h` shows besides those of all tools.
    pub main: &'static [&'static str],
    /// Command lines at the end of `--help`.
    pub examples: &'static [&'static str],
}

/// Options of all tools that `-h` shows.
const COMMON: [&str; 3] = ["quiet", "verbose", "stats"];

/// Returns `command` with the help.
pub(super) fn add(command: Command, name: &str, help: Help) -> Command {
    let is_main = |arg: &Arg| {
        let shown = |long: &str| help.main.contains(&long) || COMMON.contains(&long);
        arg.is_positional() || arg.get_long().is_some_and(shown)
    };
    let examples: String = help.examples.iter().map(|line| format!("  {line}\n")).collect();
    command
        .mut_args(|arg| if is_main(&arg) { arg } else { arg.hide_short_help(true) })
        .after_help(format!("--help shows all options; man {name} explains them."))
        .after_long_help(format!("Examples:\n{examples}\nman {name} explains all of it."))
}
