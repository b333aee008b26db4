// SPDX-License-Identifier: MIT OR Apache-2.0
//! From what was typed to what is to be done.

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::collections::HashMap;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::follow::{Options, Start};
use crate::select::{Exclusion, Selection, Selector};
use heka_core::cli::{self, Showing, When, Writing, parse_duration, parse_size};
use heka_core::delivery::checkpoint::short_hash;
use heka_core::os::clock;
use heka_core::record::{self, Framing, Group, Limit, Pattern, Splitter};
use heka_core::report::{Explain as _, Stop};
use heka_core::wire::{Field, Message};
use regex::bytes::Regex;

use crate::charset::Charset;
use crate::cli::{At, Cli, How, InputForm, PositionArgs, Selecting, Splitting, UuidKind};

/// Name of a stream whose parts of a name were not given, as in Heka.
const DEFAULT_STREAM: &str = "LogstreamerInput";

/// Longest record by default, so that every Heka receiver takes the message.
pub(crate) const MAX_LINE: usize = 60 * 1024;
/// The same where only the payload is written: what is kept in memory of a file.
pub(crate) const MAX_PAYLOAD: usize = 16 << 20;

/// Longest message of a frame by default, as in all tools.
const MAX_MESSAGE: usize = 4 << 20;

/// Files of a selection that were last written longer ago are left out, as in Heka.
const OLDEST: Duration = Duration::from_secs(720 * 3600);

/// So many bytes of an operand stand in the name of a checkpoint file.
const READABLE: usize = 100;

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Show a checkpoint file.
    Show(PathBuf),
    /// Follow files.
    Follow(Box<Job>),
}

/// What to follow and how.
#[derive(Debug)]
pub(crate) struct Job {
    pub(crate) files: Vec<PathBuf>,
    pub(crate) selection: Option<Selection>,
    pub(crate) options: Options,
    pub(crate) sleep_interval: Duration,
    pub(crate) rescan_interval: Duration,
    pub(crate) use_polling: bool,
    pub(crate) busy_rate: u64,
    pub(crate) pids: Vec<i32>,
    pub(crate) exclusion: Exclusion,
    /// Files of patterns that were last written longer ago are left out.
    pub(crate) oldest: Option<Duration>,
    /// When streams that nobody has named are forgotten.
    pub(crate) forget_after: Option<Duration>,
    pub(crate) position: Position,
    /// Whether the folder of the position file is ours to make.
    pub(crate) makes_folder: bool,
    pub(crate) journals: Vec<PathBuf>,
    pub(crate) splitter: Splitter,
    /// The same for payloads, which no limit of Heka concerns.
    pub(crate) payload_splitter: Splitter,
    /// Whether the user limits records.
    pub(crate) is_limited: bool,
    pub(crate) charset: Option<Charset>,
    /// Name of the field with a file's path.
    pub(crate) path_field: Option<String>,
    /// What makes fields of a file's path.
    pub(crate) path_regex: Option<Regex>,
    /// Whether records end with one byte.
    pub(crate) is_delimited: bool,
    /// The byte that ends a payload of its own accord.
    pub(crate) delimiter: u8,
    pub(crate) chomp: bool,
    pub(crate) incomplete: bool,
    pub(crate) uuid: UuidKind,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    /// Whether somebody wants to know how far behind it is.
    pub(crate) counts: bool,
    pub(crate) logger: Option<String>,
    /// What all messages have in common, but the logger.
    pub(crate) message: Message,
    pub(crate) headers: bool,
    pub(crate) writing: Writing,
}

/// What is done with positions.
#[derive(Clone, Debug)]
pub(crate) enum Position {
    /// They are forgotten.
    Forget,
    /// They are read from and kept in a file.
    Keep(PathBuf, Every),
    /// They are read from a file and handed on with the messages.
    HandOn(PathBuf),
}

/// How often a position file is saved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Every {
    Records(u64),
    Time(Duration),
}

