// SPDX-License-Identifier: MIT OR Apache-2.0
//! `nats://HOST[:PORT][,…]/SUBJECT[?OPTION=VALUE&…]`.

use std::path::PathBuf;

use heka_core::cli::parse_size;
use heka_core::delivery::transport::{self, Form, Scheme, parse_path, parse_text};
use heka_core::net::HostPort;
use heka_core::os::clock;

const SCHEME: Scheme = Scheme {
    name: "nats",
    port: 4222,
    place: "subject",
    login: "--user with --password-file, --creds or --nkey",
};
/// Size of a batch: a server accepts no longer message by default; the rest is for headers.
const BATCH: usize = 64 * 1024;

/// A parsed address.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// The address as typed.
    pub(crate) text: String,
    pub(crate) is_tls: bool,
    pub(crate) hosts: Vec<HostPort>,
    /// Subject, with `{…}` for values of messages; for reading, it may be the name of a stream.
    pub(crate) subject: String,
    pub(crate) options: Options,
    /// Prefix of the subjects for answers to this client.
    pub(crate) inbox: String,
}

/// The options after the question mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    /// The options common to all brokers.
    pub(crate) common: transport::Options,
    pub(crate) stream: Option<String>,
    /// Number of replicas, if the stream is to be created.
    pub(crate) create: Option<u8>,
    pub(crate) batch: Option<usize>,
    pub(crate) no_id: bool,
    pub(crate) durable: Option<String>,
    /// Files: credentials, key of the user, key of the certificate.
    pub(crate) creds: Option<PathBuf>,
    pub(crate) nkey: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
}

impl Options {
    pub(crate) fn form(&self) -> Form {
        self.common.form.unwrap_or(Form::Protobuf)
    }

    /// Returns the number of bytes of frames that share a message of the broker.
    pub(crate) fn batch(&self) -> usize {
        self.batch.unwrap_or(if self.form() == Form::Framed { BATCH } else { 0 })
    }
}

/// Parses an address (a value parser for clap).
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let parts = SCHEME.parse(text)?;
    let (is_tls, hosts, subject) = (parts.is_tls, parts.hosts, parts.place.to_owned());
    let options = parse_options(parts.query)?;
    let id: String = clock::random_uuid().iter().map(|byte| format!("{byte:02x}")).collect();
    let (text, inbox) = (text.to_owned(), format!("_INBOX.{id}"));
    Ok(Address { text, is_tls, hosts, subject, options, inbox })
}

fn parse_options(query: &str) -> Result<Options, String> {
    let mut options = Options::default();
    options.common = SCHEME.options(query, |name, value| set(&mut options, name, value))?;
    let is_batched = options.batch.is_some_and(|batch| batch > 0);
    if is_batched && options.form() != Form::Framed {
        return Err("batch= needs form=framed: other forms hold one message".to_owned());
    }
    Ok(options)
}

/// Takes an option that not all brokers have; `false` if there is no such option.
fn set(options: &mut Options, name: &str, value: &str) -> Result<bool, String> {
    match name {
        "stream" => options.stream = Some(parse_text(value)?),
        "durable" => options.durable = Some(parse_text(value)?),
        "server-name" => options.server_name = Some(parse_text(value)?),
        "creds" => options.creds = Some(parse_path(value)?),
        "nkey" => options.nkey = Some(parse_path(value)?),
        "key" => options.key = Some(parse_path(value)?),
        "batch" => options.batch = Some(usize::try_from(parse_size(value)?).unwrap_or(usize::MAX)),
        "create" => {
            let replicas = value.strip_prefix('R').and_then(|number| number.parse().ok());
            let replicas = replicas.filter(|number| (1..=5).contains(number));
            options.create = Some(replicas.ok_or("expected R1 to R5")?);
        }
        "id" => {
            options.no_id = match value {
                "uuid" => false,
                "none" => true,
                _ => return Err("expected uuid or none".to_owned()),
            };
        }
        _ => return Ok(false),
    }
    Ok(true)
}

#[cfg(test)]
mod tests {
    use heka_core::delivery::transport::From;

    use super::*;

    #[test]
    fn hosts_have_a_port_and_options_a_value() {
        let address =
            parse("natss://n1,[::1],n2:4223/logs.{Logger}?stream=LOGS&form=framed&create=R3")
                .unwrap();
        let hosts: Vec<_> = address.hosts.iter().map(ToString::to_string).collect();
        assert_eq!(hosts, ["n1:4222", "[::1]:4222", "n2:4223"]);
        assert!(address.is_tls);
        assert_eq!(address.subject, "logs.{Logger}");
        assert_eq!((address.options.create, address.options.batch()), (Some(3), BATCH));
        let from =
            |text: &str| parse(&format!("nats://h/S?from={text}")).unwrap().options.common.from;
        assert_eq!(from("-5"), Some(From::Last(5)));
        assert_eq!(from("7"), Some(From::Number(7)));
        assert_eq!(from("@2026-01-01T00:00:00Z"), Some(From::Time("2026-01-01T00:00:00Z".into())));
    }

    #[test]
    fn mistakes_are_told() {
        for (text, words) in [
            ("nats://h", "subject"),
            ("nats:///s", "HOST"),
            ("nats://u:p@h/s", "--password-file"),
            ("nats://h/s?color=red", "color=red: no such option"),
            ("nats://h/s?create=3", "R1 to R5"),
            ("nats://h/s?batch=1M", "form=framed"),
            ("nats://h/s?from=x", "stored"),
            ("tcp://h/s", "nats://HOST"),
            ("nats://h:x/s", "number"),
        ] {
            let error = parse(text).expect_err(text);
            assert!(error.contains(words), "{text}: {error}");
        }
    }
}
