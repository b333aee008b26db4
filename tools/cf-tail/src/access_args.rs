// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags for the token of requests.

use std::path::PathBuf;

use clap::Args;
use heka_core::report::Stop;

use crate::access::Source;
use crate::config::{Client, read_private};
use crate::secret::Secret;

/// The token.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Access options")]
pub(crate) struct TokenArgs {
    /// File containing the token (-: standard input)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    token_file: Option<PathBuf>,
    /// Command that prints a token, such as 'cf oauth-token'
    #[arg(long, value_name = "COMMAND", conflicts_with = "token_file")]
    token_command: Option<String>,
    /// URL of the UAA [default: from cf's configuration]
    #[arg(long, value_name = "URL", value_hint = clap::ValueHint::Url, requires = "client_id")]
    uaa: Option<String>,
    /// Client of the UAA to get tokens as, such as a nozzle
    #[arg(long, value_name = "ID", requires = "client_secret_file")]
    #[arg(conflicts_with_all = ["token_file", "token_command", "save_tokens"])]
    client_id: Option<String>,
    /// File containing its secret (-: standard input)
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath, requires = "client_id")]
    client_secret_file: Option<PathBuf>,
    /// Accept secret files that others can read or change
    #[arg(long)]
    force: bool,
    /// Store refreshed tokens in cf's config.json
    #[arg(long)]
    save_tokens: bool,
}

/// The source of the token.
#[derive(Debug)]
pub(crate) struct AccessPlan {
    pub(crate) source: Source,
    /// A client of the UAA, instead of the user who has logged in.
    pub(crate) client: Option<Client>,
    /// The directory of cf's files.
    pub(crate) home: Option<PathBuf>,
    pub(crate) force: bool,
    pub(crate) save: bool,
}

impl TokenArgs {
    pub(crate) fn plan(self) -> Result<AccessPlan, Stop> {
        let home = environment("CF_HOME").or_else(|| environment("HOME")).map(PathBuf::from);
        let client = match (self.client_id, self.client_secret_file) {
            (Some(id), Some(path)) => {
                let text = read_private(&path, self.force || path.as_os_str() == "-")?;
                let secret = Secret::new(text.trim_end_matches(['\r', '\n']));
                Some(Client { id, secret, uaa: self.uaa })
            }
            _ => None,
        };
        let source = if client.is_some() {
            Source::Client
        } else if let Some(path) = self.token_file {
            Source::File(path)
        } else if let Some(line) = self.token_command {
            Source::Command(line)
        } else if let Some(token) = environment("CF_ACCESS_TOKEN") {
            Source::Given(Secret::new(token))
        } else {
            Source::Config
        };
        if self.save_tokens && !matches!(source, Source::Config) {
            return Err(Stop::usage(
                "--save-tokens needs the token to be that of cf's config.json",
            ));
        }
        Ok(AccessPlan { source, client, home, force: self.force, save: self.save_tokens })
    }
}

/// Returns an environment variable, if it is set, not empty, and text.
#[expect(clippy::disallowed_methods, reason = "the environment is read where the plan is made")]
pub(crate) fn environment(name: &str) -> Option<String> {
    std::env::var(name).ok().filter(|value| !value.is_empty())
}