impl Job {
    /// Whether all processes are dead that it was to end with.
    pub(crate) fn is_abandoned(&self) -> bool {
        let is_dead = |&pid: &i32| kill(Pid::from_raw(pid), None) == Err(Errno::ESRCH);
        !self.pids.is_empty() && self.pids.iter().all(is_dead)
    }
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        if let Some(path) = self.position.show_checkpoint {
            return Ok(Plan::Show(path));
        }
        if self.files.is_empty() && self.selecting.log_directory.is_none() {
            return Err(Stop::usage("which FILE?"));
        }
        if self.files.iter().any(|file| file.as_os_str() == "-") {
            return Err(Stop::usage("standard input is no file to follow; heka-encode reads it"));
        }
        let is_for_text = self.splitting.is_for_text() || self.messages.is_for_text();
        if self.splitting.input == InputForm::Heka
            && (is_for_text || self.following.lines.is_some())
        {
            return Err(Stop::usage(
                "-i heka takes messages as they are: no flag of text is for it",
            ));
        }
        let follow = !self.following.no_follow;
        let position = plan_position(&self.position, &self.files, &self.selecting)?;
        let incomplete = match position {
            Position::Forget => !follow && !self.splitting.no_incomplete,
            _ => false,
        };
        let limit = |default| self.splitting.max_record.unwrap_or(default);
        let splitter = plan_splitter(&self.splitting, limit(MAX_LINE))?;
        let payload_splitter = plan_splitter(&self.splitting, limit(MAX_PAYLOAD))?;
        let charset = plan_charset(&self.splitting)?;
        let path_regex = self.messages.path_regex.as_deref();
        let path_regex = path_regex.map(plan_path_regex).transpose()?;
        let options = Options {
            start: plan_start(self.following.lines.as_deref(), self.following.bytes.as_deref())?,
            delimiter: if self.splitting.null { 0 } else { self.splitting.delimiter },
            follow,
            wait_for_files: !self.following.no_retry,
            by_name: self.following.follow != Some(How::Descriptor),
            rotate_wait: self.following.rotate_wait,
            goes_on: !matches!(position, Position::Forget),
            timeout: splitter.holds_back().then_some(self.splitting.multiline_timeout),
            unpacks: !self.following.no_gzip_rotated,
            sleep_interval: self.following.sleep_interval.max(Duration::from_millis(1)),
            rotated_directories: self.following.rotated_directory,
        };
        let message = Message {
            r#type: Some(self.messages.type_.into()),
            severity: Some(self.messages.severity),
            hostname: Some(self.messages.hostname.unwrap_or_else(clock::hostname).into()),
            env_version: self.messages.env_version.map(Into::into),
            fields: self
                .messages
                .field
                .iter()
                .map(|text| plan_field(text))
                .collect::<Result<_, _>>()?,
            ..Message::default()
        };
        let is_byte = self.splitting.delimiter_regex.is_none();
        Ok(Plan::Follow(Box::new(Job {
            delimiter: if is_byte { options.delimiter } else { b'\n' },
            options,
            files: self.files,
            selection: plan_selection(
                self.selecting,
                self.following.oldest,
                plan_exclusion(&self.following.exclude)?,
            )?,
            sleep_interval: self.following.sleep_interval.max(Duration::from_millis(1)),
            rescan_interval: self.following.rescan_interval.max(Duration::from_millis(1)),
            use_polling: self.following.use_polling,
            busy_rate: self.following.busy_rate,
            pids: self.following.pid,
            exclusion: plan_exclusion(&self.following.exclude)?,
            oldest: self.following.oldest.filter(|oldest| !oldest.is_zero()),
            forget_after: Some(self.following.forget_after).filter(|after| !after.is_zero()),
            position,
            makes_folder: matches!(self.position.checkpoint, Some(None)),
            journals: self.position.import_journal,
            splitter,
            payload_splitter,
            is_limited: self.splitting.max_record.is_some(),
            is_delimited: self.splitting.delimiter_regex.is_none(),
            charset,
            path_field: self.messages.path_field,
            path_regex,
            chomp: self.splitting.chomp,
            incomplete: incomplete || self.splitting.incomplete,
            uuid: self.position.uuid,
            showing: self.messages.showing,
            color: self.common.color,
            counts: self.common.reporting.counts(),
            logger: self.messages.logger,
            message,
            headers: self.messages.headers,
            writing: self.writing,
        })))
    }
}

