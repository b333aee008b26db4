// SPDX-License-Identifier: MIT OR Apache-2.0
//! Output of container runtimes: CRI's lines, and the paths that Kubernetes uses under `/var/log`.

use super::Part;
use super::cause::Cause;
use super::readers::{Readers, Target};
use super::tokens::{prefixed, word};
use crate::codec::HeaderName;

/// Reads `2006-01-02T15:04:05.000000000Z stdout F message`; `P` marks a part that the next line
/// continues.
pub(super) fn read(record: &[u8], readers: &Readers, target: &mut Target) -> Result<Part, Cause> {
    let wrong = || Cause::new("not a line of CRI");
    let (time, rest) = word(record);
    let (stream, rest) = word(rest);
    let (tags, message) = word(rest);
    if !matches!(stream, b"stdout" | b"stderr") {
        return Err(wrong());
    }
    let part = match tags.split(|&byte| byte == b':').next() {
        Some(b"F") => Part::Whole,
        Some(b"P") => Part::Piece,
        _ => return Err(wrong()),
    };
    readers.set(target, HeaderName::Timestamp, b"Timestamp", time)?;
    target.put(b"stream", stream)?;
    target.set_payload(message)?;
    Ok(part)
}

/// Removes the line end from Docker's text; without one, the next record continues the message.
pub(super) fn end_docker(target: &mut Target) -> Result<Part, Cause> {
    if !target.has(HeaderName::Payload) {
        return Err(Cause::new("not a record of Docker"));
    }
    if target.draft.chomp_payload() { Ok(Part::Whole) } else { Ok(Part::Piece) }
}

/// Adds the parts of the path of a Kubernetes log: `…/pods/NAMESPACE_POD_UID/CONTAINER/0.log` or
/// `…/containers/POD_NAMESPACE_CONTAINER-ID.log`.
pub(super) fn put_path(path: &[u8], target: &mut Target) -> Result<(), Cause> {
    let mut parts = path.rsplit(|&byte| byte == b'/');
    let (file, parent, grandparent) = (parts.next(), parts.next(), parts.next());
    let stem = file.and_then(|file| prefixed(file, b".log")).map(|(stem, _)| stem);
    let (Some(stem), Some(parent)) = (stem, parent) else { return Ok(()) };
    if parent == b"containers"
        && let Some((pod, rest)) = prefixed(stem, b"_")
        && let Some((namespace, rest)) = prefixed(rest, b"_")
        && let Some(dash) = memchr::memrchr(b'-', rest)
    {
        let (container, id) = rest.split_at(dash);
        return put(
            target,
            [
                (b"namespace", namespace),
                (b"pod", pod),
                (b"container", container),
                (b"container_id", id.get(1..).unwrap_or_default()),
            ],
        );
    }
    if let Some((namespace, rest)) = grandparent.and_then(|pod| prefixed(pod, b"_"))
        && let Some((pod, uid)) = prefixed(rest, b"_")
    {
        return put(
            target,
            [(b"namespace", namespace), (b"pod", pod), (b"container", parent), (b"pod_uid", uid)],
        );
    }
    Ok(())
}

fn put<const N: usize>(target: &mut Target, fields: [(&[u8], &[u8]); N]) -> Result<(), Cause> {
    for (name, value) in fields {
        target.put(name, value)?;
    }
    Ok(())
}
