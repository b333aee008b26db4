// SPDX-License-Identifier: MIT OR Apache-2.0
//! Where the secrets of each tool are: not in its memory for others to read, nor in its arguments, nor
//! in what it says.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use heka_tests::{
    Signal, Tool, certificates, eventually, require_kafka, require_root, scratch, sh,
};

/// Some user that is neither root nor us.
const STRANGER: u32 = 12_345;
/// Each secret; the harness looks for a part of it in all that is said.
const SECRET: &str = "s3cr3t-0123456789-abcdef";
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

type Call = (&'static str, Vec<String>);

/// A call of each tool that holds a secret, for each kind of secret. The server at `at` says nothing.
fn calls(at: &str) -> Vec<Call> {
    let (ws, nats) = (format!("ws://{at}/"), format!("nats://{at}/s.x"));
    let kafka = format!("kafka://{at}/t");
    let call = |name: &'static str, args: &[&str]| {
        (name, args.iter().map(|arg| (*arg).to_owned()).collect())
    };
    let mut calls = vec![
        call("heka-encode", &["--signer=ops", "--hmac-key-file=secret"]),
        call("heka-decode", &["--hmac-keys=keys"]),
        call("heka-send", &[at, "--signer=ops", "--hmac-key-file=secret"]),
        call("heka-listen", &["127.0.0.1:0", "--hmac-keys=keys"]),
        call("heka-listen", &["tls://127.0.0.1:0", "--cert=server.pem", "--key=server.key"]),
        call("ws-source", &[&ws, "--bearer-file=secret"]),
        call("ws-source", &[&ws, "--user=me", "--password-file=secret"]),
        call("ws-source", &[&ws, "-H", "@headers"]),
        call("ws-source", &[&ws, "--cookie-file=cookies"]),
        call("ws-source", &[&ws.replace("ws:", "wss:"), "--keystore=server.pem"]),
        call("cf-tail", &["-a", &ws, "app", "--token-file=secret"]),
        call("heka-nats", &[&nats, "--user=me", "--password-file=secret"]),
        call("heka-nats", &[&nats, "--nkey=seed"]),
        call("heka-nats", &[&nats, "--creds=creds"]),
    ];
    if require_kafka() {
        let option = format!("{kafka}?user=me&password-file=secret");
        let all = format!("{kafka}?from=begin");
        calls.extend([
            call("heka-kafka", &[&kafka, "--user=me", "--password-file=secret"]),
            call("heka-kafka", &[&option, "--sasl=scram-sha-256"]),
            call("heka-kafka", &["--read", &all, "--client-config=settings"]),
        ]);
    }
    calls
}

/// The files that they name, for their owner alone.
fn prepare(folder: &Path) -> bool {
    let Some(made) = certificates() else { return false };
    for name in ["server.pem", "server.key"] {
        fs::copy(made.path().join(name), folder.join(name)).unwrap();
    }
    let creds = format!(
        "-----BEGIN NATS USER JWT-----\n{SECRET}\n------END NATS USER JWT------\n\
         -----BEGIN USER NKEY SEED-----\n{SEED}\n------END USER NKEY SEED------\n"
    );
    let settings = format!(
        "security.protocol=sasl_plaintext\nsasl.mechanisms=PLAIN\nsasl.username=me\n\
         sasl.password={SECRET}\n"
    );
    for (name, text) in [
        ("secret", format!("{SECRET}\n")),
        ("keys", format!("ops_0 {SECRET}\n")),
        ("headers", format!("Authorization: Bearer {SECRET}\n")),
        ("cookies", format!("sid={SECRET}\n")),
        ("seed", format!("{SEED}\n")),
        ("creds", creds),
        ("settings", settings),
    ] {
        fs::write(folder.join(name), text).unwrap();
    }
    for entry in fs::read_dir(folder).unwrap() {
        let path = entry.unwrap().path();
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(STRANGER), None).unwrap();
    }
    chown(folder, Some(STRANGER), None).unwrap();
    true
}

/// Starts a call as somebody without rights, with an input that does not end.
fn as_stranger(folder: &Path, (name, args): &Call) -> Tool {
    let line = "exec setpriv --reuid=12345 --clear-groups -- \"$@\"";
    sh(line).args(["sh", name, "-vv"]).args(args).dir(folder).stdin_open()
}

/// What the system keeps from others it gives to root, whose is then the memory of a process.
fn is_kept_from_others(pid: i32) -> Option<()> {
    (fs::metadata(format!("/proc/{pid}/mem")).ok()?.uid() == 0).then_some(())
}

#[test]
fn no_secret_is_in_a_core_dump_an_argument_or_a_message() {
    let folder = scratch();
    if !require_root() || !prepare(folder.path()) {
        return;
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    for call in calls(&at) {
        let running = as_stranger(folder.path(), &call).spawn();
        let arguments = format!("/proc/{}/cmdline", running.pid());
        eventually(&format!("{call:?} is kept from others"), || {
            // Before it is the tool itself it is a program that changes the user.
            let is_tool =
                fs::read(&arguments).is_ok_and(|text| text.starts_with(call.0.as_bytes()));
            is_kept_from_others(running.pid()).filter(|()| is_tool)
        });
        let arguments = fs::read(&arguments).unwrap();
        let arguments = String::from_utf8_lossy(&arguments);
        assert!(!arguments.contains(&SECRET[..16]) && !arguments.contains(SEED), "{arguments}");
        let said = running.end_by(Signal::SIGKILL).err();
        assert!(!said.contains(&SECRET[..16]) && !said.contains(&SEED[..16]), "{said}");
    }
}

#[test]
fn the_password_of_a_proxy_is_in_no_core_dump_either() {
    let folder = scratch();
    if !require_root() || !prepare(folder.path()) {
        return;
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap();
    let call = ("heka-send", vec!["192.0.2.1:5565".to_owned()]);
    let tool = as_stranger(folder.path(), &call);
    let running = tool.env("ALL_PROXY", format!("http://me:{SECRET}@{at}")).spawn();
    let arguments = format!("/proc/{}/cmdline", running.pid());
    eventually("it is kept from others", || {
        let is_tool = fs::read(&arguments).is_ok_and(|text| text.starts_with(b"heka-send"));
        is_kept_from_others(running.pid()).filter(|()| is_tool)
    });
    running.end_by(Signal::SIGKILL);
}
