// SPDX-License-Identifier: MIT OR Apache-2.0
//! The fields of a message from JSON, in either shape.

use std::collections::HashMap;

use bytes::Bytes;

use super::read::one_of;
use super::typed::{base64, integer, text};
use super::value::Json;
use crate::wire::{Field, ValueType};

/// Up to this number of names, a linear search is faster than a hash table.
const FEW: usize = 16;

/// Reads `Fields`, using `FieldInfo`.
pub(super) fn read(fields: Json, info: Option<Json>) -> Result<Vec<Field>, String> {
    let info = match info {
        None => Vec::new(),
        Some(Json::Object(info)) => info,
        Some(_) => return Err("FieldInfo: not an object".to_owned()),
    };
    // Of duplicate names the last counts, as for all members.
    let by_name: Option<HashMap<&str, &Json>> =
        (info.len() > FEW).then(|| info.iter().map(|(name, info)| (name.as_str(), info)).collect());
    let info_of = |name: &str| match &by_name {
        None => info.iter().rfind(|(known, _)| known == name).map(|(_, info)| info),
        Some(by_name) => by_name.get(name).copied(),
    };
    match fields {
        Json::Object(members) => members
            .into_iter()
            .map(|(name, value)| {
                let info = info_of(&name);
                named(name, value, info)
            })
            .collect(),
        Json::Array(fields) => fields.iter().map(whole).collect(),
        _ => Err("Fields: neither an object nor an array".to_owned()),
    }
}

/// Creates a field from a JSON member, as Go's `NewField` does.
pub fn named(name: String, value: Json, info: Option<&Json>) -> Result<Field, String> {
    let values = match value {
        Json::Array(values) => values,
        value => vec![value],
    };
    let mut field = Field::default();
    let (value_type, declared, representation) = match info {
        None => (guess(&values), true, Some(Bytes::new())),
        Some(info) => read_info(&name, info, &values)?,
    };
    for value in &values {
        push(&mut field, &name, value_type, value)?;
    }
    field.name = Some(name.into_bytes().into());
    field.value_type = declared.then_some(value_type as i32);
    field.representation = representation;
    Ok(field)
}

/// Returns the type of values for which no type is given.
fn guess(values: &[Json]) -> ValueType {
    match values.first() {
        Some(Json::Bool(_)) => ValueType::Bool,
        Some(Json::Integer(_) | Json::Double(_)) => {
            let is_double = values.iter().any(|value| matches!(value, Json::Double(_)));
            if is_double { ValueType::Double } else { ValueType::Integer }
        }
        _ => ValueType::String,
    }
}

/// Returns the type, whether the message has it explicitly, and the representation.
fn read_info(
    name: &str,
    info: &Json,
    values: &[Json],
) -> Result<(ValueType, bool, Option<Bytes>), String> {
    let Json::Object(members) = info else {
        return Err(format!("FieldInfo of {name}: not an object"));
    };
    let mut read = (guess(values), true, Some(Bytes::new()));
    for (member, value) in members {
        match (member.as_str(), value) {
            ("type", Json::Null) => (read.0, read.1) = (ValueType::String, false),
            ("type", Json::String(word)) => {
                read.0 = ValueType::ALL
                    .into_iter()
                    .find(|known| known.name().eq_ignore_ascii_case(word))
                    .ok_or_else(|| format!("{name}: unknown type {word}"))?;
            }
            ("representation", Json::Null) => read.2 = None,
            ("representation", Json::String(text)) => {
                read.2 = Some(text.clone().into_bytes().into());
            }
            _ => return Err(format!("FieldInfo of {name}: unknown member {member}")),
        }
    }
    Ok(read)
}

/// Appends a value to the list of type `value_type`.
fn push(field: &mut Field, name: &str, value_type: ValueType, value: &Json) -> Result<(), String> {
    match value_type {
        ValueType::String => {
            field.value_string.push(Bytes::copy_from_slice(text(name, value)?.as_bytes()));
        }
        ValueType::Bytes => field.value_bytes.push(base64(name, value)?),
        ValueType::Integer => field.value_integer.push(integer(name, value)?),
        ValueType::Double => field.value_double.push(double(name, value)?),
        ValueType::Bool => match value {
            Json::Bool(truth) => field.value_bool.push(*truth),
            _ => return Err(format!("{name}: neither true nor false")),
        },
    }
    Ok(())
}

