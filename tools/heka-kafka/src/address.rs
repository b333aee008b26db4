// SPDX-License-Identifier: MIT OR Apache-2.0
//! `kafka://HOST[:PORT][,…]/TOPIC[?OPTION=VALUE&…]`.

use std::path::PathBuf;
use std::time::Duration;

use heka_core::cli::parse_duration;
use heka_core::codec::Selector;
use heka_core::delivery::transport::{self, Scheme, parse_path, parse_text};

const SCHEME: Scheme = Scheme {
    name: "kafka",
    port: 9092,
    place: "topic",
    login: "--user with --password-file, or --client-config",
};

/// Number of brokers that must have stored a message.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Acks {
    /// None.
    None,
    /// The leader of the partition.
    Leader,
    /// All in-sync replicas.
    All,
}

/// A parsed address.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The address as typed.
    pub(crate) text: String,
    pub(crate) is_tls: bool,
    /// `HOST:PORT,…`, in the library's form.
    pub(crate) brokers: String,
    pub(crate) has_several: bool,
    /// Topic, with `{…}` for values of messages; for reading, topics, or `~` and a pattern.
    pub(crate) topic: String,
    pub(crate) options: Options,
}

/// The options after the question mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The options common to all brokers.
    pub(crate) common: transport::Options,
    pub(crate) key: Option<Selector>,
    pub(crate) acks: Option<Acks>,
    pub(crate) compression: Option<String>,
    pub(crate) linger: Option<Duration>,
    /// Whether the time of a record is that of its message.
    pub(crate) has_message_time: Option<bool>,
    pub(crate) partition: Option<i32>,
    pub(crate) group: Option<String>,
    pub(crate) sasl: Option<String>,
    pub(crate) client_config: Option<PathBuf>,
    pub(crate) cert_key: Option<PathBuf>,
    /// Settings of the library, which have a dot in their names.
    pub(crate) settings: Vec<(String, String)>,
}

/// Parses an address (a value parser for clap).
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let parts = SCHEME.parse(text)?;
    let brokers: Vec<_> = parts.hosts.iter().map(ToString::to_string).collect();
    Ok(Address {
        text: text.to_owned(),
        is_tls: parts.is_tls,
        brokers: brokers.join(","),
        has_several: brokers.len() > 1,
        topic: parts.place.to_owned(),
        options: parse_options(parts.query)?,
    })
}

fn parse_options(query: &str) -> Result<Options, String> {
    let mut options = Options::default();
    options.common = SCHEME.options(query, |name, value| set(&mut options, name, value))?;
    Ok(options)
}

/// Takes an option that not all brokers have; `false` if there is no such option.
fn set(options: &mut Options, name: &str, value: &str) -> Result<bool, String> {
    match name {
        "group" => options.group = Some(parse_text(value)?),
        "sasl" => options.sasl = Some(parse_sasl(value)?),
        "client-config" => options.client_config = Some(parse_path(value)?),
        "cert-key" => options.cert_key = Some(parse_path(value)?),
        "linger" => options.linger = Some(parse_duration(value)?),
        "key" => options.key = Some(parse_key(value)?),
        "acks" => options.acks = Some(parse_acks(value)?),
        "compression" => options.compression = Some(parse_compression(value)?),
        "timestamp" => {
            options.has_message_time = Some(match value {
                "now" => false,
                "message" => true,
                _ => return Err("expected now or message".to_owned()),
            });
        }
        "partition" => {
            let number = value.parse().ok().filter(|number: &i32| *number >= 0);
            options.partition = Some(number.ok_or("expected a number from 0")?);
        }
        _ if name.contains('.') => options.settings.push((name.to_owned(), value.to_owned())),
        _ => return Ok(false),
    }
    Ok(true)
}

fn parse_key(value: &str) -> Result<Selector, String> {
    let is_known =
        value.starts_with("Fields[") || heka_core::codec::HeaderName::named(value).is_some();
    let key = Selector::parse(value).filter(|_| is_known);
    key.ok_or_else(|| "expected a header or Fields[name]".to_owned())
}

fn parse_acks(value: &str) -> Result<Acks, String> {
    match value {
        "0" | "none" => Ok(Acks::None),
        "1" | "leader" => Ok(Acks::Leader),
        "-1" | "all" => Ok(Acks::All),
        _ => Err("expected all, 1 or 0".to_owned()),
    }
}

fn parse_compression(value: &str) -> Result<String, String> {
    match value {
        "none" | "gzip" | "snappy" | "lz4" | "zstd" => Ok(value.to_owned()),
        _ => Err("expected none, gzip, snappy, lz4 or zstd".to_owned()),
    }
}

/// Parses the name of a SASL mechanism (a value parser for clap).
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse_sasl(value: &str) -> Result<String, String> {
    match value {
        "plain" | "scram-sha-256" | "scram-sha-512" => Ok(value.to_uppercase()),
        "gssapi" if cfg!(feature = "gssapi") => Ok("GSSAPI".to_owned()),
        "gssapi" => Err("this heka-kafka was built without gssapi".to_owned()),
        _ => Err("expected plain, scram-sha-256, scram-sha-512 or gssapi".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use heka_core::delivery::transport::From;

    use super::*;

    #[test]
    fn hosts_have_a_port_and_options_a_value() {
        let address =
            parse("kafkas://b1,[::1],b2:9093/logs.{Logger}?key=Logger&linger=20ms&acks=1&fetch.min.bytes=9")
                .unwrap();
        assert_eq!(address.brokers, "b1:9092,[::1]:9092,b2:9093");
        assert!(address.is_tls && address.has_several);
        assert_eq!(address.topic, "logs.{Logger}");
        let options = address.options;
        assert_eq!(
            (options.acks, options.linger),
            (Some(Acks::Leader), Some(Duration::from_millis(20)))
        );
        assert_eq!(options.settings, [("fetch.min.bytes".to_owned(), "9".to_owned())]);
        let from =
            |text: &str| parse(&format!("kafka://h/t?from={text}")).unwrap().options.common.from;
        assert_eq!(from("-5"), Some(From::Last(5)));
        assert_eq!(from("7"), Some(From::Number(7)));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, words) in [
            ("kafka://h", "topic"),
            ("kafka:///t", "HOST"),
            ("kafka://u:p@h/t", "--password-file"),
            ("kafka://h/t?color=red", "color=red: no such option"),
            ("kafka://h/t?acks=2", "all, 1 or 0"),
            ("kafka://h/t?key=Nothing", "header"),
            ("kafka://h/t?sasl=x", "scram"),
            ("kafka://h/t?partition=-1", "from 0"),
            ("tcp://h/t", "kafka://HOST"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
