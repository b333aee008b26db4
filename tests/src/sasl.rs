// SPDX-License-Identifier: MIT OR Apache-2.0
//! Logins for a broker of Kafka's protocol without users: SASL PLAIN, and SCRAM as in
//! RFC 5802 and RFC 7677.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::num::NonZeroU32;

use data_encoding::BASE64;
use ring::{digest, hmac, pbkdf2};

/// The accepted credentials.
const USER: &str = "me";
const SALT: &[u8] = b"not a secret";
const ITERATIONS: NonZeroU32 = NonZeroU32::new(4096).expect("not 0");

/// A mechanism: its name, and the hash function of SCRAM.
struct Mechanism {
    name: &'static str,
    scram: Option<Functions>,
}

struct Functions {
    hash: &'static digest::Algorithm,
    mac: hmac::Algorithm,
    salted: pbkdf2::Algorithm,
}

static MECHANISMS: [Mechanism; 3] = [
    Mechanism { name: "PLAIN", scram: None },
    Mechanism {
        name: "SCRAM-SHA-256",
        scram: Some(Functions {
            hash: &digest::SHA256,
            mac: hmac::HMAC_SHA256,
            salted: pbkdf2::PBKDF2_HMAC_SHA256,
        }),
    },
    Mechanism {
        name: "SCRAM-SHA-512",
        scram: Some(Functions {
            hash: &digest::SHA512,
            mac: hmac::HMAC_SHA512,
            salted: pbkdf2::PBKDF2_HMAC_SHA512,
        }),
    },
];

/// Serves as a front for a broker without users, and admits clients that prove to be `me` with the
/// password. The broker must announce the front's port as its own.
pub fn sasl_front(listener: TcpListener, broker: u16, password: &'static str) {
    std::thread::spawn(move || {
        while let Ok((client, _)) = listener.accept() {
            std::thread::spawn(move || guard(client, broker, password));
        }
    });
}

/// Answers the login, and forwards all other requests and answers after it.
fn guard(mut client: TcpStream, broker: u16, password: &'static str) -> std::io::Result<()> {
    const HANDSHAKE: u16 = 17;
    const AUTHENTICATE: u16 = 36;
    const API_VERSIONS: u16 = 18;
    let mut server = TcpStream::connect(("127.0.0.1", broker))?;
    let (mut from, mut to) = (server.try_clone()?, client.try_clone()?);
    std::thread::spawn(move || std::io::copy(&mut from, &mut to));
    let mut login = Login { mechanism: &MECHANISMS[0], password, said: None, is_right: false };
    loop {
        let mut size = [0; 4];
        client.read_exact(&mut size)?;
        let mut request = vec![0; u32::from_be_bytes(size) as usize];
        client.read_exact(&mut request)?;
        // Key, version and number of the request, and the name of the client.
        let short = |at: usize| u16::from_be_bytes([request[at], request[at + 1]]);
        let (key, version, number) = (short(0), short(2), &request[4..8]);
        let asked = || &request[10 + usize::from(short(8))..];
        let answer = match key {
            HANDSHAKE => login.begin(&asked()[2..]),
            AUTHENTICATE => login.go_on(&asked()[4..], version),
            API_VERSIONS => {
                server.write_all(&[&size, &request[..]].concat())?;
                continue;
            }
            _ if login.is_right => {
                server.write_all(&[&size, &request[..]].concat())?;
                continue;
            }
            // As a broker does.
            _ => return client.shutdown(std::net::Shutdown::Both),
        };
        let length = u32::try_from(4 + answer.len()).expect("short");
        client.write_all(&[&length.to_be_bytes(), number, &answer].concat())?;
    }
}

/// A login in progress.
struct Login {
    mechanism: &'static Mechanism,
    password: &'static str,
    /// The first messages of the client and of the server, with SCRAM.
    said: Option<(String, String)>,
    is_right: bool,
}

impl Login {
    /// Answers a `SaslHandshake`: an error code and the supported mechanisms.
    fn begin(&mut self, name: &[u8]) -> Vec<u8> {
        let known = MECHANISMS.iter().find(|mechanism| mechanism.name.as_bytes() == name);
        let error: u16 = if known.is_some() { 0 } else { 33 };
        self.mechanism = known.unwrap_or(self.mechanism);
        let count = u32::try_from(MECHANISMS.len()).expect("few");
        let mut answer = [&error.to_be_bytes()[..], &count.to_be_bytes()].concat();
        for mechanism in &MECHANISMS {
            answer.extend(u16::try_from(mechanism.name.len()).expect("short").to_be_bytes());
            answer.extend(mechanism.name.as_bytes());
        }
        answer
    }

    /// Answers a `SaslAuthenticate`: error code, error message, data, lifetime of the session.
    fn go_on(&mut self, message: &[u8], version: u16) -> Vec<u8> {
        let message = String::from_utf8_lossy(message);
        let answer = match &self.mechanism.scram {
            None => {
                self.is_right = message == format!("\0{USER}\0{}", self.password);
                self.is_right.then(String::new)
            }
            Some(functions) => self.scram(functions, &message),
        };
        let (head, said) = match answer {
            Some(said) => (&b"\0\0\xff\xff"[..], said),
            None => (&b"\0\x3a\0\x0bwrong login"[..], String::new()),
        };
        let length = u32::try_from(said.len()).expect("short").to_be_bytes();
        let lifetime: &[u8] = if version > 0 { &[0; 8] } else { &[] };
        [head, &length, said.as_bytes(), lifetime].concat()
    }

    /// Returns the server's message: first a nonce, then the proof that it knows the password too.
    fn scram(&mut self, functions: &Functions, message: &str) -> Option<String> {
        let Some((bare, first)) = self.said.take() else {
            let bare = message.strip_prefix("n,,")?;
            let nonce = bare.strip_prefix(&format!("n={USER},r="))?;
            let salt = BASE64.encode(SALT);
            let first = format!("r={nonce}ours,s={salt},i={ITERATIONS}");
            self.said = Some((bare.to_owned(), first.clone()));
            return Some(first);
        };
        let (last, proof) = message.split_once(",p=")?;
        let nonce = first.split(',').next()?;
        let all = format!("{bare},{first},{last}");
        let mac = |key: &[u8], text: &str| {
            hmac::sign(&hmac::Key::new(functions.mac, key), text.as_bytes()).as_ref().to_vec()
        };
        let mut salted = vec![0; functions.hash.output_len()];
        let password = self.password.as_bytes();
        pbkdf2::derive(functions.salted, ITERATIONS, SALT, password, &mut salted);
        let key = mac(&salted, "Client Key");
        let signature = mac(digest::digest(functions.hash, &key).as_ref(), &all);
        let expected: Vec<u8> = key.iter().zip(&signature).map(|(key, sign)| key ^ sign).collect();
        self.is_right = last == format!("c=biws,{nonce}") && proof == BASE64.encode(&expected);
        let own = mac(&mac(&salted, "Server Key"), &all);
        self.is_right.then(|| format!("v={}", BASE64.encode(&own)))
    }
}
