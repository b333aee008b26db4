// SPDX-License-Identifier: MIT OR Apache-2.0
//! The command line of heka-encode.

use clap::{Parser, ValueEnum};
use heka_core::cli::{Common, Tool, Writing, parse_byte, parse_severity};
use heka_core::clock;
use heka_core::exit::Stop;
use heka_core::wire::{Message, Template};

/// Turn text into Heka messages
///
/// Reads FILEs, or standard input, and writes one framed message per line to standard output.
#[derive(Debug, Parser)]
pub(crate) struct Cli {
    /// Files to read; - is standard input
    #[arg(value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    files: Vec<String>,
    /// Form of the messages written
    #[arg(short, long, value_name = "FORM")]
    output: Option<Form>,
    /// Byte that ends a record
    #[arg(short, long, value_name = "BYTE", default_value = "\\n", value_parser = parse_byte)]
    delimiter: u8,
    /// Records end with NUL
    #[arg(short = '0', long, conflicts_with = "delimiter")]
    null: bool,
    /// Type of the messages
    #[arg(short = 't', long = "type", value_name = "TYPE")]
    type_: Option<String>,
    /// Logger of the messages
    #[arg(short, long, value_name = "LOGGER", default_value = "heka-encode")]
    logger: String,
    /// Hostname of the messages; this host's if absent
    #[arg(short = 'H', long, value_name = "HOSTNAME")]
    hostname: Option<String>,
    /// Severity, a number or a name such as err
    #[arg(short = 'S', long, value_name = "SEVERITY", default_value = "7", value_parser = parse_severity)]
    severity: i32,
    #[command(flatten)]
    writing: Writing,
    #[command(flatten)]
    common: Common,
}

/// Forms of output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Form {
    /// Framed messages.
    Heka,
    /// The payloads, one a line.
    Payload,
}

impl Tool for Cli {
    const NAME: &'static str = "heka-encode";
    fn common(&self) -> &Common {
        &self.common
    }
}

/// What is to be done, checked.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) files: Vec<String>,
    pub(crate) form: Option<Form>,
    pub(crate) delimiter: u8,
    pub(crate) template: Template,
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
        let message = Message {
            r#type: self.type_.map(Into::into),
            logger: Some(self.logger.into()),
            severity: Some(self.severity),
            hostname: Some(self.hostname.unwrap_or_else(clock::hostname).into()),
            ..Message::default()
        };
        Ok(Plan {
            files,
            form: self.output,
            delimiter: if self.null { 0 } else { self.delimiter },
            template: Template::new(&message, None),
            writing: self.writing,
        })
    }
}
