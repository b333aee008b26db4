// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as JSON, one object per line, from which the message can be restored.
//!
//! ```text
//! {"Uuid":"e6ee…","Timestamp":"2014-08-23T22:54:00.000000007Z","TimestampNs":1408834440000000007,
//!  "Type":"nginx.access","Logger":"nginx","Severity":6,"Payload":"GET /","EnvVersion":"0.8",
//!  "Pid":7,"Hostname":"web00","Fields":{"status":404,"took":0.25},
//!  "FieldInfo":{"status":{"representation":"count"},"took":{"type":"double"}}}
//! ```
//!
//! Members are always in this order. Absent members are omitted, except that an absent Uuid or
//! timestamp is `null`, because readers would fill it in. Text that is not UTF-8 is shown with
//! U+FFFD, and `NAME_base64` beside it has the bytes.
//!
//! `Fields` is an object if every name is unique and every field holds only values of its declared
//! type: a single value is written as such, none or several as an array. `FieldInfo` then holds
//! what the values do not show: the type of `BYTES` (base64) and `DOUBLE` fields, and a
//! representation that is not empty (`null` for a type or representation that is absent in the
//! message). Otherwise `Fields` is an array of objects with the members of the schema, as heka-cat
//! writes them.
//!
//! NaN and the infinities, for which JSON has no numbers, are the strings `NaN`, `Infinity` and
//! `-Infinity`; a NaN with unusual bits is written with them: `NaN(0x7ff8000000000001)`.
//!
//! `_position` (base64) is the checkpoint of the message's frame, that is, how far its source had
//! been read. `{"_mark":true,"_position":"…"}` is not a message; it carries the position of
//! messages that were dropped, or of the preceding message if its frame had no room for it.

#[cfg(feature = "decode")]
pub(crate) mod cursor;
mod fields;
#[cfg(feature = "decode")]
pub(crate) mod number;
#[cfg(feature = "json")]
mod read;
#[cfg(feature = "json")]
mod read_fields;
mod shape;
mod text;
#[cfg(feature = "json")]
mod typed;
#[cfg(feature = "json")]
mod value;
#[cfg(feature = "decode")]
mod verbatim;
mod write;
mod writer;

pub use fields::FieldsAs;
pub(super) use fields::{put_array, put_value};
#[cfg(feature = "json")]
pub use read::{Identity, Line, parse};
#[cfg(feature = "json")]
pub use read_fields::named;
pub use text::put_string;
#[cfg(feature = "json")]
pub use value::Json;
#[cfg(feature = "decode")]
pub use verbatim::Verbatim;
pub use write::{put, put_mark};
pub use writer::Writer;
