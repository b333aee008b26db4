// SPDX-License-Identifier: MIT OR Apache-2.0
//! The client side of TLS.

use std::os::fd::AsFd as _;
use std::sync::{Arc, OnceLock};

use nix::poll::PollFlags;
use rustls::client::WebPkiServerVerifier;
use rustls::client::danger::ServerCertVerifier;
use rustls::{ClientConfig, ClientConnection, Connection, Error, KeyLogFile};
use rustls_pki_types::ServerName;
use socket2::Socket;

use super::chosen::Chosen;
use super::insecure::AnyCertificate;
use super::pinned::Pinned;
use super::words::meant;
use super::{Identity, Roots, Version, explain, explain_io};
use crate::net::{DialError, FaultKind, Stream};
use crate::os::{Deadline, wait_for};
use crate::report::{Status, Stop};

/// The trust and identity of a client.
#[derive(Debug, Default)]
pub struct ClientSettings {
    /// Trusted certificates.
    pub roots: Roots,
    /// The certificate for servers that ask for one.
    pub identity: Option<Identity>,
    /// Expected name in the server's certificate, if it differs from the host.
    pub server_name: Option<String>,
    /// Minimum version.
    pub min: Version,
    /// Accept any certificate; every connection prints a warning.
    pub insecure: bool,
}

/// Makes TLS connections. Files are read for the first connection.
#[derive(Debug, Default)]
pub struct Client {
    settings: ClientSettings,
    config: OnceLock<Arc<ClientConfig>>,
}

impl Client {
    /// Creates a client with these settings.
    pub fn new(settings: ClientSettings) -> Self {
        Self { settings, config: OnceLock::new() }
    }

    /// Reads and prepares the files, unless that has been done. Tools call it early so that an
    /// unusable file is reported before anything is sent.
    ///
    /// # Errors
    /// A file that cannot be used: status 2.
    pub fn config(&self) -> Result<Arc<ClientConfig>, Stop> {
        if let Some(config) = self.config.get() {
            return Ok(Arc::clone(config));
        }
        let config = Arc::new(self.build()?);
        Ok(Arc::clone(self.config.get_or_init(|| config)))
    }

    fn build(&self) -> Result<ClientConfig, Stop> {
        let unusable = |error: Error| Stop::Error {
            status: Status::Usage,
            text: format!("the certificate cannot be used: {error}"),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ClientConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(self.settings.min.and_newer())
            .map_err(unusable)?;
        let builder = if self.settings.insecure {
            builder.dangerous().with_custom_certificate_verifier(Arc::new(AnyCertificate))
        } else {
            let (roots, named) = self.settings.roots.load()?;
            if named.is_empty() {
                // A system may have no trusted roots.
                builder.with_root_certificates(roots)
            } else {
                let provider = Arc::clone(&provider);
                let verifier = WebPkiServerVerifier::builder_with_provider(roots, provider);
                let verifier: Arc<dyn ServerCertVerifier> = verifier.build().map_err(|error| {
                    Stop::usage(format_args!("the CA certificates cannot be used: {error}"))
                })?;
                builder.dangerous().with_custom_certificate_verifier(Pinned::new(named, verifier))
            }
        };
        let mut config = match &self.settings.identity {
            None => builder.with_no_client_auth(),
            Some(identity) => {
                let own = Chosen(identity.load(&provider)?);
                builder.with_client_cert_resolver(Arc::new(own))
            }
        };
        // Does nothing unless SSLKEYLOGFILE names a file.
        config.key_log = Arc::new(KeyLogFile::new());
        Ok(config)
    }

    /// Performs the handshake over a connected socket.
    ///
    /// # Errors
    /// [`DialError`], with hints for problems with certificates.
    pub fn handshake(
        &self,
        mut socket: Socket,
        host: &str,
        deadline: Deadline,
    ) -> Result<Stream, DialError> {
        // Certificates do not contain the zone of an address, as in fe80::1%eth0.
        let host = host.split('%').next().unwrap_or(host);
        let name = self.settings.server_name.as_deref().unwrap_or(host);
        let name = if name.is_empty() { "localhost" } else { name };
        let server_name = ServerName::try_from(name.to_owned())
            .map_err(|_| DialError::failed(format_args!("'{name}' is not a server name")))?;
        if self.settings.insecure {
            crate::report::warning(format_args!("{name}: certificate not verified (--insecure)"));
        }
        let connection = ClientConnection::new(self.config()?, server_name)
            .map_err(|error| DialError::of(FaultKind::Tls, error))?;
        let mut connection = Connection::from(connection);
        let is_anonymous = self.settings.identity.is_none();
        shake(&mut connection, &mut socket, deadline, is_anonymous)?;
        Ok(match is_anonymous {
            true => Stream::anonymous_tls(socket, connection),
            false => Stream::tls(socket, connection),
        })
    }
}

fn shake(
    tls: &mut Connection,
    socket: &mut Socket,
    deadline: Deadline,
    is_anonymous: bool,
) -> Result<(), DialError> {
    socket.set_nonblocking(true)?;
    while tls.is_handshaking() {
        match tls.complete_io(socket) {
            Ok(_) => {}
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {
                let wanted = if tls.wants_write() { PollFlags::POLLOUT } else { PollFlags::POLLIN };
                if !wait_for(socket.as_fd(), wanted, deadline)? {
                    let cause = "no answer to the TLS handshake in time";
                    return Err(DialError::of(FaultKind::Timeout, cause));
                }
            }
            Err(error) => {
                // The alert tells the peer the cause; the peer may have gone already.
                let _ = tls.write_tls(socket);
                let own = error.get_ref().and_then(|inner| inner.downcast_ref::<Error>());
                return Err(DialError::Failed(match own {
                    Some(error) => explain(&meant(error.clone(), is_anonymous)),
                    None => explain_io(&error),
                }));
            }
        }
    }
    Ok(socket.set_nonblocking(false)?)
}
