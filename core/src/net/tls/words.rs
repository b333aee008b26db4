// SPDX-License-Identifier: MIT OR Apache-2.0
//! Describes TLS errors in terms of what to do.

use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, PeerIncompatible};
use rustls_pki_types::{ServerName, UnixTime};

use crate::net::{Fault, FaultKind};
use crate::report::Cause as _;

/// Describes an I/O error that may come from TLS.
pub fn explain_io(error: &std::io::Error) -> Fault {
    match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
        Some(error) => explain(error),
        None if error.kind() == std::io::ErrorKind::UnexpectedEof => {
            Fault::new(FaultKind::Closed, "closed the connection during the TLS handshake")
                .hint("perhaps it does not speak TLS, or requires a client certificate (--cert)")
        }
        None => Fault::new(FaultKind::of(error), error.cause()),
    }
}

/// Describes a TLS error.
pub fn explain(error: &Error) -> Fault {
    let with = |cause: &str, hint: &str| Fault::new(FaultKind::Tls, cause).hint(hint);
    match error {
        Error::InvalidCertificate(error) => explain_certificate(error),
        Error::InvalidMessage(InvalidMessage::InvalidContentType) => {
            Fault::new(FaultKind::NotTls, "does not speak TLS")
                .hint("for a plain connection, omit tls:// or --tls")
        }
        Error::NoCertificatesPresented => {
            Fault::new(FaultKind::Authentication, "showed no certificate")
                .hint("the client needs --cert and --key")
        }
        Error::PeerIncompatible(
            PeerIncompatible::Tls12NotOffered
            | PeerIncompatible::Tls12NotOfferedOrEnabled
            | PeerIncompatible::SupportedVersionsExtensionRequired,
        ) => with("speaks only TLS older than allowed here", "see --tls-min"),
        Error::AlertReceived(alert) => explain_alert(*alert),
        other => Fault::new(FaultKind::Tls, format_args!("TLS: {other}")),
    }
}

fn explain_alert(alert: AlertDescription) -> Fault {
    let ours = |cause: &str| Fault::new(FaultKind::Authentication, cause);
    let tls = |cause: &str| Fault::new(FaultKind::Tls, cause);
    match alert {
        AlertDescription::UnknownCA => ours("does not know the CA of the certificate")
            .hint("its CA file must contain the issuer of this certificate"),
        AlertDescription::CertificateRequired => {
            ours("requires a client certificate").hint("name one with --cert and --key")
        }
        AlertDescription::CertificateExpired => {
            ours("says that the certificate has expired").hint("renew it, or check its clock")
        }
        AlertDescription::BadCertificate | AlertDescription::CertificateUnknown => {
            ours("rejected the certificate").hint("see the messages of the peer")
        }
        AlertDescription::ProtocolVersion => {
            tls("speaks only other versions of TLS").hint("see --tls-min on both sides")
        }
        AlertDescription::HandshakeFailure => tls("no TLS version or cipher in common")
            .hint("perhaps it requires a client certificate (--cert)"),
        other => Fault::new(FaultKind::Tls, format_args!("refuses the TLS connection: {other:?}")),
    }
}

/// Whether a CA certificate was rejected where a host's certificate is expected.
pub(super) fn is_of_a_ca(error: &CertificateError) -> bool {
    matches!(error, CertificateError::Other(other)
        if format!("{other:?}").contains("CaUsedAsEndEntity"))
}

/// Interprets an alert: a peer that complains about the certificate of a client without one
/// requires one.
pub(super) fn meant(error: Error, is_anonymous: bool) -> Error {
    match error {
        Error::AlertReceived(
            AlertDescription::BadCertificate
            | AlertDescription::NoCertificate
            | AlertDescription::CertificateUnknown
            | AlertDescription::UnsupportedCertificate
            | AlertDescription::UnknownCA,
        ) if is_anonymous => Error::AlertReceived(AlertDescription::CertificateRequired),
        error => error,
    }
}

/// Reports that the peer uses TLS and this side does not; `address` is the address with TLS.
pub fn speaks_tls(address: &str) -> Fault {
    Fault::new(FaultKind::TlsExpected, "speaks TLS").hint(format!("write it {address}"))
}

/// Whether a stream begins like that of a TLS client: with a handshake record that contains a
/// `ClientHello`.
pub fn is_client_hello(first: &[u8]) -> bool {
    matches!(first, [22, 3, 0..=4, _, _, 1, ..])
}

/// Whether the peer's data begin with a TLS alert: a record of type 21, with a level and a code.
pub fn is_alert(first: &[u8]) -> bool {
    matches!(first, [21, 3, 0..=4, 0, 2, 1..=2, ..])
}

fn explain_certificate(error: &CertificateError) -> Fault {
    if let Some(fault) = explain_time(error) {
        return fault;
    }
    let (cause, hint) = match error {
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
        error if is_of_a_ca(error) => (
            "the certificate is that of a CA, not of a host".to_owned(),
            "trust it with --ca-file, or use it to sign a certificate for the host",
        ),
        other => {
            let cause = format_args!("its certificate is not valid: {other}");
            return Fault::new(FaultKind::Tls, cause);
        }
    };
    Fault::new(FaultKind::Tls, cause).hint(hint)
}

/// Describes a certificate that is not valid at present.
fn explain_time(error: &CertificateError) -> Option<Fault> {
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
        _ => return None,
    };
    Some(Fault::new(FaultKind::Tls, cause).hint(hint))
}

fn wrong_name(expected: &ServerName<'_>, presented: &[String]) -> Fault {
    let expected = expected.to_str();
    if presented.is_empty() {
        let cause = format!("its certificate names no host, so not {expected} either");
        let hint = "it needs a subjectAltName; a common name alone does not count";
        return Fault::new(FaultKind::Tls, cause).hint(hint);
    }
    let names: Vec<&str> = presented.iter().map(|name| bare(name)).collect();
    let cause = format!("its certificate is for {}, not for {expected}", names.join(", "));
    Fault::new(FaultKind::Tls, cause).hint("connect to that name, or give it with --server-name")
}

/// Converts `DnsName("host")` to `host`.
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
        let fault = explain(&error);
        assert_eq!(fault.cause, "its certificate is for b.example, not for a.example");
        assert!(fault.hint.unwrap().contains("--server-name"));
    }

    #[test]
    fn the_first_bytes_of_tls_are_recognised() {
        assert!(is_client_hello(b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc"));
        assert!(!is_client_hello(b"\x16\x03\x01\x02\x00"));
        assert!(!is_client_hello(b"\x1e\x02\x08\x00\x1f\x01"));
        assert!(is_alert(b"\x15\x03\x03\x00\x02\x02\x0a"));
        assert!(!is_alert(b"\x16\x03\x03\x00\x02\x02\x0a"));
    }

    #[test]
    fn a_client_without_a_certificate_is_told_that_one_is_wanted() {
        let refused = || Error::AlertReceived(AlertDescription::BadCertificate);
        assert_eq!(explain(&meant(refused(), true)).cause, "requires a client certificate");
        let refused = explain(&meant(refused(), false));
        assert_eq!(refused.cause, "rejected the certificate");
        assert_eq!(refused.kind, FaultKind::Authentication);
    }

    #[test]
    fn an_expired_certificate_tells_its_day() {
        let error = Error::InvalidCertificate(CertificateError::ExpiredContext {
            time: UnixTime::since_unix_epoch(std::time::Duration::from_secs(2)),
            not_after: UnixTime::since_unix_epoch(std::time::Duration::from_secs(86_400)),
        });
        assert_eq!(explain(&error).cause, "its certificate expired on 1970-01-02");
    }
}
