// SPDX-License-Identifier: MIT OR Apache-2.0
//! Frames around messages.

use super::{Frame, RECORD_SEPARATOR, UNIT_SEPARATOR};
use crate::wire::header::{Header, put_stripped};

/// Appends a frame around `message`. The header's length member is set from it.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes or the message more than `u32` tells.
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

/// Appends what stands before a message: separator, header length, header, separator.
///
/// # Errors
/// [`FrameTooLarge`] if the header takes more than 255 bytes; nothing is appended then.
pub fn put_header(out: &mut Vec<u8>, header: Header<'_>) -> Result<(), FrameTooLarge> {
    enclose_header(out, |out| header.put(out))
}

/// Appends what stands before the message of `frame`: its own header, with `extensions`' members
/// 100 to 106 in place of those that it has, and everything else unchanged.
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