fn plan_start(lines: Option<&str>, bytes: Option<&str>) -> Result<Start, Stop> {
    let (text, is_lines) = match (lines, bytes) {
        (Some(lines), _) => (lines, true),
        (None, Some(bytes)) => (bytes, false),
        (None, None) => return Ok(Start::default()),
    };
    let (number, make): (_, fn(u64) -> Start) = match (text.strip_prefix('+'), is_lines) {
        (Some(number), true) => (number, Start::Line),
        (Some(number), false) => (number, Start::Byte),
        (None, true) => (text.strip_prefix('-').unwrap_or(text), Start::LastLines),
        (None, false) => (text.strip_prefix('-').unwrap_or(text), Start::LastBytes),
    };
    let flag = if is_lines { "--lines" } else { "--bytes" };
    // More than any file has.
    let is_huge = number.len() > 19 && number.bytes().all(|byte| byte.is_ascii_digit());
    let number = if is_huge { Ok(u64::MAX) } else { parse_size(number) };
    number
        .map(make)
        .map_err(|cause| Stop::usage(format_args!("invalid value '{text}' for '{flag}': {cause}")))
}

fn plan_field(text: &str) -> Result<Field, Stop> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => {
            Ok(Field::string(name.to_owned(), value.to_owned()))
        }
        _ => Err(Stop::usage(format_args!("invalid value '{text}' for '--field': NAME=VALUE"))),
    }
}

fn is_grouped(splitting: &Splitting) -> bool {
    splitting.multiline_start.is_some() || splitting.multiline_continue.is_some()
}

fn plan_path_regex(text: &str) -> Result<Regex, Stop> {
    Regex::new(text).map_err(|error| {
        let cause = error.to_string();
        let last = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Stop::usage(format_args!("invalid value '{text}' for '--path-regex': {last}"))
    })
}

/// Records in two-byte units end with one of them.
fn plan_charset(splitting: &Splitting) -> Result<Option<Charset>, Stop> {
    let Some(name) = &splitting.encoding else { return Ok(None) };
    let charset = Charset::named(name).ok_or_else(|| {
        Stop::usage(format_args!(
            "invalid value '{name}' for '--encoding': not in the Encoding Standard"
        ))
    })?;
    let is_special = splitting.delimiter_regex.is_some()
        || splitting.delimiter_count != 1
        || splitting.oversize != record::Oversize::Split
        || is_grouped(splitting);
    if charset.is_wide() && is_special {
        return Err(Stop::usage(
            "--encoding: UTF-16 is read in lines only, and long ones are split",
        ));
    }
    Ok(Some(charset))
}

fn plan_splitter(splitting: &Splitting, size: usize) -> Result<Splitter, Stop> {
    if splitting.input == InputForm::Heka {
        return Ok(Splitter::frames(splitting.max_record.unwrap_or(MAX_MESSAGE)));
    }
    let limit = Limit { size, oversize: splitting.oversize };
    let splitter = match &splitting.delimiter_regex {
        None => {
            let byte = if splitting.null { 0 } else { splitting.delimiter };
            Splitter::new(Framing::Counted(byte, splitting.delimiter_count), limit)
        }
        Some(text) => {
            let at = match splitting.delimiter_at {
                At::End => record::At::End,
                At::Start => record::At::Start,
            };
            let pattern = Pattern::new(text, at)
                .map_err(|mistake| cli::mistaken("--delimiter-regex", text, &mistake))?;
            Splitter::by_pattern(pattern, limit)
        }
    };
    if !is_grouped(splitting) {
        return Ok(splitter);
    }
    let regex =
        |text: &Option<String>, flag| text.as_ref().map(|text| cli::regex(flag, text)).transpose();
    Ok(splitter.grouped(Group {
        start: regex(&splitting.multiline_start, "--multiline-start")?,
        continuation: regex(&splitting.multiline_continue, "--multiline-continue")?,
    }))
}

