// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the messages of one file have in common.

use std::path::Path;

use heka_core::wire::{Field, Message, Template};
use regex::bytes::Regex;

use crate::plan::Job;

/// What makes messages those of a stream and of a file.
#[derive(Debug)]
pub(crate) struct Labels {
    message: Message,
    logger: Option<String>,
    path_field: Option<String>,
    path_regex: Option<Regex>,
}

impl Labels {
    pub(crate) fn new(job: &Job) -> Self {
        Self {
            message: job.message.clone(),
            logger: job.logger.clone(),
            path_field: job.path_field.clone(),
            path_regex: job.path_regex.clone(),
        }
    }

    /// Whether messages of two files of a stream differ.
    pub(crate) fn are_of_files(&self) -> bool {
        self.path_field.is_some() || self.path_regex.is_some()
    }

    /// All but the payload of the messages of the stream `name`, from the file at `path`.
    pub(crate) fn template(&self, name: &str, path: &Path) -> Template {
        let logger = self.logger.as_deref().unwrap_or(name).to_owned();
        let mut message = Message { logger: Some(logger.into()), ..self.message.clone() };
        if let Some(field) = &self.path_field {
            let path = path.to_string_lossy().into_owned();
            message.fields.push(Field::string(field.clone(), path));
        }
        message.fields.extend(self.found(path));
        Template::new(&message, None)
    }

    /// A field for each named group that has text.
    fn found(&self, path: &Path) -> Vec<Field> {
        let bytes = path.as_os_str().as_encoded_bytes();
        let regex = self.path_regex.as_ref();
        let Some((regex, captures)) = regex.and_then(|regex| Some((regex, regex.captures(bytes)?)))
        else {
            return Vec::new();
        };
        let names = regex.capture_names().flatten();
        names
            .filter_map(|name| {
                let text = String::from_utf8_lossy(captures.name(name)?.as_bytes()).into_owned();
                Some(Field::string(name.to_owned(), text))
            })
            .collect()
    }
}
