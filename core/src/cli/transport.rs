// SPDX-License-Identifier: MIT OR Apache-2.0
//! The flags of tools that carry messages to and from a broker.

use std::path::PathBuf;

use clap::Args;

use super::parse_buffer_size;
use crate::delivery::transport::Options;
use crate::report::Stop;

/// Flags of all transports.
#[derive(Args, Clone, Copy, Debug)]
pub struct TransportArgs {
    /// Read from the broker
    #[arg(short, long)]
    pub read: bool,
    /// Read to the end as it was at the start, then exit
    #[arg(long, requires = "read")]
    pub no_follow: bool,
    /// Exchange acknowledgements on standard input and output
    #[arg(long)]
    pub ack: bool,
    /// Limit on unacknowledged data
    #[arg(long, value_name = "SIZE", default_value = "8M", value_parser = parse_buffer_size)]
    pub in_flight: usize,
}

/// Flags for a user with a password.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Login options")]
pub struct LoginArgs {
    /// User name
    #[arg(long, value_name = "NAME", requires = "password_file")]
    pub user: Option<String>,
    /// File with the user's password
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    pub password_file: Option<PathBuf>,
}

impl LoginArgs {
    /// Returns the user and the password file, from the flags or an address.
    ///
    /// # Errors
    /// One of them is missing: status 2.
    pub fn plan<'a>(
        &'a self,
        options: &'a Options,
    ) -> Result<Option<(&'a str, &'a PathBuf)>, Stop> {
        let user = self.user.as_ref().or(options.user.as_ref());
        let file = self.password_file.as_ref().or(options.password_file.as_ref());
        match (user, file) {
            (Some(user), Some(file)) => Ok(Some((user, file))),
            (None, None) => Ok(None),
            _ => Err(Stop::usage("a user and a password file go together")),
        }
    }
}