fn plan_position(
    args: &PositionArgs,
    files: &[PathBuf],
    selecting: &Selecting,
) -> Result<Position, Stop> {
    if let Some(path) = &args.resume {
        return Ok(Position::HandOn(path.clone()));
    }
    let Some(path) = &args.checkpoint else { return Ok(Position::Forget) };
    let text = &args.checkpoint_every;
    let every = match text.parse() {
        Ok(0) => Err("must be more than 0".to_owned()),
        Ok(records) => Ok(Every::Records(records)),
        Err(_) => parse_duration(text).map(Every::Time),
    };
    let every = every.map_err(|cause| {
        Stop::usage(format_args!("invalid value '{text}' for '--checkpoint-every': {cause}"))
    })?;
    let path = match path {
        Some(path) => path.clone(),
        None => default_checkpoint(files, selecting)?,
    };
    Ok(Position::Keep(path, every))
}

/// A file of its own in the user's state directory for each set of operands, or selection.
#[expect(clippy::disallowed_methods, reason = "the environment is read in the plan")]
fn default_checkpoint(files: &[PathBuf], selecting: &Selecting) -> Result<PathBuf, Stop> {
    let state =
        std::env::var_os("XDG_STATE_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
    let home = || std::env::var_os("HOME").map(|home| Path::new(&home).join(".local/state"));
    let state = state.or_else(home).ok_or_else(|| {
        Stop::usage("--checkpoint needs a FILE: neither XDG_STATE_HOME nor HOME is set")
    })?;
    let mut all = Vec::new();
    let mut last = String::new();
    for path in files.iter().chain(&selecting.log_directory) {
        let path = std::path::absolute(path).at(path.display())?;
        all.extend_from_slice(path.as_os_str().as_encoded_bytes());
        all.push(0);
        last = path.to_string_lossy().replace('/', "!");
    }
    // What puts files into streams; the rest only sorts them.
    for part in selecting.file_match.iter().chain(&selecting.differentiator) {
        all.extend_from_slice(part.as_bytes());
        all.push(0);
    }
    let start = last.len().saturating_sub(READABLE);
    let start = (start..last.len()).find(|&at| last.is_char_boundary(at)).unwrap_or(0);
    let name = last.get(start..).unwrap_or_default();
    Ok(state.join("heka-tail").join(format!("{name}#{}.checkpoint", short_hash(&all))))
}

fn plan_exclusion(patterns: &[String]) -> Result<Exclusion, Stop> {
    Exclusion::new(patterns).map_err(|pattern| {
        Stop::usage(format_args!("invalid value '{pattern}' for '--exclude': unclosed bracket"))
    })
}

fn plan_selection(
    selecting: Selecting,
    oldest: Option<Duration>,
    exclusion: Exclusion,
) -> Result<Option<Selection>, Stop> {
    let (Some(directory), Some(file_match)) = (selecting.log_directory, selecting.file_match)
    else {
        return Ok(None);
    };
    cli::regex("--file-match", &file_match)?;
    let mut translation: HashMap<String, HashMap<String, i64>> = HashMap::new();
    for (group, text, number) in selecting.translation {
        translation.entry(group).or_default().insert(text, number);
    }
    let mut differentiator = selecting.differentiator;
    if differentiator.is_empty() {
        differentiator.push(DEFAULT_STREAM.to_owned());
    }
    let selector = Selector {
        directory,
        file_match,
        priority: selecting.priority,
        differentiator,
        translation,
        oldest: Some(oldest.unwrap_or(OLDEST)).filter(|oldest| !oldest.is_zero()),
    };
    Selection::new(selector, exclusion).map(Some).map_err(Stop::usage)
}