fn double(name: &str, value: &Json) -> Result<f64, String> {
    let word = match value {
        Json::Integer(number) => return Ok(*number as f64),
        Json::Double(number) => return Ok(*number),
        Json::String(word) => word.as_str(),
        _ => return Err(format!("{name}: not a number")),
    };
    let bits = || {
        let digits = word.strip_prefix("NaN(0x")?.strip_suffix(')')?;
        u64::from_str_radix(digits, 16).ok().map(f64::from_bits).filter(|number| number.is_nan())
    };
    match word {
        "NaN" => Ok(f64::NAN),
        "Infinity" => Ok(f64::INFINITY),
        "-Infinity" => Ok(f64::NEG_INFINITY),
        _ => bits().ok_or_else(|| format!("{name}: not a number")),
    }
}

/// Reads a field with the members of the schema.
fn whole(value: &Json) -> Result<Field, String> {
    let Json::Object(members) = value else { return Err("a field is not an object".to_owned()) };
    let mut field = Field::default();
    // The bytes of text that is not UTF-8 are in separate members, which take precedence.
    let (mut name_bytes, mut representation_bytes, mut value_bytes) = (None, None, None);
    for (member, value) in members {
        let name = member.as_str();
        let list = |field: &mut Field, value_type| {
            let Json::Array(values) = value else { return Err(format!("{name}: not an array")) };
            values.iter().try_for_each(|value| push(field, name, value_type, value))
        };
        match name {
            "name" => field.name = Some(Bytes::copy_from_slice(text(name, value)?.as_bytes())),
            "name_base64" => name_bytes = Some(base64(name, value)?),
            "representation" => {
                field.representation = Some(Bytes::copy_from_slice(text(name, value)?.as_bytes()));
            }
            "representation_base64" => representation_bytes = Some(base64(name, value)?),
            "value_type" => field.value_type = Some(type_number(value)?),
            "value_string" => list(&mut field, ValueType::String)?,
            "value_string_base64" => {
                let mut bytes = Field::default();
                list(&mut bytes, ValueType::Bytes)?;
                value_bytes = Some(bytes.value_bytes);
            }
            "value_bytes" => list(&mut field, ValueType::Bytes)?,
            "value_integer" => list(&mut field, ValueType::Integer)?,
            "value_double" => list(&mut field, ValueType::Double)?,
            "value_bool" => list(&mut field, ValueType::Bool)?,
            _ => return Err(format!("unknown member {name} of a field")),
        }
    }
    field.name = one_of("name", field.name, name_bytes)?;
    field.representation = one_of("representation", field.representation, representation_bytes)?;
    if let Some(bytes) = value_bytes {
        field.value_string = same_values(field.value_string, bytes)?;
    }
    Ok(field)
}

/// Combines values with their text representation, unless only the bytes are given.
fn same_values(texts: Vec<Bytes>, all: Vec<Bytes>) -> Result<Vec<Bytes>, String> {
    if !texts.is_empty() && texts.len() != all.len() {
        return Err(
            "value_string and value_string_base64 differ, delete the one that is not meant"
                .to_owned(),
        );
    }
    for (text, bytes) in texts.into_iter().zip(&all) {
        one_of("value_string", Some(text), Some(bytes.clone()))?;
    }
    Ok(all)
}

fn type_number(value: &Json) -> Result<i32, String> {
    if let Json::String(word) = value {
        let known = ValueType::ALL.into_iter().find(|known| known.name() == word);
        return known.map(|known| known as i32).ok_or_else(|| format!("unknown type {word}"));
    }
    i32::try_from(integer("value_type", value)?).map_err(|_| "value_type: out of range".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_field_finds_what_is_said_of_it_however_many_there_are() {
        for count in [FEW - 2, FEW + 2] {
            let list = |text: fn(usize) -> String| (0..count).map(text).collect::<Vec<_>>();
            let fields = list(|number| format!("\"f{number}\":1")).join(",");
            let mut info =
                list(|number| format!("\"f{number}\":{{\"representation\":\"{number}\"}}"));
            // Of duplicate names the last counts.
            info.insert(0, "\"f0\":{\"representation\":\"no\"}".to_owned());
            let parse = |text: &str| Json::parse(format!("{{{text}}}").as_bytes()).unwrap();
            let read = read(parse(&fields), Some(parse(&info.join(",")))).unwrap();
            assert_eq!(read.len(), count);
            for (number, field) in read.iter().enumerate() {
                assert_eq!(field.representation.as_deref(), Some(number.to_string().as_bytes()));
            }
        }
    }
}
