// SPDX-License-Identifier: MIT OR Apache-2.0
//! `inject_message`: a message in one of four forms, a checkpoint, or both.

use mlua::{Lua, MultiValue, Table, Value};

use super::raise::{Raise, type_name};
use super::reader::Handle;
use super::{Context, fields, strict};
use crate::host::{Checkpoint, answer};

/// Implements `inject_message`.
pub(super) fn inject_message(
    lua: &Lua,
    context: &Context,
    arguments: &MultiValue,
) -> Result<(), Raise> {
    let checkpoint = checkpoint(arguments.get(1))?;
    let checkpoint = checkpoint.as_ref();
    match arguments.front() {
        Some(Value::Table(table)) => inject_table(lua, context, table, checkpoint),
        Some(Value::String(text)) => {
            let message = text.as_bytes();
            strict::check(&message).map_err(|_| {
                Raise::here("inject_message() attempted to inject a invalid protobuf string")
            })?;
            send(context, Some(&message), checkpoint)
        }
        Some(Value::UserData(userdata)) => {
            let reader = userdata
                .borrow::<Handle>()
                .map_err(|_| Raise::wrong_type(1, super::reader::TYPE_NAME, arguments.front()))?;
            let reader = reader.borrow();
            let message = reader
                .message()
                .ok_or_else(|| Raise::here("inject_message() attempted to inject a nil message"))?;
            send(context, Some(message), checkpoint)
        }
        // With NaN, which is not a checkpoint, it is a synchronisation point.
        Some(Value::Nil) if !matches!(arguments.get(1), None | Some(Value::Nil)) => {
            send(context, None, checkpoint)
        }
        Some(Value::Nil) => {
            Err(Raise::here("inject_message() message cannot be nil without a checkpoint update"))
        }
        other => {
            let name = other.map_or("no value", type_name);
            Err(Raise::here(format!("inject_message() unsupported message type: {name}")))
        }
    }
}

fn inject_table(
    lua: &Lua,
    context: &Context,
    table: &Table,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), Raise> {
    let mut scratch = context.scratch.take();
    let encoded = fields::put_message(lua, &context.settings, &context.words, &mut scratch, table);
    let sent = encoded.and_then(|()| send(context, Some(&scratch.message), checkpoint));
    context.scratch.replace(scratch);
    sent
}

/// Parses the second argument; NaN is not a checkpoint.
fn checkpoint(argument: Option<&Value>) -> Result<Option<Checkpoint>, Raise> {
    Ok(match argument {
        None | Some(Value::Nil) => None,
        #[expect(clippy::cast_precision_loss, reason = "it was a double")]
        Some(Value::Integer(number)) => Some(Checkpoint::Number(*number as f64)),
        Some(Value::Number(number)) if number.is_nan() => None,
        Some(Value::Number(number)) => Some(Checkpoint::Number(*number)),
        Some(Value::String(text)) => Some(Checkpoint::Text(text.as_bytes().to_vec())),
        Some(other) => {
            let name = type_name(other);
            return Err(Raise::here(format!(
                "inject_message() unsupported checkpoint type: {name}"
            )));
        }
    })
}

fn send(
    context: &Context,
    message: Option<&[u8]>,
    checkpoint: Option<&Checkpoint>,
) -> Result<(), Raise> {
    match context.host.borrow_mut().inject(message, checkpoint) {
        answer::TAKEN => {
            message.into_iter().for_each(|message| context.counts.count(message));
            Ok(())
        }
        answer::BAD_CHECKPOINT => Err(Raise::here("inject_message() failed: checkpoint update")),
        refused => Err(Raise::here(format!(
            "inject_message() failed: rejected by the callback rv: {refused}"
        ))),
    }
}
