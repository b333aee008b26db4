// SPDX-License-Identifier: MIT OR Apache-2.0
//! What went wrong with TLS, in words that tell what to do.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use rustls_pki_types::{ServerName, UnixTime};

use crate::report::Cause as _;

/// Cause and hint of an I/O error that may be TLS' own.
pub fn explain_io(error: &std::io::Error) -> (String, Option<String>) {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => explain(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => (
            "closed the connection during the TLS handshake".to_owned(),
            Some("perhaps it speaks no TLS, or wants a client certificate (--cert)".to_owned()),
        ),
        None => (error.cause(), None),
    }
}

/// Cause and hint of a TLS error.
pub fn explain(error: &Error) -> (String, Option<String>) {
    let with = |cause: &str, hint: &str| (cause.to_owned(), Some(hint.to_owned()));
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => with(
            "does not speak TLS",
            "leave out tls:// or --tls, or of wss:// an s, if it is meant to be plain",
        ),
        Error::NoCertificatesPresented => {
            with("showed no certificate", "the client needs --cert and --key")
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => with("speaks only TLS older than allowed here", "see --tls-min"),
        Error::AlertReceived(alert) => explain_alert(*alert),
        other => (format!("TLS: {other}"), None),
    }
}

fn explain_alert(alert: AlertDescription) -> (String, Option<String>) {
    let (cause, hint) = match alert {
        AlertDescription::UnknownCA => {
            ("does not know the CA of our certificate", "its CA file must hold the issuer of ours")
        }
        AlertDescription::CertificateRequired => {
            ("wants a client certificate", "name one with --cert and --key")
        }
        AlertDescription::CertificateExpired => {
            ("says that our certificate has expired", "renew it, or check its clock")
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            ("refuses our certificate", "its log tells why")
        }
        AlertDescription::ProtocolVersion => {
            ("speaks only other versions of TLS", "see --tls-min on both sides")
        }
        AlertDescription::HandshakeFailure => {
            ("found nothing in common with us", "perhaps it wants a client certificate (--cert)")
        }
        other => return (format!("refuses the TLS connection: {other:?}"), None),
    };
    (cause.to_owned(), Some(hint.to_owned()))
}

fn explain_certificate(error: &CertificateError) -> (String, Option<String>) {
    let (cause, hint) = match error {
        CertificateError::Expired => {
            ("its certificate has expired".to_owned(), "renew it there, or check this clock")
        }
        CertificateError::ExpiredContext { not_after, .. } => (
            format!("its certificate expired on {}", day(*not_after)),
            "renew it there, or check this machine's clock",
        ),
        CertificateError::NotValidYet => {
            ("its certificate is not valid yet".to_owned(), "check this machine's clock")
        }
        CertificateError::NotValidYetContext { not_before, .. } => (
            format!("its certificate is valid from {} on", day(*not_before)),
            "check this machine's clock",
        ),
        CertificateError::NotValidForName => (
            "its certificate is for another host".to_owned(),
            "--server-name tells which name to expect",
        ),
        CertificateError::NotValidForNameContext { expected, presented } => {
            return wrong_name(expected, presented);
        }
        CertificateError::UnknownIssuer => (
            "its certificate is signed by an unknown CA".to_owned(),
            "--ca-file names a PEM file with the CA's certificate",
        ),
        CertificateError::InvalidPurpose | CertificateError::InvalidPurposeContext { .. } => (
            "its certificate is not meant for this use".to_owned(),
            "extended key usage must be serverAuth for servers, clientAuth for clients",
        ),
        CertificateError::Other(other) if format!("{other:?}").contains("CaUsedAsEndEntity") => (
            "its certificate is a CA's own, not a host's".to_owned(),
            "sign one for the host with it (basicConstraints = CA:FALSE)",
        ),
        other => return (format!("its certificate is not valid: {other}"), None),
    };
    (cause, Some(hint.to_owned()))
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> (String, Option<String>) {
    let expected = expected.to_str();
    if presented.is_empty() {
        let cause = format!("its certificate names no host, so not {expected} either");
        let hint = "it needs a subjectAltName; a common name alone does not count";
        return (cause, Some(hint.to_owned()));
    }
    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
    let cause = format!("its certificate is for {}, not for {expected}", names.join(", "));
    let hint = "connect to that name, or give it with --server-name".to_owned();
    (cause, Some(hint))
}

/// `DnsName("host")` as `host`.
fn bare(name: &str) -> &str {
    name.split_once('(').map_or(name, |(_, rest)| rest.trim_end_matches(')').trim_matches('"'))
}

fn day(time: UnixTime) -> String {
    i64::try_from(time.as_secs())
        .ok()
        .and_then(|seconds| jiff::Timestamp::from_second(seconds).ok())
        .map_or_else(|| "an unknown day".to_owned(), |time| time.strftime("%Y-%m-%d").to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wrong_names_are_told_with_the_right_ones() {
        let error = Error::InvalidCertificate(CertificateError::NotValidForNameContext {
            expected: ServerName::try_from("a.example").unwrap(),
            presented: vec!["DnsName(\"b.example\")".to_owned()],
        });
        let (cause, hint) = explain(&error);
        assert_eq!(cause, "its certificate is for b.example, not for a.example");
        assert!(hint.unwrap().contains("--server-name"));
    }

    #[test]
    fn an_expired_certificate_tells_its_day() {
        let error = Error::InvalidCertificate(CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(std::time::Duration::from_secs(2)),
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(86_400)),
        });
        assert_eq!(explain(&error).0, "its certificate expired on 1970-01-02");
    }
}
