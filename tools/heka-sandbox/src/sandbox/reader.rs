// SPDX-License-Identifier: MIT OR Apache-2.0
//! The stream reader: userdata with `find_message`, `decode_message` and `read_message`.

use std::cell::{Cell, Ref, RefCell};
use std::ffi::c_void;
use std::rc::Rc;

use mlua::{AnyUserData, Lua, MultiValue, Table, UserDataFields as _, UserDataRegistry, Value};

use super::direct::Current;
use super::functions::one;
use super::index::Index;
use super::raise::{Raise, type_name};
use super::read::FieldValue;
use super::stream::{Find, StreamBuffer};
use super::{Context, direct, file::LuaFile, read, strict, table_of};

/// Name of the type in errors.
pub(super) const TYPE_NAME: &str = "lsb.heka_stream_reader";
/// Names of stream readers must be shorter than this, in bytes.
const MAX_NAME: usize = 255;

/// A stream reader in Lua.
#[derive(Debug)]
pub(super) struct Handle {
    reader: Rc<RefCell<StreamReader>>,
    current: Rc<RefCell<Current>>,
}

impl Handle {
    pub(super) fn borrow(&self) -> Ref<'_, StreamReader> {
        self.reader.borrow()
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.current.borrow_mut().forget(&self.reader);
    }
}

/// A stream reader.
#[derive(Debug)]
pub(super) struct StreamReader {
    name: Vec<u8>,
    buffer: StreamBuffer,
    /// Whether the current message was verified to be one.
    decoded: bool,
    /// The index of its parts.
    index: Index,
    /// The file last read from.
    file: Option<LuaFile>,
    /// The result of a search in the buffer before more was read.
    begun: Option<Find>,
    booked: Booking,
}

/// The size of one buffer within the total of all buffers.
#[derive(Debug)]
struct Booking {
    all: Rc<Cell<usize>>,
    bytes: usize,
}

impl Booking {
    fn set(&mut self, bytes: usize) {
        self.all.set((self.all.get() + bytes).saturating_sub(self.bytes));
        self.bytes = bytes;
    }
}

impl Drop for Booking {
    fn drop(&mut self) {
        self.set(0);
    }
}

impl StreamReader {
    /// Returns the current message.
    pub(super) fn message(&self) -> Option<&[u8]> {
        self.buffer.message()
    }

    /// A part of a verified message. `None` if this fast path does not have it.
    pub(super) fn part(&mut self, name: &[u8]) -> Option<Option<FieldValue<'_>>> {
        if !self.decoded {
            return None;
        }
        self.index.part(self.buffer.message()?, name)
    }

    /// Finds a message in the data read from the file at an address; returns the number of bytes
    /// consumed. If there is none, [`find_message`] continues from there.
    pub(super) fn find_at_once(&mut self, file: *const c_void) -> Option<usize> {
        if !self.file.as_ref().is_some_and(|known| known.is_at(file)) {
            return None;
        }
        let find = self.buffer.find(true);
        self.decoded = true;
        self.index.clear();
        if !find.found {
            self.begun = Some(find);
        }
        find.found.then_some(find.consumed)
    }
}

/// Sets `create_stream_reader` and the reader's methods.
pub(super) fn register(lua: &Lua, context: &Rc<Context>) -> mlua::Result<()> {
    let methods: Table = table_of(
        lua,
        [
            ("find_message", context.direct_function(lua, direct::find_message, find_message)?),
            ("decode_message", context.function(lua, decode_message)?),
            ("read_message", context.direct_function(lua, direct::read_message, read_message)?),
        ],
    )?;
    lua.register_userdata_type::<Handle>(|registry: &mut UserDataRegistry<_>| {
        registry.add_meta_field("__index", methods);
    })?;
    let create = context.function(lua, |lua, context, arguments| {
        one(Value::UserData(create(lua, context, arguments)?))
    })?;
    lua.globals().raw_set("create_stream_reader", create)
}

