// SPDX-License-Identifier: MIT OR Apache-2.0
//! A server in operator mode: tokens that others have signed contain the permissions, and a user
//! presents a credentials file as nsc(1) writes it.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use data_encoding::{BASE32_NOPAD, BASE64URL_NOPAD};
use heka_tests::{Nats, TempDir, Tool, lines, scratch};
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{Ed25519KeyPair, KeyPair as _};
use serde_json::{Value, json};

/// The purpose of a key: its first byte.
const OPERATOR: u8 = 14 << 3;
const ACCOUNT: u8 = 0;
const USER: u8 = 20 << 3;

/// An nkey.
struct Key {
    kind: u8,
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl Key {
    fn new(kind: u8) -> Self {
        let mut seed = [0; 32];
        SystemRandom::new().fill(&mut seed).unwrap();
        Self { kind, seed, pair: Ed25519KeyPair::from_seed_unchecked(&seed).unwrap() }
    }

    fn public(&self) -> String {
        encoded(&[&[self.kind], self.pair.public_key().as_ref()].concat())
    }

    fn seed(&self) -> String {
        let first = (18 << 3) | (self.kind >> 5);
        encoded(&[&[first, self.kind << 3], &self.seed[..]].concat())
    }

    /// Returns a token about `subject`, signed with this key.
    fn token(&self, subject: &Self, claims: &Value) -> String {
        let claims = json!({
            "jti": "x", "iat": 1_700_000_000, "iss": self.public(), "sub": subject.public(),
            "name": "test", "nats": claims,
        });
        let head = json!({ "typ": "JWT", "alg": "ed25519-nkey" });
        let encode = |value: &Value| BASE64URL_NOPAD.encode(value.to_string().as_bytes());
        let text = format!("{}.{}", encode(&head), encode(&claims));
        let signature = BASE64URL_NOPAD.encode(self.pair.sign(text.as_bytes()).as_ref());
        format!("{text}.{signature}")
    }
}

/// Appends the checksum, which is that of XMODEM.
fn encoded(content: &[u8]) -> String {
    let sum = content.iter().fold(0u16, |sum, byte| {
        (0..8).fold(sum ^ (u16::from(*byte) << 8), |sum, _| match sum & 0x8000 {
            0 => sum << 1,
            _ => (sum << 1) ^ 0x1021,
        })
    });
    BASE32_NOPAD.encode(&[content, &sum.to_le_bytes()].concat())
}

fn account_token(operator: &Key, account: &Key, storage: i64) -> String {
    let limits = json!({
        "subs": -1, "data": -1, "payload": -1, "imports": -1, "exports": -1, "wildcards": true,
        "conn": -1, "leaf": -1, "mem_storage": storage, "disk_storage": storage,
        "streams": storage, "consumer": storage,
    });
    operator.token(account, &json!({ "type": "account", "version": 2, "limits": limits }))
}

/// Returns a credentials file of a user of `account`.
fn creds(folder: &TempDir, name: &str, account: &Key, permissions: &Value) -> String {
    let user = Key::new(USER);
    let mut claims = json!({ "type": "user", "version": 2, "subs": -1, "data": -1, "payload": -1 });
    for (key, value) in permissions.as_object().unwrap() {
        claims[key] = value.clone();
    }
    let text = format!(
        "-----BEGIN NATS USER JWT-----\n{}\n------END NATS USER JWT------\n\n\
         ************************* IMPORTANT *************************\n\n\
         -----BEGIN USER NKEY SEED-----\n{}\n------END USER NKEY SEED------\n",
        account.token(&user, &claims),
        user.seed()
    );
    let path = folder.path().join(name);
    fs::write(&path, text).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    path.display().to_string()
}

#[test]
fn a_credentials_file_opens_a_server_in_operator_mode() {
    let (operator, system, account) = (Key::new(OPERATOR), Key::new(ACCOUNT), Key::new(ACCOUNT));
    let config = format!(
        "operator: {}\nsystem_account: {}\nresolver: MEMORY\nresolver_preload {{\n{}: {}\n{}: {}\n}}",
        operator.token(&operator, &json!({ "type": "operator", "version": 2 })),
        system.public(),
        system.public(),
        account_token(&operator, &system, 0),
        account.public(),
        account_token(&operator, &account, -1),
    );
    let Some(nats) = Nats::start(&config) else { return };
    let folder = scratch();
    let write = |creds: &str, url: &str| {
        let write = Tool::new("heka-nats").args(["--retry=0", "--creds", creds, url]);
        write.stdin(lines(9)).run()
    };
    let url = nats.url("s?create=R1&stream=S");
    let right = creds(&folder, "right", &account, &json!({}));
    write(&right, &url).succeeds().stderr_is("");
    // An account unknown to the server.
    let wrong = creds(&folder, "wrong", &Key::new(ACCOUNT), &json!({}));
    write(&wrong, &url).exits(3).stderr_has("Authorization Violation");
    // Another user's key.
    let text = fs::read_to_string(&right).unwrap();
    let mixed = folder.path().join("mixed");
    let seed = Key::new(USER).seed();
    let other: Vec<&str> =
        text.lines().map(|line| if line.starts_with("SU") { &seed } else { line }).collect();
    fs::write(&mixed, other.join("\n")).unwrap();
    fs::set_permissions(&mixed, fs::Permissions::from_mode(0o600)).unwrap();
    write(&mixed.display().to_string(), &url).exits(3).stderr_has("Authorization Violation");
    // The token lists what a user may not do.
    let rights = json!({ "pub": { "deny": ["s"] } });
    let few = creds(&folder, "few", &account, &rights);
    write(&few, &url).exits(3).stderr_has("Permissions Violation for Publish to \"s\"");
    // The short form has the file in the address, in both directions.
    let sent = Tool::new("heka-send").arg(format!("{url}&creds={right}")).stdin("10\n").run();
    sent.succeeds().stderr_is("");
    let read = Tool::new("heka-nats").args(["-r", "--no-follow"]);
    let read = read.arg(nats.url(&format!("S?from=begin&creds={right}"))).run();
    let text =
        Tool::new("heka-decode").args(["-o", "payload"]).stdin(read.succeeds().stdout.clone());
    text.run().succeeds().stdout_is(lines(10));
}
