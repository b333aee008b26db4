// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts a member's value to its required type; errors name the member.

use bytes::Bytes;
use data_encoding::BASE64;

use super::value::Json;

/// Accepts an integer, or a double with an integral value: some programs write all numbers as
/// doubles.
#[expect(clippy::cast_possible_truncation, reason = "compared with what it was")]
pub(super) fn integer(name: &str, value: &Json) -> Result<i64, String> {
    const MAX: f64 = 9_223_372_036_854_775_808.0;
    match value {
        Json::Integer(number) => Ok(*number),
        // 2^63 does not fit, but the value that it saturates to is equal to it as a double.
        Json::Double(number) if (*number as i64) as f64 == *number && *number < MAX => {
            Ok(*number as i64)
        }
        _ => Err(format!("{name}: not an integer")),
    }
}

pub(super) fn text<'a>(name: &str, value: &'a Json) -> Result<&'a str, String> {
    match value {
        Json::String(text) => Ok(text),
        _ => Err(format!("{name}: not a string")),
    }
}

pub(super) fn base64(name: &str, value: &Json) -> Result<Bytes, String> {
    let bytes = BASE64.decode(text(name, value)?.as_bytes());
    bytes.map(Bytes::from).map_err(|_| format!("{name}: not base64"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn doubles_are_integers_only_if_they_fit() {
        let integer = |text: &str| integer("x", &Json::parse(text.as_bytes()).unwrap()).ok();
        assert_eq!(integer("5.0"), Some(5));
        assert_eq!(integer("9223372036854775807"), Some(i64::MAX));
        assert_eq!(integer("9223372036854775808"), None);
        assert_eq!(integer("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(integer("-9223372036854775808.0"), Some(i64::MIN));
        assert_eq!(integer("1e300"), None);
        assert_eq!(integer("0.5"), None);
    }
}
