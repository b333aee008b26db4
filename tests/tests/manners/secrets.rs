// SPDX-License-Identifier: MIT OR Apache-2.0
//! The secrets of each tool cannot be read by other users, not in its memory, its arguments or its
//! messages, and are overwritten when they are no longer needed.

use std::fs::{self, File, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{FileExt as _, MetadataExt as _, PermissionsExt as _, chown};
use std::path::Path;

use heka_tests::{
    Peer, Running, Signal, Tool, certificates, eventually, require_kafka, require_root, scratch,
    sh, skip_anywhere,
};

/// A user that is neither root nor us.
const STRANGER: u32 = 12_345;
/// The secret; the harness searches all output for a part of it.
const SECRET: &str = "s3cr3t-0123456789-abcdef";
const SEED: &str = "SUACSSL3UAHUDXKFSNVUZRF5UHPMWZ6BFDTJ7M6USDXIEDNPPQYYYCU3VY";

type Call = (&'static str, Vec<String>);

/// Returns calls of each tool with each kind of secret. The server at `at` never answers.
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

/// Creates the files of these calls, readable only by their owner.
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

/// Starts a call as an unprivileged user, with an endless input.
fn as_stranger(folder: &Path, (name, args): &Call) -> Tool {
    let line = "exec setpriv --reuid=12345 --clear-groups -- \"$@\"";
    sh(line).args(["sh", name, "-vv"]).args(args).dir(folder).stdin_open()
}

/// Succeeds once the system has given the memory of a process to root, to keep it from others.
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
            // Until the tool runs, this is the program that changes the user.
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

/// Returns how often a text is in the memory that a process has written to; `None` if even root may not
/// read it.
fn copies(pid: i32, text: &str) -> Option<usize> {
    let memory = File::open(format!("/proc/{pid}/mem")).ok()?;
    let maps = fs::read_to_string(format!("/proc/{pid}/maps")).unwrap();
    let mut count = 0;
    for map in maps.lines().filter(|map| map.contains(" rw-p ")) {
        let (from, to) = map.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let mut bytes = vec![0; usize::try_from(to - from).unwrap()];
        // Parts of it may have been returned to the system meanwhile.
        let len = memory.read_at(&mut bytes, from).unwrap_or(0);
        count += bytes[..len].windows(text.len()).filter(|part| *part == text.as_bytes()).count();
    }
    Some(count)
}

#[test]
fn a_key_is_overwritten_once_it_is_known() {
    let folder = scratch();
    if !require_root() || !prepare(folder.path()) {
        return;
    }
    // Root may read files of others, but they are not secret then.
    for entry in fs::read_dir(folder.path()).unwrap() {
        chown(entry.unwrap().path(), Some(0), None).unwrap();
    }
    let server = TcpListener::bind("127.0.0.1:0").unwrap();
    let at = server.local_addr().unwrap().to_string();
    let (ws, nats) = (format!("ws://{at}/"), format!("nats://{at}/s.x"));
    let start = |name: &str, args: &[&str]| {
        Tool::new(name).args(args).dir(folder.path()).stdin_open().spawn()
    };
    let connected = |name: &str, args: &[&str]| {
        let running = start(name, args);
        server.accept().unwrap();
        running
    };
    let answering = |name: &str, args: &[&str], input: &[u8]| {
        let mut running = start(name, args);
        running.write(input);
        running.wait_stdout("the answer", |out| !out.is_empty());
        running
    };
    let kept = connected("ws-source", &[&ws, "--bearer-file=secret"]);
    match copies(kept.pid(), SECRET) {
        None => return skip_anywhere("root may not read the memory of others"),
        Some(count) => assert!(count > 0, "it is needed for each connection"),
    }
    let signing = ["--signer=ops", "--hmac-key-file=secret"];
    let frame = Tool::new("heka-encode").stdin("x\n").run().succeeds().stdout.clone();
    let listener = Peer::with("heka-listen", ["127.0.0.1:0", "--hmac-keys=keys"], |tool| {
        tool.dir(folder.path())
    });
    let all: [(Running, &str); 5] = [
        (answering("heka-encode", &signing, b"x\n"), SECRET),
        (answering("heka-decode", &["--hmac-keys=keys"], &frame), SECRET),
        (connected("heka-send", &[&[at.as_str()][..], &signing].concat()), SECRET),
        (listener.into_running(), SECRET),
        (connected("heka-nats", &[&nats, "--nkey=seed"]), SEED),
    ];
    for (running, secret) in all {
        assert_eq!(copies(running.pid(), secret), Some(0), "{}", running.pid());
    }
}
