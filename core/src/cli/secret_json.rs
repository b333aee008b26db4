// SPDX-License-Identifier: MIT OR Apache-2.0
//! JSON with secrets in it.

use std::io::{self, Write};
use std::ops::{Deref, DerefMut};

use serde_json::Value;
use zeroize::{Zeroize as _, Zeroizing};

use crate::os::{SecretBytes, append_secret};

/// A JSON value whose texts are overwritten when it is dropped.
#[derive(Default)]
pub struct SecretJson(Value);

impl SecretJson {
    /// Parses JSON.
    ///
    /// # Errors
    /// If it is not JSON; the error must not be shown, as it may quote a secret.
    pub fn parse(text: &[u8]) -> serde_json::Result<Self> {
        serde_json::from_slice(text).map(Self)
    }

    /// Returns the value as text in one line.
    ///
    /// # Errors
    /// None in practice: memory can be written to.
    pub fn to_line(&self) -> serde_json::Result<SecretBytes> {
        let mut line = Sink(Zeroizing::default());
        serde_json::to_writer(&mut line, &self.0)?;
        Ok(line.0)
    }

    /// Returns the value as text for people.
    ///
    /// # Errors
    /// As [`Self::to_line`].
    pub fn to_pretty(&self) -> serde_json::Result<SecretBytes> {
        let mut text = Sink(Zeroizing::default());
        serde_json::to_writer_pretty(&mut text, &self.0)?;
        Ok(text.0)
    }
}

impl From<Value> for SecretJson {
    fn from(value: Value) -> Self {
        Self(value)
    }
}

impl std::fmt::Debug for SecretJson {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("SecretJson")
    }
}

impl Deref for SecretJson {
    type Target = Value;

    fn deref(&self) -> &Value {
        &self.0
    }
}

impl DerefMut for SecretJson {
    fn deref_mut(&mut self) -> &mut Value {
        &mut self.0
    }
}

impl Drop for SecretJson {
    fn drop(&mut self) {
        overwrite(&mut self.0);
    }
}

fn overwrite(value: &mut Value) {
    match value {
        Value::String(text) => text.zeroize(),
        Value::Array(values) => values.iter_mut().for_each(overwrite),
        Value::Object(members) => members.values_mut().for_each(overwrite),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

struct Sink(SecretBytes);

impl Write for Sink {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        append_secret(&mut self.0, bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_texts_in_it_are_overwritten_wherever_they_are() {
        let text = br#"{"a":"one","b":[{"c":"two"},3]}"#;
        let mut json = SecretJson::parse(text).unwrap();
        assert_eq!(json.to_line().unwrap().as_slice(), text);
        assert!(json.to_pretty().unwrap().starts_with(b"{\n  \"a\": \"one\""));
        overwrite(&mut json);
        assert_eq!(json.to_line().unwrap().as_slice(), br#"{"a":"","b":[{"c":""},3]}"#);
    }
}