fn create(lua: &Lua, context: &Context, arguments: &MultiValue) -> Result<AnyUserData, Raise> {
    if arguments.len() != 1 {
        return Err(wrong_count());
    }
    let name = arguments.front();
    let text = name.and_then(|name| lua.coerce_string(name.clone()).ok().flatten());
    let Some(text) = text else { return Err(Raise::wrong_type(1, "string", name)) };
    let name = text.as_bytes().to_vec();
    if name.len() >= MAX_NAME {
        return Err(Raise::Argument(1, "name is too long".to_owned()));
    }
    let booked = Booking { all: Rc::clone(&context.counts.buffers), bytes: 0 };
    let buffer = StreamBuffer::new(context.settings.max_message_size);
    let (decoded, index) = (false, Index::default());
    let reader = StreamReader { name, buffer, decoded, index, file: None, begun: None, booked };
    let (reader, current) = (Rc::new(RefCell::new(reader)), Rc::clone(&context.current));
    Ok(lua.create_any_userdata(Handle { reader, current })?)
}

fn wrong_count() -> Raise {
    Raise::Argument(0, "incorrect number of arguments".to_owned())
}

/// Runs `body` on the reader in the first argument.
fn with_reader<R>(
    arguments: &MultiValue,
    body: impl FnOnce(&mut StreamReader) -> Result<R, Raise>,
) -> Result<R, Raise> {
    let this = arguments.front();
    let userdata = this.and_then(Value::as_userdata);
    let handle = userdata.and_then(|userdata| userdata.borrow::<Handle>().ok());
    let (Some(userdata), Some(handle)) = (userdata, handle) else {
        return Err(Raise::wrong_type(1, TYPE_NAME, this));
    };
    handle.current.borrow_mut().set(userdata.to_pointer(), &handle.reader);
    let mut reader = handle.reader.borrow_mut();
    let result = body(&mut reader);
    let memory = reader.buffer.memory();
    reader.booked.set(memory);
    result
}

/// Applies the memory limit to the buffers, which Lua does not count.
fn check_memory(context: &Context, reader: &StreamReader, more: usize) -> Result<(), Raise> {
    let limit = context.settings.memory_limit;
    if limit > 0 && context.counts.buffers.get().saturating_add(more) > limit.max(1 << 20) {
        return Err(no_room(reader));
    }
    Ok(())
}

fn no_room(reader: &StreamReader) -> Raise {
    let name = String::from_utf8_lossy(&reader.name);
    Raise::here(format!("buffer reallocation failed\tname:{name}"))
}

fn find_message(_: &Lua, context: &Context, arguments: &MultiValue) -> Result<MultiValue, Raise> {
    with_reader(arguments, |reader| {
        reader.index.clear();
        if !(2..=3).contains(&arguments.len()) {
            return Err(wrong_count());
        }
        let decode = match arguments.get(2) {
            None => true,
            Some(Value::Boolean(decode)) => *decode,
            other => return Err(Raise::wrong_type(3, "boolean", other)),
        };
        let begun = reader.begun.take();
        let from_file = take_input(context, reader, arguments.get(1))?;
        let begun = begun.filter(|_| from_file && decode);
        let mut find = begun.unwrap_or_else(|| reader.buffer.find(decode));
        reader.decoded = decode;
        if from_file {
            find.need = if find.found { 0 } else { read_more(context, reader)? };
        }
        #[expect(clippy::cast_precision_loss, reason = "no buffer is that long")]
        let count = |count: usize| Value::Number(count as f64);
        let found = Value::Boolean(find.found);
        Ok([found, count(find.consumed), count(find.need)].into_iter().collect())
    })
}

