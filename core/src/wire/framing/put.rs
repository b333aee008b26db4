// SPDX-License-Identifier: MIT OR Apache-2.0
//! Builds frames around messages.

use super::{Frame, RECORD_SEPARATOR, UNIT_SEPARATOR};
use sha1::{Digest as _, Sha1};

use crate::wire::header::{Header, MAX_CHECKPOINT_SIZE, put_stripped};
use crate::wire::varint::{put_bytes, put_int64};

/// Type of the message in a mark with a long position.
const MARK_TYPE: &[u8] = b"heka.mark";

/// Appends a frame around `message`. The length in the header is set from it.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes or the message more than a `u32` can
/// count.
pub fn put_frame(
    out: &mut Vec<u8>,
    header: Header<'_>,
    message: &[u8],
) -> Result<(), FrameTooLarge> {
    let message_length = u32::try_from(message.len()).map_err(|_| FrameTooLarge)?;
    put_header(out, Header { message_length, ..header })?;
    out.extend_from_slice(message);
    Ok(())
}

/// Appends the part of a frame that precedes the message: separator, header length, header,
/// separator.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes; nothing is appended then.
pub fn put_header(out: &mut Vec<u8>, header: Header<'_>) -> Result<(), FrameTooLarge> {
    enclose_header(out, |out| header.put(out))
}

/// Appends the part that precedes the message of `frame`, with its members 100 to 107 replaced by
/// those of `extensions` and everything else unchanged.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes; nothing is appended then.
pub fn put_header_of(
    out: &mut Vec<u8>,
    frame: &Frame<'_>,
    extensions: &Header<'_>,
) -> Result<(), FrameTooLarge> {
    enclose_header(out, |out| {
        put_stripped(out, frame.header_bytes());
        extensions.put_extensions(out);
    })
}

/// Appends a mark, a frame that carries only a checkpoint. A checkpoint too long for a header is
/// sent as the payload of a message; readers that do not know the header's flag recognise the
/// message by its type.
pub fn put_mark(out: &mut Vec<u8>, checkpoint: &[u8]) {
    let start = out.len();
    if checkpoint.len() <= MAX_CHECKPOINT_SIZE {
        let header = Header { checkpoint: Some(checkpoint), ..Header::default() };
        let _fits = put_header(out, header);
        return;
    }
    put_bytes(out, 1, Sha1::digest(checkpoint).get(..16).unwrap_or_default());
    put_int64(out, 2, 0);
    put_bytes(out, 3, MARK_TYPE);
    put_bytes(out, 6, checkpoint);
    let end = out.len();
    let message_length = u32::try_from(end - start).unwrap_or(u32::MAX);
    let _fits = put_header(out, Header { message_length, is_mark: true, ..Header::default() });
    // The message's length is known only now.
    let header_len = out.len() - end;
    if let Some(mark) = out.get_mut(start..) {
        mark.rotate_right(header_len);
    }
}

fn enclose_header(out: &mut Vec<u8>, put: impl FnOnce(&mut Vec<u8>)) -> Result<(), FrameTooLarge> {
    let start = out.len();
    out.extend_from_slice(&[RECORD_SEPARATOR, 0]);
    put(out);
    match u8::try_from(out.len() - start - 2) {
        Ok(len) => out[start + 1] = len,
        Err(_) => {
            out.truncate(start);
            return Err(FrameTooLarge);
        }
    }
    out.push(UNIT_SEPARATOR);
    Ok(())
}

/// A header over 255 bytes or a message over 4 GiB.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no frame holds a header of over 255 bytes or a message of over 4 GiB")]
pub struct FrameTooLarge;
