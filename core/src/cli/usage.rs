// SPDX-License-Identifier: MIT OR Apache-2.0
//! Wrong usage that clap detects, in the words of the tools' own checks.

use std::ffi::OsString;

use clap::builder::ValueParser;
use clap::error::{ContextKind, ContextValue, ErrorKind};
use clap::parser::ValueSource;
use clap::{Arg, Command};

/// Describes an error in `arguments`, in one line.
pub(super) fn describe(error: &clap::Error, command: &Command, arguments: &[OsString]) -> String {
    let special = match error.kind() {
        ErrorKind::MissingRequiredArgument => missing(error, command, arguments),
        ErrorKind::ArgumentConflict => conflict(error),
        _ => None,
    };
    special.unwrap_or_else(|| first_paragraph(error))
}

/// Returns clap's first paragraph, without `error: `.
fn first_paragraph(error: &clap::Error) -> String {
    let text = error.render().to_string();
    let paragraph = text.split("\n\n").next().unwrap_or(&text);
    let mut line = paragraph.split_whitespace().collect::<Vec<_>>().join(" ");
    if let Some(rest) = line.strip_prefix("error: ") {
        line = rest.to_owned();
    }
    if let Some(ContextValue::String(guess)) = error.get(ContextKind::SuggestedArg) {
        line += &format!(" (did you mean '{guess}'?)");
    }
    line
}

/// Describes a missing operand, or the flag that needs another.
fn missing(error: &clap::Error, command: &Command, arguments: &[OsString]) -> Option<String> {
    let names = names(error, ContextKind::InvalidArg);
    let first = names.first()?;
    if first.starts_with('<') {
        return Some(format!("no {} given", flag(first)));
    }
    let needed = names.iter().map(|name| flag(name)).collect::<Vec<_>>().join(" and ");
    Some(match dependent(&names, command, arguments) {
        Some(flag) => format!("--{flag} needs {needed}"),
        None => format!("no {needed} given"),
    })
}

/// Returns the given flag that needs the missing ones: alone, it causes the same error.
fn dependent(missing: &[String], command: &Command, arguments: &[OsString]) -> Option<String> {
    let given = command.clone().ignore_errors(true).try_get_matches_from(arguments).ok()?;
    let is_given =
        |arg: &&Arg| given.value_source(arg.get_id().as_str()) == Some(ValueSource::CommandLine);
    let any_value = |arg: Arg| match arg.get_action().takes_values() {
        true => arg.value_parser(ValueParser::os_string()),
        false => arg,
    };
    let lenient = command.clone().mut_args(any_value);
    let is_dependent = |flag: &str| {
        let with_value = |value| [String::new(), format!("--{flag}{value}")];
        ["", "=x"].into_iter().any(|value| {
            let alone = lenient.clone().try_get_matches_from(with_value(value));
            alone.is_err_and(|error| {
                error.kind() == ErrorKind::MissingRequiredArgument
                    && missing
                        .iter()
                        .all(|name| names(&error, ContextKind::InvalidArg).contains(name))
            })
        })
    };
    let flags = command.get_arguments().filter(is_given).filter_map(Arg::get_long);
    flags.into_iter().find(|flag| is_dependent(flag)).map(str::to_owned)
}

/// Describes two flags of which only one may be given.
fn conflict(error: &clap::Error) -> Option<String> {
    let one = names(error, ContextKind::InvalidArg);
    let other = names(error, ContextKind::PriorArg);
    Some(format!("{} and {} exclude each other", flag(one.first()?), flag(other.first()?)))
}

fn names(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    match error.get(kind) {
        Some(ContextValue::String(name)) => vec![name.clone()],
        Some(ContextValue::Strings(names)) => names.clone(),
        _ => Vec::new(),
    }
}

/// Returns `--flag` of `--flag <VALUE>` or `--flag[=<VALUE>]`, and `NAME` of `<NAME>` or `[NAME]...`.
fn flag(usage: &str) -> &str {
    if usage.starts_with('-') {
        return usage.split(['[', ' ', '=']).next().unwrap_or(usage);
    }
    usage.trim_matches(['<', '>', '[', ']', '.'])
}

#[cfg(test)]
mod tests {
    use super::*;
    use clap::ArgAction;

    fn described(arguments: &[&str]) -> String {
        let command = Command::new("prog")
            .args_override_self(true)
            .arg(Arg::new("file").long("file").value_name("FILE"))
            .arg(Arg::new("name").long("name").value_name("NAME"))
            .arg(Arg::new("plain").long("plain").action(ArgAction::SetTrue))
            .arg(Arg::new("age").long("age").short('a').requires("file").value_parser(parse_age))
            .arg(Arg::new("sync").long("sync").action(ArgAction::SetTrue).requires("file"))
            .arg(Arg::new("both").long("both").requires("file").requires("name"))
            .arg(Arg::new("json").long("json").action(ArgAction::SetTrue).conflicts_with("plain"))
            .arg(Arg::new("to").value_name("TO").required(true));
        let arguments: Vec<_> = arguments.iter().map(OsString::from).collect();
        let error = command.clone().try_get_matches_from(&arguments).expect_err("an error");
        describe(&error, &command, &arguments)
    }

    fn parse_age(text: &str) -> Result<u64, std::num::ParseIntError> {
        text.parse()
    }

    #[test]
    fn a_flag_needs_another() {
        assert_eq!(described(&["prog", "x", "--plain", "-a", "3"]), "--age needs --file");
        assert_eq!(described(&["prog", "x", "--name=n", "--sync"]), "--sync needs --file");
        assert_eq!(described(&["prog", "x", "--both=n"]), "--both needs --file and --name");
        assert_eq!(described(&["prog", "--plain"]), "no TO given");
    }

    #[test]
    fn flags_exclude_each_other() {
        assert_eq!(
            described(&["prog", "x", "--json", "--plain"]),
            "--json and --plain exclude each other"
        );
    }

    #[test]
    fn other_errors_keep_their_words() {
        assert_eq!(
            described(&["prog", "x", "--plan"]),
            "unexpected argument '--plan' found (did you mean '--plain'?)"
        );
    }
}
