// SPDX-License-Identifier: MIT OR Apache-2.0
//! Validates the command line and converts it to a plan.

mod positions;
mod records;

use nix::errno::Errno;
use nix::sys::signal::kill;
use nix::unistd::Pid;
use std::collections::HashMap;
use std::path::PathBuf;
use std::time::Duration;

use crate::follow::{Options, Start};
use crate::select::{Exclusion, Selection, Selector};
use heka_core::cli::{self, Showing, When, Writing, parse_size};
use heka_core::os::clock;
use heka_core::record::Splitter;
use heka_core::report::Stop;
use heka_core::wire::{Field, Message};
use regex::bytes::Regex;

use crate::charset::Charset;
use positions::plan_position;
use records::{plan_charset, plan_splitter, plan_timeout};

use crate::cli::{Cli, Following, How, InputForm, Messages, Selecting, Splitting, UuidKind};

/// Name of a stream without a differentiator, as in Heka.
const DEFAULT_STREAM: &str = "LogstreamerInput";

/// Default limit on a record, so that every Heka receiver accepts the message.
pub(crate) const MAX_LINE: usize = 60 * 1024;
/// Default limit where only the payload is written: the memory used for a file.
pub(crate) const MAX_PAYLOAD: usize = 16 << 20;

/// Default limit on the message of a frame, as in all tools.
const MAX_MESSAGE: usize = 4 << 20;

/// Files of a selection that have not been written to for this time are skipped, as in Heka.
const OLDEST: Duration = Duration::from_secs(720 * 3600);

/// The validated task.
#[derive(Debug)]
pub(crate) enum Plan {
    /// Show a checkpoint file.
    Show(PathBuf),
    /// Follow files.
    Follow(Box<Job>),
}

/// The files to follow, and how.
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
    /// Maximum age of the last write for files of patterns; older files are skipped.
    pub(crate) oldest: Option<Duration>,
    /// Time after which discovered streams without a file are forgotten.
    pub(crate) forget_after: Option<Duration>,
    pub(crate) position: Position,
    /// Whether the directory of the position file may be created.
    pub(crate) makes_folder: bool,
    pub(crate) journals: Vec<PathBuf>,
    pub(crate) splitter: Splitter,
    /// The splitter for payloads, which Heka's limit does not apply to.
    pub(crate) payload_splitter: Splitter,
    /// Whether the user set a limit on records.
    pub(crate) is_limited: bool,
    pub(crate) charset: Option<Charset>,
    /// Name of the field for a file's path.
    pub(crate) path_field: Option<String>,
    /// Expression whose groups in a file's path become fields.
    pub(crate) path_regex: Option<Regex>,
    /// Whether records end with a single byte.
    pub(crate) is_delimited: bool,
    /// The byte written after a payload that does not end with one.
    pub(crate) delimiter: u8,
    pub(crate) chomp: bool,
    pub(crate) incomplete: bool,
    pub(crate) uuid: UuidKind,
    pub(crate) showing: Showing,
    pub(crate) color: When,
    /// Whether the lag is reported.
    pub(crate) counts: bool,
    pub(crate) logger: Option<String>,
    /// The common parts of all messages, except the logger.
    pub(crate) message: Message,
    pub(crate) headers: bool,
    pub(crate) writing: Writing,
}

/// The treatment of positions.
#[derive(Clone, Debug)]
pub(crate) enum Position {
    /// Positions are not kept.
    Forget,
    /// Positions are read from a file and stored in it.
    Keep(PathBuf, Every),
    /// Positions are read from a file and sent with the messages.
    HandOn(PathBuf),
}

/// How often a position file is saved.
#[derive(Clone, Copy, Debug)]
pub(crate) enum Every {
    Records(u64),
    Time(Duration),
}

impl Job {
    /// Whether all processes of `--pid` are dead.
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
        self.refuse()?;
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
        let path_regex = self.messages.path_regex.as_deref().map(plan_path_regex).transpose()?;
        let goes_on = !matches!(position, Position::Forget);
        let timeout = plan_timeout(&self.splitting, &splitter);
        let options = plan_options(&self.following, &self.splitting, goes_on, timeout)?;
        let message = plan_message(&self.messages)?;
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

    /// Rejects combinations that make no sense.
    fn refuse(&self) -> Result<(), Stop> {
        if self.files.is_empty() && self.selecting.log_directory.is_none() {
            return Err(Stop::usage("no FILE given"));
        }
        if self.files.iter().any(|file| file.as_os_str() == "-") {
            return Err(Stop::usage("cannot follow standard input; use heka-encode"));
        }
        let is_for_text = self.splitting.is_for_text() || self.messages.is_for_text();
        if self.splitting.input == InputForm::Heka
            && (is_for_text || self.following.lines.is_some())
        {
            return Err(Stop::usage(
                "-i heka reads messages unchanged: flags for text do not apply",
            ));
        }
        Ok(())
    }
}

fn plan_options(
    following: &Following,
    splitting: &Splitting,
    goes_on: bool,
    timeout: Option<Duration>,
) -> Result<Options, Stop> {
    Ok(Options {
        start: plan_start(following.lines.as_deref(), following.bytes.as_deref())?,
        delimiter: if splitting.null { 0 } else { splitting.delimiter },
        follow: !following.no_follow,
        wait_for_files: !following.no_retry,
        by_name: following.follow != Some(How::Descriptor),
        rotate_wait: following.rotate_wait,
        goes_on,
        timeout,
        unpacks: !following.no_gzip_rotated,
        sleep_interval: following.sleep_interval.max(Duration::from_millis(1)),
        rotated_directories: following.rotated_directory.clone(),
    })
}

/// Returns the common parts of all messages.
fn plan_message(messages: &Messages) -> Result<Message, Stop> {
    let fields = messages.field.iter().map(|text| plan_field(text));
    Ok(Message {
        r#type: Some(messages.type_.clone().into()),
        severity: Some(messages.severity),
        hostname: Some(messages.hostname.clone().unwrap_or_else(clock::hostname).into()),
        env_version: messages.env_version.clone().map(Into::into),
        fields: fields.collect::<Result<_, _>>()?,
        ..Message::default()
    })
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

fn plan_path_regex(text: &str) -> Result<Regex, Stop> {
    Regex::new(text).map_err(|error| {
        let cause = error.to_string();
        let last = cause.lines().last().unwrap_or_default().trim_start_matches("error: ");
        Stop::usage(format_args!("invalid value '{text}' for '--path-regex': {last}"))
    })
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
