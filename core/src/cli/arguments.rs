// SPDX-License-Identifier: MIT OR Apache-2.0
//! Arguments from files, for command lines that are too long for a unit or a crontab: `@FILE`,
//! which must contain a slash, is replaced by the lines of the file. `@NAME` without a slash is an
//! abstract socket. The values of some flags can be read from files in the same way.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io;
use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
use std::path::Path;

use clap::{Arg, Command};

use crate::os::read_file;
use crate::report::{Cause as _, Stop};

/// Maximum size of an argument file.
const MAX_FILE: u64 = 1 << 20;

/// Returns `arguments` with those from files inserted. Arguments after `--`, and values of options
/// of `command`, are unchanged.
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
    let text = contents(path)
        .map_err(|error| Stop::usage(format_args!("@{}: {}", path.display(), error.cause())))?;
    Ok(lines(&text).map(|(_, line)| OsString::from_vec(line.to_vec())).collect())
}

fn contents(path: &Path) -> io::Result<Vec<u8>> {
    File::open(path).and_then(|file| read_file(&file, MAX_FILE))
}

/// Returns the significant lines with their numbers.
fn lines(text: &[u8]) -> impl Iterator<Item = (usize, &[u8])> {
    let lines = text.split(|&byte| byte == b'\n').map(<[u8]>::trim_ascii);
    (1..).zip(lines).filter(|(_, line)| !line.is_empty() && !line.starts_with(b"#"))
}

/// A value of a flag.
#[derive(Debug, PartialEq, Eq)]
pub struct Given {
    /// Its origin, for messages: the flag, or `FILE:LINE`.
    pub place: String,
    /// The value.
    pub text: String,
}

/// Returns the values in `text`, the value of `flag`: the text itself, or the lines of `@FILE`.
///
/// # Errors
/// `FLAG: @FILE: CAUSE`, status 2; also if the file has no values, or one is not text.
pub fn given(flag: &str, text: &str) -> Result<Vec<Given>, Stop> {
    let Some(path) = file_of(OsStr::new(text)) else {
        return Ok(vec![Given { place: flag.to_owned(), text: text.to_owned() }]);
    };
    let wrong = |cause: &str| Stop::usage(format_args!("{flag}: {text}: {cause}"));
    let bytes = contents(path).map_err(|error| wrong(&error.cause()))?;
    let mut all = Vec::new();
    for (number, line) in lines(&bytes) {
        let line = str::from_utf8(line).map_err(|_| wrong(&format!("line {number}: not UTF-8")))?;
        let place = format!("{}:{number}", path.display());
        all.push(Given { place, text: line.to_owned() });
    }
    if all.is_empty() { Err(wrong("contains no value")) } else { Ok(all) }
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
    fn values_of_a_flag_come_from_a_file() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("regex");
        let file = format!("@{}", path.display());
        let given = |text: &str| given("--regex", text);
        let wrong = |text: &str| match given(text) {
            Err(Stop::Error { text, .. }) => text,
            other => panic!("{other:?}"),
        };
        let place = "--regex".to_owned();
        assert_eq!(given("@a").unwrap(), [Given { place, text: "@a".to_owned() }]);
        std::fs::write(&path, "# first\n\n a b \r\n").unwrap();
        let place = format!("{}:3", path.display());
        assert_eq!(given(&file).unwrap(), [Given { place, text: "a b".to_owned() }]);
        std::fs::write(&path, "# nothing\n").unwrap();
        assert_eq!(wrong(&file), format!("--regex: {file}: contains no value"));
        std::fs::write(&path, b"a\n\xff\n").unwrap();
        assert_eq!(wrong(&file), format!("--regex: {file}: line 2: not UTF-8"));
        assert_eq!(wrong("@./missing"), "--regex: @./missing: No such file or directory");
    }

    #[test]
    fn a_file_that_is_missing_is_a_wrong_command_line() {
        let Err(Stop::Error { text, .. }) = expanded(&["prog", "@/missing/args"]) else { panic!() };
        assert_eq!(text, "@/missing/args: No such file or directory");
    }
}
