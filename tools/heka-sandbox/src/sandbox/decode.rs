// SPDX-License-Identifier: MIT OR Apache-2.0
//! `decode_message`: a Heka message as a Lua table.

use mlua::{Lua, MultiValue, Value};

use super::push;
use super::raise::Raise;
use super::read::members;
use super::strict::{Refusal, walk};

/// Minimum length of a message: Uuid and timestamp.
const MIN_MESSAGE: usize = 20;

/// Implements `decode_message`.
pub(super) fn decode_message(lua: &Lua, arguments: &MultiValue) -> Result<Value, Raise> {
    if arguments.len() != 1 {
        let count = i32::try_from(arguments.len()).unwrap_or(i32::MAX);
        return Err(Raise::Argument(count, "incorrect number of arguments".to_owned()));
    }
    let text = match arguments.front() {
        Some(Value::String(text)) => text,
        Some(Value::UserData(_)) => {
            return Err(Raise::Argument(1, "no zero copy support".to_owned()));
        }
        other => return Err(Raise::wrong_type(1, "string or userdata", other)),
    };
    let message = text.as_bytes();
    if message.len() < MIN_MESSAGE {
        return Err(Raise::here("invalid message, too short"));
    }
    walk(&message, |field| members(field, drop)).map_err(|refusal| {
        Raise::Here(match refusal {
            Refusal::Element { tag, wire, offset } => {
                format!("error in tag: {tag} wiretype: {wire} offset: {offset}")
            }
            Refusal::Missing { uuid, timestamp } => {
                let found = |there| if there { "found" } else { "not found" };
                let (uuid, timestamp) = (found(uuid), found(timestamp));
                format!("missing required field uuid: {uuid} timestamp: {timestamp}")
            }
        })
    })?;
    Ok(Value::Table(push::message(lua, &message)?))
}
