// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-decode.

use clap::{Parser, ValueEnum};
use heka_core::cli::{Common, Tool, Writing, parse_buffer_size};
use heka_core::exit::Stop;

/// Turn Heka messages into text
///
/// Reads framed messages from FILEs, or standard input, and writes their payloads, or what else
/// is asked for, to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<String>,
    /// Form of the output
    #[arg(short, long, value_name = "FORM", default_value = "payload")]
    output: Form,
    /// Print only the number of messages
    #[arg(short, long)]
    count: bool,
    /// Longest message taken
    #[arg(long, value_name = "SIZE", default_value = "4M", value_parser = parse_buffer_size)]
    max_message_size: usize,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// The payloads, one a line.
    Payload,
    /// The frames, unchanged.
    Heka,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-decode";
    fn common(&self) -> &Common {
        &self.common
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<String>,
    pub(crate) form: Form,
    pub(crate) count: bool,
    pub(crate) max_message_size: usize,
    pub(crate) writing: Writing,
}

impl Cli {
    pub(crate) fn plan(self) -> Result<Plan, Stop> {
        let mut files = self.files;
        if files.is_empty() {
            files.push("-".to_owned());
        }
        if files.iter().filter(|file| *file == "-").count() > 1 {
            return Err(Stop::usage("standard input can be read only once"));
        }
        Ok(Plan {
            files,
            form: self.output,
            count: self.count,
            max_message_size: self.max_message_size,
            writing: self.writing,
        })
    }
}
