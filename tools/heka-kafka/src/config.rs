// SPDX-License-Identifier: MIT OR Apache-2.0
//! Settings of librdkafka: our own, and those of the user.

use std::path::Path;
use std::time::Duration;

use heka_core::cli::secret;
use heka_core::net::Family;
use heka_core::report::{self, Level, Stop};
use heka_core::wire::DEFAULT_READ_LIMIT;
use rdkafka::ClientConfig;
use rdkafka::config::RDKafkaLogLevel;

use crate::address::{Acks, Address};
use crate::cli::Cli;
use crate::words;

/// Settings that delivery depends on, which the user may not change.
const OURS: [&str; 7] = [
    "bootstrap.servers",
    "metadata.broker.list",
    "group.id",
    "enable.auto.commit",
    "enable.auto.offset.store",
    "enable.partition.eof",
    "auto.offset.reset",
];
/// Settings with secrets, which everybody could read on a command line.
const SECRET: [&str; 8] = [
    "sasl.password",
    "ssl.key.password",
    "ssl.key.pem",
    "ssl.keystore.password",
    "sasl.oauthbearer.client.secret",
    "sasl.oauthbearer.config",
    "sasl.oauthbearer.assertion.private.key.passphrase",
    "sasl.oauthbearer.assertion.private.key.pem",
];

/// Parses `KEY=VALUE` (a value parser for clap).
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse_setting(text: &str) -> Result<(String, String), String> {
    let (key, value) = text.split_once('=').ok_or("expected KEY=VALUE")?;
    allowed(key)?;
    if SECRET.contains(&key) {
        return Err(format!(
            "{key} is visible to other users here; put it into a --client-config file"
        ));
    }
    Ok((key.to_owned(), value.to_owned()))
}

fn allowed(key: &str) -> Result<(), String> {
    if OURS.contains(&key) { Err(format!("{key} is set by heka-kafka itself")) } else { Ok(()) }
}

/// Creates the settings of a producer or consumer.
///
/// # Errors
/// An unknown setting, or a file that cannot be used: status 2.
pub(crate) fn make(cli: &Cli) -> Result<ClientConfig, Stop> {
    let (address, options) = (&cli.address, &cli.address.options);
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", &address.brokers).set("client.id", "heka-kafka");
    config.set("socket.timeout.ms", "10000").set("socket.nagle.disable", "true");
    config.set("reconnect.backoff.ms", "50").set("reconnect.backoff.max.ms", "2000");
    let limit = cli.connect_timeout().as_millis().clamp(1000, 3_600_000);
    config.set("socket.connection.setup.timeout.ms", limit.to_string());
    config.set("socket.keepalive.enable", cli.keepalive.to_string());
    config.set("broker.address.family", family(cli.connect.family()));
    set_security(&mut config, cli)?;
    if cli.transport.read {
        set_reading(&mut config, address);
    } else {
        set_writing(&mut config, address);
    }
    for (key, value) in &options.settings {
        parse_setting(&format!("{key}={value}")).map_err(Stop::usage)?;
        config.set(key, value);
    }
    if let Some(path) = cli.client_config.as_ref().or(options.client_config.as_ref()) {
        read_file(&mut config, path)?;
    }
    for (key, value) in &cli.setting {
        config.set(key, value);
    }
    // Its messages are shown from -vv on, but are also the only source of the cause of a broken
    // connection.
    config.set_log_level(match report::wants(Level::Debug) {
        true => RDKafkaLogLevel::Debug,
        false => RDKafkaLogLevel::Info,
    });
    config.create_native_config().map_err(|error| Stop::usage(words::of_error(&error)))?;
    Ok(config)
}

/// Returns the time limit for a broker's response.
pub(crate) fn request_timeout(config: &ClientConfig) -> Duration {
    milliseconds(config, "socket.timeout.ms", 10_000)
}

/// Maximum time between two polls of a reader.
pub(crate) fn poll_interval(config: &ClientConfig) -> Duration {
    milliseconds(config, "max.poll.interval.ms", 300_000)
}

fn milliseconds(config: &ClientConfig, name: &str, default: u64) -> Duration {
    let time = config.get(name).and_then(|text| text.parse().ok());
    Duration::from_millis(time.unwrap_or(default))
}

fn family(family: Family) -> &'static str {
    match family {
        Family::V4 => "v4",
        Family::V6 => "v6",
        Family::Any => "any",
    }
}

