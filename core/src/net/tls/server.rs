// SPDX-License-Identifier: MIT OR Apache-2.0
//! The server side of TLS.

use std::sync::Arc;

use rustls::server::WebPkiClientVerifier;
use rustls::server::danger::ClientCertVerifier;
use rustls::sign::SingleCertAndKey;
use rustls::{Connection, ServerConfig, ServerConnection};
use socket2::Socket;

use super::pinned::Pinned;
use super::{Identity, Roots, Version};
use crate::net::Stream;
use crate::report::{Status, Stop};

/// Whether clients must present a certificate.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuth {
    /// No certificate is requested.
    #[default]
    None,
    /// A certificate is requested; clients may omit it, but an invalid one is rejected.
    Request,
    /// A valid certificate is required.
    Require,
}

/// The identity and trust of a server.
#[derive(Debug)]
pub struct ServerSettings {
    /// The server's certificate.
    pub identity: Identity,
    /// Roots trusted for client certificates.
    pub client_roots: Roots,
    /// Whether clients must present a certificate.
    pub client_auth: ClientAuth,
    /// Minimum version.
    pub min: Version,
}

/// Accepts TLS connections.
#[derive(Clone, Debug)]
pub struct Server {
    config: Arc<ServerConfig>,
}

impl Server {
    /// Reads the files in the settings.
    ///
    /// # Errors
    /// A file that cannot be used: status 2.
    pub fn new(settings: &ServerSettings) -> Result<Self, Stop> {
        let unusable = |error: &dyn std::fmt::Display| Stop::Error {
            status: Status::Usage,
            text: format!("the certificate cannot be used: {error}"),
        };
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
            .with_protocol_versions(settings.min.and_newer())
            .map_err(|error| unusable(&error))?;
        let builder = if settings.client_auth == ClientAuth::None {
            builder.with_no_client_auth()
        } else {
            let (roots, pinned) = settings.client_roots.load()?;
            let mut verifier =
                WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(&provider));
            if settings.client_auth == ClientAuth::Request {
                verifier = verifier.allow_unauthenticated();
            }
            let verifier: Arc<dyn ClientCertVerifier> =
                verifier.build().map_err(|error| unusable(&error))?;
            builder.with_client_cert_verifier(Pinned::new(pinned, verifier))
        };
        let own = settings.identity.load(&provider)?.into_iter().next();
        let own = own.ok_or_else(|| unusable(&"there is none"))?;
        let mut config = builder.with_cert_resolver(Arc::new(SingleCertAndKey::from(own)));
        // The clients stay connected; tickets would only be written to peers that never read.
        config.send_tls13_tickets = 0;
        Ok(Self { config: Arc::new(config) })
    }

    /// Starts TLS on an accepted socket; the handshake is part of the first reads.
    ///
    /// # Errors
    /// As rustls.
    pub fn accept(&self, socket: Socket) -> Result<Stream, rustls::Error> {
        let connection = ServerConnection::new(Arc::clone(&self.config))?;
        Ok(Stream::tls(socket, Connection::from(connection)))
    }
}
