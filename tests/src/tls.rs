// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS in front of a plain-text server.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use rustls::pki_types::pem::PemObject;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use rustls::{RootCertStore, ServerConfig, ServerConnection};

use crate::vector;

/// Listens on a free port with TLS and the certificate `name` of `tests/vectors/tls`, forwards
/// everything to `upstream`, and returns the address. With `client_ca`, clients must present a
/// certificate signed with `ca.pem`.
///
/// # Panics
/// If the system has no free port.
pub fn tls_front(upstream: &str, name: &str, client_ca: bool) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("no port left");
    let addr = listener.local_addr().expect("an address").to_string();
    let config = Arc::new(server_config(name, client_ca));
    let upstream = upstream.to_owned();
    std::thread::spawn(move || {
        for client in listener.incoming().flatten() {
            let session = ServerConnection::new(Arc::clone(&config)).expect("a TLS server");
            let server = TcpStream::connect(&upstream).expect("the server behind it");
            let session = Arc::new(Mutex::new(session));
            let (client2, server2) = (clone(&client), clone(&server));
            let session2 = Arc::clone(&session);
            std::thread::spawn(move || drop(decrypt(&session2, client2, server2)));
            std::thread::spawn(move || drop(encrypt(&session, server, client)));
        }
    });
    addr
}

fn clone(stream: &TcpStream) -> TcpStream {
    stream.try_clone().expect("a descriptor")
}

/// Forwards from the client to the server.
fn decrypt(
    session: &Mutex<ServerConnection>,
    mut client: TcpStream,
    mut server: TcpStream,
) -> std::io::Result<()> {
    let mut block = [0; 16 * 1024];
    loop {
        let len = client.read(&mut block)?;
        let mut plain = Vec::new();
        let mut received = &block[..len];
        {
            let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
            while !received.is_empty() {
                session.read_tls(&mut received)?;
                let state = session.process_new_packets();
                while session.wants_write() {
                    session.write_tls(&mut client)?;
                }
                let state = state.map_err(std::io::Error::other)?;
                let mut part = vec![0; state.plaintext_bytes_to_read()];
                session.reader().read_exact(&mut part)?;
                plain.append(&mut part);
            }
        }
        server.write_all(&plain)?;
        if len == 0 {
            return server.shutdown(Shutdown::Write);
        }
    }
}

/// Forwards from the server to the client.
fn encrypt(
    session: &Mutex<ServerConnection>,
    mut server: TcpStream,
    mut client: TcpStream,
) -> std::io::Result<()> {
    let mut block = [0; 16 * 1024];
    loop {
        let len = server.read(&mut block)?;
        let mut session = session.lock().unwrap_or_else(PoisonError::into_inner);
        if len == 0 {
            session.send_close_notify();
        }
        session.writer().write_all(&block[..len])?;
        while session.wants_write() {
            session.write_tls(&mut client)?;
        }
        if len == 0 {
            return client.shutdown(Shutdown::Write);
        }
    }
}

/// Returns the server's TLS configuration.
pub(crate) fn server_config(name: &str, client_ca: bool) -> ServerConfig {
    let path = |file: String| vector("tls").join(file);
    let chain = CertificateDer::pem_file_iter(path(format!("{name}.pem")))
        .expect("a certificate")
        .collect::<Result<Vec<_>, _>>()
        .expect("a certificate");
    let key = PrivateKeyDer::from_pem_file(path(format!("{name}.key"))).expect("a key");
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()
        .expect("versions");
    let builder = if client_ca {
        let mut roots = RootCertStore::empty();
        let ca = CertificateDer::from_pem_file(path("ca.pem".to_owned())).expect("a CA");
        roots.add(ca).expect("a CA");
        let verifier =
            rustls::server::WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider);
        builder.with_client_cert_verifier(verifier.build().expect("a verifier"))
    } else {
        builder.with_no_client_auth()
    };
    builder.with_single_cert(chain, key).expect("certificate and key fit")
}
