// SPDX-License-Identifier: MIT OR Apache-2.0
//! Removes the envelopes of records from standard input, which determine the data and the peers.

use std::borrow::Cow;
use std::collections::BTreeSet;
use std::fmt;

use data_encoding::BASE64;
use heka_core::codec::Form;
use heka_core::record::Framing;
use heka_core::wire::{Deframer, More, Step, Value};
use serde::de::{Deserializer, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, de};
use serde_json::value::RawValue;

/// The peers named in a record.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) enum Recipients {
    /// None: the record goes to the peers of `--to`.
    #[default]
    Unnamed,
    /// One peer.
    One(u64),
    /// Several peers, each once.
    Several(BTreeSet<u64>),
}

impl Recipients {
    /// Adds a peer.
    fn add(self, number: u64) -> Self {
        match self {
            Self::Unnamed => Self::One(number),
            Self::One(other) if other == number => self,
            Self::One(other) => Self::Several([other, number].into()),
            Self::Several(mut others) => {
                others.insert(number);
                Self::Several(others)
            }
        }
    }

    fn add_all(self, others: Self) -> Self {
        match others {
            Self::Unnamed => self,
            Self::One(number) => self.add(number),
            Self::Several(numbers) => numbers.into_iter().fold(self, Self::add),
        }
    }
}

/// A record for peers.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Addressed<'a> {
    pub(crate) to: Recipients,
    /// The data for the peers.
    pub(crate) data: Cow<'a, [u8]>,
}

/// Removes the envelope of a record from standard input. `wire` is the framing of the socket.
///
/// # Errors
/// A description of why the record is not of this form.
pub(crate) fn open(form: Form, wire: Framing, record: &[u8]) -> Result<Addressed<'_>, String> {
    match form {
        Form::Tag => Ok(open_tag(record)),
        Form::Json => open_json(record),
        Form::Heka => open_heka(wire, record),
        _ => Ok(Addressed { to: Recipients::Unnamed, data: record.into() }),
    }
}

fn open_tag(record: &[u8]) -> Addressed<'_> {
    let is_in_tag = |byte: &&u8| byte.is_ascii_digit() || **byte == b',';
    let len = record.iter().take_while(is_in_tag).count();
    let tag = record.get(..len).filter(|_| record.get(len) == Some(&b'\t'));
    match tag.and_then(|tag| std::str::from_utf8(tag).ok()).and_then(read_tag) {
        Some(to) => Addressed { to, data: record.get(len + 1..).unwrap_or_default().into() },
        None => Addressed { to: Recipients::Unnamed, data: record.into() },
    }
}

fn read_tag(tag: &str) -> Option<Recipients> {
    tag.split(',').try_fold(Recipients::Unnamed, |to, number| Some(to.add(number.parse().ok()?)))
}

#[derive(Deserialize)]
struct Object<'a> {
    #[serde(default)]
    unix_socket_server: Recipients,
    #[serde(borrow)]
    data: Option<&'a RawValue>,
    #[serde(borrow)]
    data_base64: Option<Cow<'a, str>>,
}

/// Accepts a number, an array of numbers, the object that accompanies records of a server, or an
/// array of such objects.
impl<'de> Deserialize<'de> for Recipients {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(RecipientsVisitor)
    }
}

struct RecipientsVisitor;

#[derive(Deserialize)]
#[serde(field_identifier, rename_all = "lowercase")]
enum Member {
    Peer,
    #[serde(other)]
    Other,
}

impl<'de> Visitor<'de> for RecipientsVisitor {
    type Value = Recipients;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("the number of a peer, or several")
    }

    fn visit_unit<E: de::Error>(self) -> Result<Recipients, E> {
        Ok(Recipients::Unnamed)
    }

    fn visit_u64<E: de::Error>(self, number: u64) -> Result<Recipients, E> {
        Ok(Recipients::One(number))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Recipients, A::Error> {
        let mut all = Recipients::Unnamed;
        let mut is_empty = true;
        while let Some(some) = seq.next_element()? {
            is_empty = false;
            all = all.add_all(some);
        }
        // An empty list is not the same as the peers of `--to`.
        if is_empty { Ok(Recipients::Several(BTreeSet::new())) } else { Ok(all) }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Recipients, A::Error> {
        let mut to = Recipients::Unnamed;
        while let Some(member) = map.next_key()? {
            match member {
                Member::Peer => to = map.next_value()?,
                Member::Other => {
                    map.next_value::<de::IgnoredAny>()?;
                }
            }
        }
        Ok(to)
    }
}

fn open_json(record: &[u8]) -> Result<Addressed<'_>, String> {
    let object: Object<'_> = serde_json::from_slice(record).map_err(|error| error.to_string())?;
    let data = match (object.data, object.data_base64) {
        (Some(data), None) if data.get().starts_with('"') => {
            let text: String =
                serde_json::from_str(data.get()).map_err(|error| error.to_string())?;
            text.into_bytes().into()
        }
        (Some(data), None) => data.get().as_bytes().into(),
        (None, Some(text)) => {
            BASE64.decode(text.as_bytes()).map_err(|error| format!("data_base64: {error}"))?.into()
        }
        _ => return Err("expected one of the members data and data_base64".to_owned()),
    };
    Ok(Addressed { to: object.unix_socket_server, data })
}

