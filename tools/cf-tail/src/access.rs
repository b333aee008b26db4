// SPDX-License-Identifier: MIT OR Apache-2.0
//! The token for requests: its source, and its renewal before it expires.

use std::path::PathBuf;
use std::time::{Duration, Instant};

use heka_core::os::clock;
use heka_core::report::{self, Stop};

use crate::command;
use crate::config::{Config, read_private};
use crate::failure::Failure;
use crate::http::Http;
use crate::secret::Secret;
use crate::token::Token;
use crate::uaa;

/// A token is replaced when less than this number of seconds, or less than half of its lifetime, is
/// left.
const MARGIN: i64 = 60;
/// Minimum interval between requests for a token before a server has rejected the current one.
const PATIENCE: Duration = Duration::from_secs(10);

/// The source of tokens.
#[derive(Debug)]
pub(crate) enum Source {
    /// A file with a token; `-` is standard input.
    File(PathBuf),
    /// The variable `CF_ACCESS_TOKEN`.
    Given(Secret),
    /// A shell command that prints a token.
    Command(String),
    /// cf's config.json, and the UAA in it.
    Config,
    /// Only the UAA, with a client's own credentials.
    Client,
    /// None, for servers that need no token.
    Nowhere,
}

/// The current token.
#[derive(Debug)]
struct Held {
    token: Token,
    /// When it was obtained.
    since: Instant,
    /// Number of seconds it was valid from then on: by its server's clock if it was created for
    /// this process, otherwise by the local clock.
    left: Option<i64>,
}

impl Held {
    fn new(token: Token, is_new: bool) -> Self {
        let by_lifetime = token.lifetime.filter(|_| is_new);
        let left = by_lifetime.or_else(|| token.left(clock::now_ns() / 1_000_000_000));
        Self { token, since: Instant::now(), left }
    }

    /// Returns the number of seconds left; `None` if unknown.
    fn left(&self) -> Option<i64> {
        let gone = i64::try_from(self.since.elapsed().as_secs()).unwrap_or(i64::MAX);
        self.left.map(|left| left.saturating_sub(gone))
    }

    fn is_running_out(&self) -> bool {
        let margin = self.left.map_or(0, |left| MARGIN.min(left / 2)).max(1);
        self.left().is_some_and(|left| left < margin)
    }
}

/// The token, renewed as necessary.
#[derive(Debug)]
pub(crate) struct Access {
    source: Source,
    held: Option<Held>,
    refresh: Option<Secret>,
    /// The refresh token last seen in the configuration.
    stored: Option<Secret>,
    renewed: Option<Instant>,
    force: bool,
    save: bool,
}

impl Access {
    /// Creates the access from `source`. `force` accepts a file that others can read, `save` stores
    /// refreshed tokens.
    pub(crate) fn new(source: Source, force: bool, save: bool) -> Self {
        Self { source, held: None, refresh: None, stored: None, renewed: None, force, save }
    }

    /// Returns the token for the next request: obtained at the first call, replaced shortly before
    /// it expires.
    ///
    /// # Errors
    /// If there is none.
    pub(crate) fn token(&mut self, http: &Http, config: &Config) -> Result<Option<Token>, Failure> {
        if self.held.is_none() {
            self.held = self.first(config)?.map(|token| Held::new(token, false));
        }
        let runs_out = self.held.as_ref().is_some_and(Held::is_running_out);
        let missing = self.held.is_none() && self.asks_uaa();
        let is_due = self.renewed.is_none_or(|renewed| renewed.elapsed() >= PATIENCE);
        if (runs_out || missing) && is_due && self.can_renew(config) {
            self.renew(http, config)?;
        }
        Ok(self.held.as_ref().map(|held| held.token.clone()))
    }

    /// Whether the token is that of cf's configuration.
    pub(crate) fn is_configured(&self) -> bool {
        matches!(self.source, Source::Config)
    }

    /// Whether the current token has expired, as far as it says, by either clock.
    pub(crate) fn has_expired(&self) -> bool {
        let by_ours = |held: &Held| held.token.left(clock::now_ns() / 1_000_000_000);
        self.held.as_ref().is_some_and(|held| {
            [held.left(), by_ours(held)].into_iter().flatten().any(|left| left <= 0)
        })
    }

    fn asks_uaa(&self) -> bool {
        matches!(self.source, Source::Config | Source::Client)
    }

    fn can_renew(&self, config: &Config) -> bool {
        match self.source {
            Source::File(_) | Source::Command(_) => true,
            Source::Config | Source::Client => uaa::can_refresh(config),
            Source::Given(_) | Source::Nowhere => false,
        }
    }

    /// Obtains another token after a server has rejected the current one; `false` if there is no
    /// other.
    ///
    /// # Errors
    /// If obtaining it fails.
    pub(crate) fn renew(&mut self, http: &Http, config: &Config) -> Result<bool, Failure> {
        if !self.can_renew(config) {
            return Ok(false);
        }
        // Standard input has been read already.
        if matches!(&self.source, Source::File(path) if path.as_os_str() == "-") {
            return Ok(false);
        }
        let before = self.held.take().map(|held| held.token.header);
        let is_new = self.asks_uaa();
        let token = if is_new { Some(self.ask_uaa(http, config)?) } else { self.first(config)? };
        self.held = token.map(|token| Held::new(token, is_new));
        self.renewed = Some(Instant::now());
        Ok(self.held.as_ref().map(|held| &held.token.header) != before.as_ref())
    }

    fn ask_uaa(&mut self, http: &Http, config: &Config) -> Result<Token, Failure> {
        let stored = config.stored_refresh_token();
        if stored.is_some() && stored != self.stored {
            self.stored = stored;
            self.refresh.clone_from(&self.stored);
        }
        let refresh = self.refresh.as_ref().or(config.refresh_token.as_ref());
        let grant = uaa::refresh(http, config, refresh)?;
        report::note("the access token was refreshed");
        if grant.refresh.is_some() {
            self.refresh = grant.refresh;
        }
        if self.save {
            config.save_tokens(&grant.token.header, self.refresh.as_ref())?;
            self.stored.clone_from(&self.refresh);
        }
        Ok(grant.token)
    }

    /// Reads a token from its source.
    fn first(&self, config: &Config) -> Result<Option<Token>, Failure> {
        let (subject, text) = match &self.source {
            Source::Nowhere | Source::Client => return Ok(None),
            Source::Config => {
                let token = config.access_token.as_ref();
                return token.map(|token| parse("config.json", token.reveal())).transpose();
            }
            Source::Given(token) => {
                return parse("CF_ACCESS_TOKEN", token.reveal()).map(Some);
            }
            Source::File(path) if path.as_os_str() == "-" => {
                ("(standard input)".to_owned(), read_private(path, true)?)
            }
            Source::File(path) => (path.display().to_string(), read_private(path, self.force)?),
            Source::Command(line) => ("--token-command".to_owned(), command::output(line)?),
        };
        parse(&subject, &text).map(Some)
    }
}

fn parse(subject: &str, text: &str) -> Result<Token, Failure> {
    Token::parse(text).map_err(|error| Stop::usage(format_args!("{subject}: {error}")).into())
}