fn set_writing(config: &mut ClientConfig, address: &Address) {
    let options = &address.options;
    let (acks, is_idempotent) = match options.acks.unwrap_or(Acks::All) {
        Acks::None => ("0", "false"),
        Acks::Leader => ("1", "false"),
        Acks::All => ("all", "true"),
    };
    config.set("acks", acks).set("enable.idempotence", is_idempotent);
    // Messages that cannot be stored now are kept until they can be.
    config.set("message.timeout.ms", "0");
    config.set("topic.metadata.propagation.max.ms", "5000");
    config.set("message.max.bytes", (DEFAULT_READ_LIMIT + 1024).to_string());
    config.set("queue.buffering.max.messages", "1000000");
    config.set("partitioner", "murmur2_random");
    config.set("compression.codec", options.compression.as_deref().unwrap_or("none"));
    let linger = options.linger.map_or(5.0, |linger| linger.as_secs_f64() * 1000.0);
    config.set("linger.ms", linger.to_string());
}

fn set_reading(config: &mut ClientConfig, address: &Address) {
    // The library requires one even if nothing is stored.
    config.set("group.id", address.options.group.as_deref().unwrap_or("heka-kafka"));
    config.set("enable.auto.commit", "false").set("enable.auto.offset.store", "false");
    config.set("enable.partition.eof", "true").set("auto.offset.reset", "error");
    config.set("topic.metadata.refresh.interval.ms", "10000");
    config.set("queued.max.messages.kbytes", "16384");
    config.set("statistics.interval.ms", "1000");
}

fn set_security(config: &mut ClientConfig, cli: &Cli) -> Result<(), Stop> {
    let options = &cli.address.options;
    let login = cli.login.plan(&options.common)?;
    let sasl = cli.sasl.as_ref().or(options.sasl.as_ref());
    let has_login = login.is_some() || sasl.is_some();
    let protocol = match (cli.address.is_tls, has_login) {
        (false, false) => "plaintext",
        (true, false) => "ssl",
        (false, true) => "sasl_plaintext",
        (true, true) => "sasl_ssl",
    };
    config.set("security.protocol", protocol);
    if has_login {
        config.set("sasl.mechanisms", sasl.map_or("PLAIN", String::as_str));
    }
    if let Some((user, path)) = login {
        let password = secret::text(path, secret::line(path, "password")?)?;
        report::conceal(&password);
        config.set("sasl.username", user).set("sasl.password", password.as_str());
    }
    set_tls(config, cli)
}

/// Sets certificates and keys.
fn set_tls(config: &mut ClientConfig, cli: &Cli) -> Result<(), Stop> {
    let (flags, options) = (&cli.certificates, &cli.address.options);
    let cert = flags.cert.as_ref().or(options.common.cert.as_ref());
    let files = [
        ("ssl.ca.location", flags.ca_file.as_ref().or(options.common.ca_file.as_ref())),
        ("ssl.certificate.location", cert),
        ("ssl.key.location", flags.key.as_ref().or(options.cert_key.as_ref()).or(cert)),
    ];
    for (key, path) in files {
        let Some(path) = path else { continue };
        if !cli.address.is_tls {
            return Err(Stop::usage(format_args!("{}: TLS needs kafkas://", path.display())));
        }
        if key == "ssl.key.location" {
            // The library reads it. Here its owner and mode are checked, and core dumps prevented.
            drop(secret::read(path)?);
        } else {
            std::fs::File::open(path)
                .map_err(|error| Stop::usage(format_args!("{}: {error}", path.display())))?;
        }
        config.set(key, path.display().to_string());
    }
    if cli.insecure {
        config.set("enable.ssl.certificate.verification", "false");
    }
    Ok(())
}

/// Reads a file of `KEY=VALUE` lines; lines with `#` are comments.
fn read_file(config: &mut ClientConfig, path: &Path) -> Result<(), Stop> {
    let text = secret::text(path, secret::read(path)?)?;
    for (index, line) in text.lines().enumerate() {
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        let wrong = |words: String| {
            Stop::usage(format_args!("{}: line {}: {words}", path.display(), index + 1))
        };
        let pair = line.split_once('=').ok_or_else(|| wrong("expected KEY=VALUE".to_owned()))?;
        let (key, value) = (pair.0.trim(), pair.1.trim());
        allowed(key).map_err(wrong)?;
        if SECRET.contains(&key) {
            report::conceal(value);
        }
        config.set(key, value);
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_delivery_depends_on_is_not_for_others() {
        assert!(parse_setting("enable.auto.commit=true").is_err());
        assert!(parse_setting("sasl.password=x").unwrap_err().contains("--client-config"));
        let pair = parse_setting("ssl.cipher.suites=a=b").unwrap();
        assert_eq!(pair, ("ssl.cipher.suites".to_owned(), "a=b".to_owned()));
    }
}
