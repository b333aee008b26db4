// SPDX-License-Identifier: MIT OR Apache-2.0
//! Fields on a command line: `NAME[:TYPE][@REPRESENTATION]=VALUE`.

use bytes::Bytes;

use heka_core::decode::FieldName;
use heka_core::wire::{Field, ValueType};

/// A field with one value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct FieldArg {
    /// Name, type and representation.
    pub(crate) name: FieldName,
    /// The value, not parsed yet.
    pub(crate) value: String,
}

impl FieldArg {
    /// Parses `NAME[:TYPE][@REPRESENTATION]=VALUE`; the type is `s` (string, the default), `b`
    /// (bytes), `i` (integer), `d` (double) or `t` (true or false).
    ///
    /// # Errors
    /// A description of what is wrong.
    pub(crate) fn parse(text: &str) -> Result<Self, String> {
        let (left, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
        let (left, representation) = left.rsplit_once('@').unwrap_or((left, ""));
        let (name, value_type) = name_and_type(left);
        if name.is_empty() {
            return Err("expected NAME=VALUE".to_owned());
        }
        let name = FieldName {
            name: name.to_owned(),
            value_type,
            representation: representation.to_owned(),
        };
        Ok(Self { name, value: value.to_owned() })
    }
}

/// Splits `NAME:TYPE`, if there is a type.
fn name_and_type(text: &str) -> (&str, Option<ValueType>) {
    let typed = text.rsplit_once(':').and_then(|(name, l)| type_of(l).map(|t| (name, Some(t))));
    typed.unwrap_or((text, None))
}

/// Returns the type for a letter.
fn type_of(letter: &str) -> Option<ValueType> {
    Some(match letter {
        "s" => ValueType::String,
        "b" => ValueType::Bytes,
        "i" => ValueType::Integer,
        "d" => ValueType::Double,
        "t" => ValueType::Bool,
        _ => return None,
    })
}

/// Parses `NAME:TYPE`.
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse_type(text: &str) -> Result<(Vec<u8>, ValueType), String> {
    match name_and_type(text) {
        (name, Some(value_type)) if !name.is_empty() => Ok((name.as_bytes().to_vec(), value_type)),
        _ => Err("expected NAME:TYPE, with s, b, i, d or t for TYPE".to_owned()),
    }
}

/// Creates a field without values.
fn to_field(name: &FieldName) -> Field {
    let representation = Some(Bytes::copy_from_slice(name.representation.as_bytes()));
    let value_type = name.value_type.unwrap_or(ValueType::String);
    Field { representation, ..Field::empty(name.name.clone(), value_type) }
}

/// Parses `value` by the type of `field` and adds it.
///
/// # Errors
/// If it is not a value of that type.
fn push_value(field: &mut Field, value: &str) -> Result<(), String> {
    let wrong = |what: &str| format!("{value}: not {what}");
    let bytes = || Bytes::copy_from_slice(value.as_bytes());
    match field.value_type.and_then(|number| ValueType::try_from(number).ok()) {
        None | Some(ValueType::String) => field.value_string.push(bytes()),
        Some(ValueType::Bytes) => field.value_bytes.push(bytes()),
        Some(ValueType::Integer) => {
            field.value_integer.push(value.parse().map_err(|_| wrong("an integer"))?);
        }
        Some(ValueType::Double) => {
            let number = value.parse().map_err(|_| wrong("a number"))?;
            if f64::is_infinite(number) && value.contains(|c: char| c.is_ascii_digit()) {
                return Err(format!("{value}: too large"));
            }
            field.value_double.push(number);
        }
        Some(ValueType::Bool) => field.value_bool.push(match value {
            "true" | "TRUE" | "1" => true,
            "false" | "FALSE" | "0" => false,
            _ => return Err(wrong("true or false")),
        }),
    }
    Ok(())
}

/// Creates fields from the arguments; a repeated name adds a value.
///
/// # Errors
/// If a value is not of its type, or a name has two types.
pub(crate) fn collect(args: &[FieldArg]) -> Result<Vec<Field>, String> {
    let mut fields: Vec<Field> = Vec::new();
    for arg in args {
        let name = arg.name.name.as_bytes();
        let made = to_field(&arg.name);
        match fields.iter_mut().find(|field| field.name.as_deref() == Some(name)) {
            Some(field) if field.value_type != made.value_type => {
                return Err(format!("{}: values of different types", arg.name.name));
            }
            Some(field) => push_value(field, &arg.value)?,
            None => {
                let mut field = made;
                push_value(&mut field, &arg.value)?;
                fields.push(field);
            }
        }
    }
    Ok(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fields(args: &[&str]) -> Result<Vec<Field>, String> {
        collect(&args.iter().map(|arg| FieldArg::parse(arg)).collect::<Result<Vec<_>, _>>()?)
    }

    #[test]
    fn names_types_and_representations_are_told_apart() {
        let made =
            fields(&["a=1", "n:i@count=1", "n:i=2", "u@ipv4=::1", "x:y=z", "t:t=true", "d:d=-inf"])
                .unwrap();
        let mut n = Field::integer("n", 1);
        n.value_integer.push(2);
        n.representation = Some("count".into());
        let mut u = Field::string("u", "::1");
        u.representation = Some("ipv4".into());
        let mut t = Field::empty("t", ValueType::Bool);
        t.value_bool.push(true);
        let mut d = Field::empty("d", ValueType::Double);
        d.value_double.push(f64::NEG_INFINITY);
        assert_eq!(made, [Field::string("a", "1"), n, u, Field::string("x:y", "z"), t, d]);
    }

    #[test]
    fn mistakes_are_told() {
        for args in [
            &["a"][..],
            &["=x"],
            &["a:i=x"],
            &["a:d=x"],
            &["a:d=1e400"],
            &["a:t=x"],
            &["a=1", "a:i=1"],
        ] {
            assert!(fields(args).is_err(), "{args:?}");
        }
    }
}
