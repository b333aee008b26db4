// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common parts of the messages of one file.

use std::path::{Path, PathBuf};

use heka_core::wire::{Field, Message, Template};
use regex::bytes::Regex;

use crate::plan::Job;

/// The parts of messages that depend on the stream and the file.
#[derive(Debug)]
pub(crate) struct Labels {
    message: Message,
    /// Whether all messages have the same logger.
    has_logger: bool,
    path_field: Option<String>,
    path_regex: Option<Regex>,
    template: Template,
    /// The stream and the file of the current template.
    stream: Option<usize>,
    path: PathBuf,
}

impl Labels {
    pub(crate) fn new(job: &Job) -> Self {
        let logger = job.logger.clone();
        let has_logger = logger.is_some();
        let message = Message { logger: logger.map(Into::into), ..job.message.clone() };
        Self {
            has_logger,
            path_field: job.path_field.clone(),
            path_regex: job.path_regex.clone(),
            template: Template::new(&message, None),
            message,
            stream: None,
            path: PathBuf::new(),
        }
    }

    /// Selects the stream and the file of the next messages: stream number `stream`, called `name`,
    /// and the file at `path`.
    #[inline]
    pub(crate) fn select(&mut self, stream: usize, name: &str, path: &Path) {
        let is_same_stream = self.stream == Some(stream);
        if self.are_of_files() && !(is_same_stream && self.path == path) {
            let mut message = self.message.clone();
            self.add_fields(&mut message.fields, path);
            self.template = Template::new(&message, None);
            self.path = path.to_owned();
        } else if is_same_stream {
            return;
        }
        self.stream = Some(stream);
        if !self.has_logger {
            self.template.set_logger(Some(name.as_bytes()));
        }
    }

    /// Forgets a removed stream, whose number may be reused.
    pub(crate) fn forget(&mut self, stream: usize) {
        self.stream = self.stream.filter(|last| *last != stream);
    }

    /// Returns the template of a message, which lacks only the payload.
    #[inline]
    pub(crate) fn template(&mut self) -> &mut Template {
        &mut self.template
    }

    /// Whether the messages of two files of a stream differ.
    fn are_of_files(&self) -> bool {
        self.path_field.is_some() || self.path_regex.is_some()
    }

    /// Adds a field with the path, and one for each named group that matched.
    fn add_fields(&self, fields: &mut Vec<Field>, path: &Path) {
        if let Some(field) = &self.path_field {
            fields.push(Field::string(field.clone(), path.to_string_lossy().into_owned()));
        }
        let bytes = path.as_os_str().as_encoded_bytes();
        let regex = self.path_regex.as_ref();
        let Some((regex, captures)) = regex.and_then(|regex| Some((regex, regex.captures(bytes)?)))
        else {
            return;
        };
        for name in regex.capture_names().flatten() {
            if let Some(text) = captures.name(name) {
                let text = String::from_utf8_lossy(text.as_bytes()).into_owned();
                fields.push(Field::string(name.to_owned(), text));
            }
        }
    }
}
