// SPDX-License-Identifier: MIT OR Apache-2.0
//! `nats://HOST[:PORT][,…]/SUBJECT[?OPTION=VALUE&…]`.

use std::path::PathBuf;

use heka_core::cli::parse_size;
use heka_core::delivery::transport::{
    Form, From, parse_form, parse_from, parse_hosts, parse_switch,
};
use heka_core::net::HostPort;
use heka_core::os::clock;

/// The port of a server by default.
const PORT: u16 = 4222;
/// A server takes no longer message unless its configuration says so; the rest is for headers.
const BATCH: usize = 64 * 1024;

/// An address, read.
#[derive(Clone, Debug)]
pub(crate) struct Address {
    /// As it was typed.
    pub(crate) text: String,
    pub(crate) is_tls: bool,
    pub(crate) hosts: Vec<HostPort>,
    /// Subject, with `{…}` for values of messages; for reading it may be the name of a stream.
    pub(crate) subject: String,
    pub(crate) options: Options,
    /// Where answers to us go.
    pub(crate) inbox: String,
}

/// What follows the question mark.
#[derive(Clone, Debug, Default)]
pub(crate) struct Options {
    pub(crate) stream: Option<String>,
    /// Number of replicas of a stream to make.
    pub(crate) create: Option<u8>,
    pub(crate) form: Option<Form>,
    pub(crate) batch: Option<usize>,
    pub(crate) no_id: bool,
    pub(crate) durable: Option<String>,
    pub(crate) from: Option<From>,
    pub(crate) origin: bool,
    pub(crate) user: Option<String>,
    /// Files: password, credentials, key, certificates.
    pub(crate) password_file: Option<PathBuf>,
    pub(crate) creds: Option<PathBuf>,
    pub(crate) nkey: Option<PathBuf>,
    pub(crate) ca_file: Option<PathBuf>,
    pub(crate) cert: Option<PathBuf>,
    pub(crate) key: Option<PathBuf>,
    pub(crate) server_name: Option<String>,
}

impl Options {
    pub(crate) fn form(&self) -> Form {
        self.form.unwrap_or(Form::Protobuf)
    }

    /// How many bytes of frames share a message of the broker.
    pub(crate) fn batch(&self) -> usize {
        self.batch.unwrap_or(if self.form() == Form::Framed { BATCH } else { 0 })
    }
}

/// Reads an address (a value parser for clap).
///
/// # Errors
/// Words on what is wrong.
pub(crate) fn parse(text: &str) -> Result<Address, String> {
    let (is_tls, rest) = match (text.strip_prefix("nats://"), text.strip_prefix("natss://")) {
        (Some(rest), _) => (false, rest),
        (_, Some(rest)) => (true, rest),
        _ => return Err("expected nats://HOST[:PORT]/SUBJECT or natss://…".to_owned()),
    };
    let (place, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (hosts, subject) = place.split_once('/').unwrap_or((place, ""));
    if hosts.contains('@') {
        return Err("a password in an address is visible to other users: \
                    --user with --password-file, --creds or --nkey"
            .to_owned());
    }
    let hosts = parse_hosts(hosts, PORT)?;
    if subject.is_empty() || subject.contains(char::is_whitespace) {
        return Err("expected a subject behind the host: nats://HOST/SUBJECT".to_owned());
    }
    let (text, subject, options) = (text.to_owned(), subject.to_owned(), parse_options(query)?);
    let id: String = clock::random_uuid().iter().map(|byte| format!("{byte:02x}")).collect();
    let inbox = format!("_INBOX.{id}");
    Ok(Address { text, is_tls, hosts, subject, options, inbox })
}

fn parse_options(query: &str) -> Result<Options, String> {
    let mut options = Options::default();
    for (name, value) in url::form_urlencoded::parse(query.as_bytes()) {
        set(&mut options, &name, &value).map_err(|words| format!("{name}={value}: {words}"))?;
    }
    let is_batched = options.batch.is_some_and(|batch| batch > 0);
    if is_batched && options.form() != Form::Framed {
        return Err("batch= needs form=framed: other forms hold one message".to_owned());
    }
    Ok(options)
}

fn set(options: &mut Options, name: &str, value: &str) -> Result<(), String> {
    let text = || match value {
        "" => Err("expected a value".to_owned()),
        _ => Ok(Some(value.to_owned())),
    };
    let path = || text().map(|text| text.map(PathBuf::from));
    match name {
        "stream" => options.stream = text()?,
        "durable" => options.durable = text()?,
        "user" => options.user = text()?,
        "server-name" => options.server_name = text()?,
        "password-file" => options.password_file = path()?,
        "creds" => options.creds = path()?,
        "nkey" => options.nkey = path()?,
        "ca-file" => options.ca_file = path()?,
        "cert" => options.cert = path()?,
        "key" => options.key = path()?,
        "batch" => options.batch = Some(usize::try_from(parse_size(value)?).unwrap_or(usize::MAX)),
        "from" => options.from = Some(parse_from(value)?),
        "create" => {
            let replicas = value.strip_prefix('R').and_then(|number| number.parse().ok());
            let replicas = replicas.filter(|number| (1..=5).contains(number));
            options.create = Some(replicas.ok_or("expected R1 to R5")?);
        }
        "form" => options.form = Some(parse_form(value)?),
        "origin" => options.origin = parse_switch(value)?,
        "id" => {
            options.no_id = match value {
                "uuid" => false,
                "none" => true,
                _ => return Err("expected uuid or none".to_owned()),
            };
        }
        _ => return Err("no such option of nats://".to_owned()),
    }
    Ok(())
}

#[cfg(test)]
mod tests {
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
        let from = |text: &str| parse(&format!("nats://h/S?from={text}")).unwrap().options.from;
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
