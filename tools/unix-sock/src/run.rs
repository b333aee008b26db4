// SPDX-License-Identifier: MIT OR Apache-2.0
//! Records on standard input go to the socket, records from the socket go to standard output.

use std::time::Instant;

use heka_core::report::{Status, Stop};

use crate::plan::{Plan, Role};
use crate::{client, server};

/// Connects or serves.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let end = plan.timeout.map(|timeout| Instant::now() + timeout);
    match (&plan.role, &plan.name) {
        (Role::Server(settings), _) => server::run(plan, settings, end),
        (Role::Client { backoff, connect_timeout }, Some(name)) => {
            client::run(plan, name, *backoff, *connect_timeout, end)
        }
        (Role::Client { .. }, None) => Err(Stop::usage("expected the path of a socket")),
    }
}
