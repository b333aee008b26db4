// SPDX-License-Identifier: MIT OR Apache-2.0
//! A table of what log-cache keeps.

use heka_core::codec::time::put_rfc3339;
use heka_core::exit::{Status, Stop};

use crate::log_cache::Meta;
use crate::session::Session;

/// Writes the table: source, count, expired, oldest and newest time, with tabs between them.
///
/// # Errors
/// As the output's.
pub(crate) fn put(session: &Session, all: &[Meta]) -> Result<Status, Stop> {
    let mut sink = session.sink.lock();
    for meta in all {
        let out = sink.backlog().buffer();
        out.extend_from_slice(
            format!("{}\t{}\t{}\t", meta.source, meta.count, meta.expired).as_bytes(),
        );
        put_rfc3339(out, meta.oldest);
        out.push(b'\t');
        put_rfc3339(out, meta.newest);
        out.push(b'\n');
        sink.backlog().end_record()?;
    }
    Ok(Status::Done)
}
