// SPDX-License-Identifier: MIT OR Apache-2.0
//! The token that requests carry: where it comes from, and a new one before it runs out.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use heka_core::clock;
use heka_core::diag;
use heka_core::exit::{Cause as _, Stop};

use crate::config::{Config, read_private};
use crate::failure::Failure;
use crate::http::Http;
use crate::secret::Secret;
use crate::token::Token;
use crate::uaa;

/// A token with less time left than this many seconds is replaced.
const MARGIN: i64 = 60;

/// Where tokens come from.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file that holds one; `-` is standard input.
    File(PathBuf),
    /// `CF_ACCESS_TOKEN`.
    Given(Secret),
    /// A shell command that prints one.
    Command(String),
    /// cf's config.json, and the UAA that it names.
    Config,
    /// None: some servers want none.
    Nowhere,
}

/// The token, kept fresh.
#[derive(Debug)]
pub(crate) struct Access {
    source: Source,
    token: Option<Token>,
    refresh: Option<Secret>,
    force: bool,
    save: bool,
}

impl Access {
    /// From `source`. `force` takes a file that others can read, `save` stores refreshed tokens.
    pub(crate) fn new(source: Source, force: bool, save: bool) -> Self {
        Self { source, token: None, refresh: None, force, save }
    }

    /// The token for the next request: got at the first call, replaced shortly before it runs out.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn token(&mut self, http: &Http, config: &Config) -> Result<Option<Token>, Failure> {
        if self.token.is_none() {
            self.token = self.first(config)?;
        }
        let runs_out = self.left().is_some_and(|left| left < MARGIN);
        let missing = self.token.is_none() && matches!(self.source, Source::Config);
        if (runs_out || missing) && self.can_renew(config) {
            self.renew(http, config)?;
        }
        Ok(self.token.clone())
    }

    /// Whether the token is that of cf's configuration.
    pub(crate) fn is_configured(&self) -> bool {
        matches!(self.source, Source::Config)
    }

    /// Whether the token at hand has run out, as far as it tells.
    pub(crate) fn has_expired(&self) -> bool {
        self.left().is_some_and(|left| left <= 0)
    }

    fn left(&self) -> Option<i64> {
        self.token.as_ref().and_then(|token| token.left(clock::now_ns() / 1_000_000_000))
    }

    fn can_renew(&self, config: &Config) -> bool {
        match self.source {
            Source::File(_) | Source::Command(_) => true,
            Source::Config => uaa::can_refresh(config),
            Source::Given(_) | Source::Nowhere => false,
        }
    }

    /// Gets another token after a server has refused the one at hand; `false` if there is none
    /// other.
    ///
    /// # Errors
    /// If getting it fails.
    pub(crate) fn renew(&mut self, http: &Http, config: &Config) -> Result<bool, Failure> {
        if !self.can_renew(config) {
            return Ok(false);
        }
        let before = self.token.take();
        self.token = match &self.source {
            Source::Config => Some(self.ask_uaa(http, config)?),
            // Standard input has been read.
            Source::File(path) if path.as_os_str() == "-" => before.clone(),
            _ => self.first(config)?,
        };
        let text = |token: &Option<Token>| token.as_ref().map(|token| token.header.clone());
        Ok(text(&self.token) != text(&before))
    }

    fn ask_uaa(&mut self, http: &Http, config: &Config) -> Result<Token, Failure> {
        let refresh = self.refresh.as_ref().or(config.refresh_token.as_ref());
        let grant = uaa::refresh(http, config, refresh)?;
        diag::note("the access token was refreshed");
        if grant.refresh.is_some() {
            self.refresh = grant.refresh;
        }
        if self.save {
            config.save_tokens(&grant.token.header, self.refresh.as_ref())?;
        }
        Ok(grant.token)
    }

    /// Reads a token where it comes from.
    fn first(&self, config: &Config) -> Result<Option<Token>, Failure> {
        let (subject, text) = match &self.source {
            Source::Nowhere => return Ok(None),
            Source::Config => {
                let token = config.access_token.as_ref().map(|token| token.reveal().to_owned());
                return token.map(|token| parse("config.json", &token)).transpose();
            }
            Source::Given(token) => ("CF_ACCESS_TOKEN".to_owned(), token.reveal().to_owned()),
            Source::File(path) if path.as_os_str() == "-" => {
                let text = read_private("/dev/stdin".as_ref(), true)?;
                ("(standard input)".to_owned(), text)
            }
            Source::File(path) => (path.display().to_string(), read_private(path, self.force)?),
            Source::Command(line) => ("--token-command".to_owned(), run(line)?),
        };
        parse(&subject, &text).map(Some)
    }
}

fn parse(subject: &str, text: &str) -> Result<Token, Failure> {
    Token::parse(text).map_err(|error| Stop::usage(format_args!("{subject}: {error}")).into())
}

/// What a command prints on its standard output.
fn run(line: &str) -> Result<String, Failure> {
    let failed =
        |cause: String| Failure::Stopped(Stop::failed(format_args!("--token-command: {cause}")));
    let output = Command::new("/bin/sh")
        .args(["-c", line])
        .env_remove("CF_ACCESS_TOKEN")
        .stdin(Stdio::null())
        .stderr(Stdio::inherit())
        .output()
        .map_err(|error| failed(error.cause()))?;
    if !output.status.success() {
        return Err(failed(output.status.to_string()));
    }
    let text = String::from_utf8(output.stdout).map_err(|_| failed("no text".to_owned()))?;
    // Some print hints before it.
    Ok(text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or_default().to_owned())
}