fn open_heka(wire: Framing, record: &[u8]) -> Result<Addressed<'_>, String> {
    let Step::Frame(_, frame) = Deframer::new(record.len()).next(record, More::Ended) else {
        return Err("not a Heka frame".to_owned());
    };
    let number = |value| match value {
        Value::Integer(number) => u64::try_from(number).ok(),
        _ => None,
    };
    let fields = (0..).map_while(|index| frame.view.field(b"peer", index));
    let numbers = fields.flat_map(|field| field.values()).filter_map(number);
    let to = numbers.fold(Recipients::Unnamed, Recipients::add);
    let data = if wire == Framing::Heka { record } else { frame.view.payload.unwrap_or_default() };
    Ok(Addressed { to, data: data.into() })
}

#[cfg(test)]
mod tests {
    use super::*;

    const LINES: Framing = Framing::Delimited(b'\n');

    fn tag(text: &'static str) -> (Recipients, Cow<'static, [u8]>) {
        let Addressed { to, data } = open(Form::Tag, LINES, text.as_bytes()).unwrap();
        (to, data)
    }

    #[test]
    fn json_data_that_is_no_string_keeps_its_digits() {
        let back = open(Form::Json, LINES, b"{\"data\":[848311734.7466849]}").unwrap();
        let data = b"[848311734.7466849]"[..].into();
        assert_eq!(back, Addressed { to: Recipients::Unnamed, data });
    }

    #[test]
    fn json_without_data_is_refused() {
        for text in
            ["{}", "1", "{\"data\":1,\"data_base64\":\"\"}", "{\"data", "{\"data_base64\":\"?\"}"]
        {
            assert!(open(Form::Json, LINES, text.as_bytes()).is_err(), "{text}");
        }
    }

    #[test]
    fn json_names_several_peers_in_the_ways_of_jq() {
        let to = |server: &str| {
            let text = format!("{{\"data\":1,\"unix_socket_server\":{server}}}");
            open(Form::Json, LINES, text.as_bytes()).map(|addressed| addressed.to)
        };
        let several = |numbers: &[u64]| Ok(Recipients::Several(numbers.iter().copied().collect()));
        assert_eq!(to("{\"peer\":[0,2,0]}"), several(&[0, 2]));
        assert_eq!(
            to("[{\"peer\":0,\"path\":\"/s\"},{\"peer\":2},{\"peer\":0}]"),
            several(&[0, 2])
        );
        assert_eq!(to("[{\"peer\":3},{\"peer\":3}]"), Ok(Recipients::One(3)));
        assert_eq!(to("{\"peer\":[]}"), several(&[]));
        for nobody in ["null", "{}", "{\"peer\":null}", "{\"uid\":[1,{}]}"] {
            assert_eq!(to(nobody), Ok(Recipients::Unnamed), "{nobody}");
        }
        for wrong in ["{\"peer\":-1}", "{\"peer\":\"1\"}", "{\"peer\":1.5}"] {
            let cause = to(wrong).unwrap_err();
            assert!(cause.contains("expected the number of a peer, or several"), "{cause}");
        }
    }

    #[test]
    fn a_tag_is_digits_and_a_tab() {
        assert_eq!(tag("7\tx\ty"), (Recipients::One(7), b"x\ty"[..].into()));
        assert_eq!(tag("0,2,0\tx"), (Recipients::Several([0, 2].into()), b"x"[..].into()));
        for text in ["\tx", "x", "99999999999999999999\tx", "0,\tx", ",0\tx", "7", "1,2"] {
            assert_eq!(tag(text), (Recipients::Unnamed, text.as_bytes().into()), "{text}");
        }
    }
}
