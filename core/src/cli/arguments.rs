// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments from files, for command lines that are too long for a unit or a crontab: `@FILE`, with
//! a slash in it, is replaced by the lines of the file. `@NAME` without one is an abstract socket.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use clap::{Arg, Command};

use crate::os::read_file;
use crate::report::{Cause as _, Stop};

/// Longest file of arguments.
const MAX_FILE: u64 = 1 << 20;

/// `arguments` with those of files in their places. What follows `--`, or an option of `command`
/// that takes a value, is taken as it is.
///
/// # Errors
/// `@FILE: CAUSE`, status 2.
pub(super) fn expand(arguments: Vec<OsString>, command: &Command) -> Result<Vec<OsString>, Stop> {
    if !arguments.iter().any(|argument| file_of(argument).is_some()) {
        return Ok(arguments);
    }
    let mut expanded = Vec::new();
    let (mut are_options, mut is_value) = (true, false);
    for argument in arguments {
        are_options &= argument != "--";
        match file_of(&argument).filter(|_| are_options && !is_value) {
            Some(path) => expanded.extend(read(path)?),
            None => expanded.push(argument),
        }
        is_value = expanded.last().is_some_and(|last| awaits_value(last, command));
    }
    Ok(expanded)
}

/// Whether the next argument is the value of this one.
fn awaits_value(argument: &OsStr, command: &Command) -> bool {
    let Some(argument) = argument.to_str() else { return false };
    let takes = |arg: &Arg| arg.get_action().takes_values() && !arg.is_require_equals_set();
    let mut all = command.get_arguments();
    if let Some(name) = argument.strip_prefix("--") {
        let is_it = |arg: &Arg| {
            let aliases = arg.get_all_aliases().unwrap_or_default();
            arg.get_long() == Some(name) || aliases.contains(&name)
        };
        return all.any(|arg| is_it(arg) && takes(arg));
    }
    let last = argument.strip_prefix('-').and_then(|letters| letters.chars().last());
    last.is_some_and(|letter| all.any(|arg| arg.get_short() == Some(letter) && takes(arg)))
}

fn file_of(argument: &OsStr) -> Option<&Path> {
    let path = argument.as_bytes().strip_prefix(b"@")?;
    path.contains(&b'/').then(|| Path::new(OsStr::from_bytes(path)))
}

fn read(path: &Path) -> Result<Vec<OsString>, Stop> {
    let text = File::open(path).and_then(|file| read_file(&file, MAX_FILE));
    let text =
        text.map_err(|error| Stop::usage(format_args!("@{}: {}", path.display(), error.cause())))?;
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    let arguments = lines.filter(|line| !line.is_empty() && !line.starts_with(b"#"));
    Ok(arguments.map(|line| OsString::from_vec(line.to_vec())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn expanded(arguments: &[&str]) -> Result<Vec<OsString>, Stop> {
        let command = Command::new("prog")
            .arg(Arg::new("header").short('H').long("header").action(clap::ArgAction::Append))
            .arg(Arg::new("x").short('x').action(clap::ArgAction::SetTrue));
        expand(arguments.iter().map(OsString::from).collect(), &command)
    }

    #[test]
    fn lines_of_a_file_are_arguments() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("args");
        std::fs::write(&path, "# what to do\n\n-n\n 3 \r\n--match=a b # c\n@nested/file").unwrap();
        let file = format!("@{}", path.display());
        let all = expanded(&["prog", "-x", &file, "@name", "--", &file]).unwrap();
        let wanted = ["prog", "-x", "-n", "3", "--match=a b # c", "@nested/file", "@name", "--"];
        assert_eq!(all, [&wanted[..], &[file.as_str()]].concat());
    }

    #[test]
    fn the_value_of_an_option_is_its_own() {
        for option in ["-H", "--header", "-xH"] {
            let all = expanded(&["prog", option, "@/missing/headers"]).unwrap();
            assert_eq!(all.last().unwrap(), "@/missing/headers");
        }
        assert!(expanded(&["prog", "-x", "@/missing/args"]).is_err());
    }

    #[test]
    fn a_file_that_is_missing_is_a_wrong_command_line() {
        let Err(Stop::Error { text, .. }) = expanded(&["prog", "@/missing/args"]) else { panic!() };
        assert_eq!(text, "@/missing/args: No such file or directory");
    }
}