/// Parses the input to search: more bytes, or a file to read them from; returns whether it is a
/// file.
fn take_input(
    context: &Context,
    reader: &mut StreamReader,
    input: Option<&Value>,
) -> Result<bool, Raise> {
    match input {
        Some(Value::Nil) => Ok(false),
        Some(Value::String(text)) => {
            let text = text.as_bytes();
            check_memory(context, reader, text.len())?;
            if !text.is_empty() && !reader.buffer.reserve(text.len()) {
                return Err(no_room(reader));
            }
            reader.buffer.push(&text);
            Ok(false)
        }
        Some(Value::UserData(userdata)) => {
            let address = userdata.to_pointer();
            if !reader.file.as_ref().is_some_and(|file| file.is_at(address)) {
                reader.file = Some(LuaFile::new(context, userdata, 2)?);
            }
            Ok(true)
        }
        _ => Err(Raise::here("buffer must be a nil, string, userdata (FILE*)")),
    }
}

fn read_more(context: &Context, reader: &mut StreamReader) -> Result<usize, Raise> {
    check_memory(context, reader, 0)?;
    let Some(file) = &reader.file else { return Ok(0) };
    let mut failed = None;
    let len = reader.buffer.fill(|room| {
        file.read(context, room).unwrap_or_else(|raise| {
            failed = Some(raise);
            0
        })
    });
    failed.map_or(Ok(len), Err)
}

fn decode_message(_: &Lua, context: &Context, arguments: &MultiValue) -> Result<MultiValue, Raise> {
    with_reader(arguments, |reader| {
        reader.index.clear();
        if arguments.len() != 2 {
            return Err(wrong_count());
        }
        let Some(Value::String(text)) = arguments.get(1) else {
            return Err(Raise::here("buffer must be string"));
        };
        let message = text.as_bytes();
        if message.is_empty() {
            return Err(Raise::here("empty protobuf string"));
        }
        check_memory(context, reader, message.len())?;
        if !reader.buffer.set(&message) {
            return Err(no_room(reader));
        }
        reader.decoded = true;
        if strict::check(&message).is_err() {
            reader.buffer.forget();
            return Err(Raise::here("invalid protobuf string"));
        }
        Ok(MultiValue::new())
    })
}

fn read_message(lua: &Lua, _: &Context, arguments: &MultiValue) -> Result<MultiValue, Raise> {
    with_reader(arguments, |reader| {
        if arguments.len() > 4 {
            return Err(Raise::here("read_message() incorrect number of arguments"));
        }
        let Some(message) = reader.message() else { return one(Value::Nil) };
        let name = arguments.get(1).cloned();
        let Some(name) = name else {
            return Err(Raise::here("heka_read_message() incorrect number of arguments"));
        };
        let Some(text) = lua.coerce_string(name.clone())? else {
            return Err(Raise::wrong_type(1, "string", Some(&name)));
        };
        let field_index = index(lua, arguments.get(2), 2, "field")?;
        let array_index = index(lua, arguments.get(3), 3, "array")?;
        let name = text.as_bytes();
        let indices = (field_index, array_index);
        match read::part(message, reader.decoded, &name, indices) {
            Some(part) => one(part.to_lua(lua)?),
            None => {
                let name = String::from_utf8_lossy(&name);
                Err(Raise::here(format!(
                    "heka_read_message() field: '{name}' not supported/recognized"
                )))
            }
        }
    })
}

/// Parses an optional index; `number` counts the arguments after the reader, as `lua_sandbox` does.
fn index(lua: &Lua, value: Option<&Value>, number: i32, what: &str) -> Result<usize, Raise> {
    let index = match value {
        None | Some(Value::Nil) => return Ok(0),
        Some(value) => lua.coerce_number(value.clone())?.ok_or_else(|| {
            Raise::Argument(number, format!("number expected, got {}", type_name(value)))
        })?,
    };
    #[expect(
        clippy::cast_possible_truncation,
        clippy::cast_sign_loss,
        reason = "checked, saturating"
    )]
    if index >= 0.0 {
        return Ok(index as usize);
    }
    Err(Raise::Argument(number, format!("{what} index must be >= 0")))
}
