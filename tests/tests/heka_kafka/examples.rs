// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of heka-kafka(1), run as written except for addresses.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;

use heka_tests::page::{example, examples};
use heka_tests::{Broker as _, Tansu, eventually, require_kafka, scratch, sh};

/// Returns the example that contains `part`, for brokers at `address`.
fn line(address: &str, part: &str) -> String {
    let line = example("heka-kafka.1", part);
    assert!(line.contains("://b1"), "{line}");
    line.replace("b1,b2/", &format!("{address}/")).replace("b1/", &format!("{address}/"))
}

#[test]
fn the_page_has_no_other_examples() {
    assert_eq!(examples("heka-kafka.1").len(), 5);
}

#[test]
fn a_log_is_stored_archived_and_shown() {
    let Some(tansu) = Tansu::start() else { return };
    let at = |part: &str| line(&tansu.address(), part);
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").unwrap();
    for (part, topic) in [("--commit app.pos", "logs"), ("form=payload", "lines")] {
        let running = sh(&at(part)).dir(folder.path()).spawn();
        eventually("the log is stored", || {
            let stored = tansu.payloads(topic);
            // Without a key, each line may be in a partition of its own.
            let mut lines: Vec<_> = stored.lines().collect();
            lines.sort_unstable();
            (lines == ["one", "two"]).then_some(())
        });
        drop(running);
    }
    sh(&at("from=-10")).dir(folder.path()).run().succeeds().stdout_has("two");
    // This broker lets a new reader wait for half a session.
    let reader = at("group=archive").replace("group=", "session.timeout.ms=6000&group=");
    let archive = sh(&reader).dir(folder.path()).spawn();
    eventually("the archive has everything", || {
        let text = sh("heka-decode all.heka").dir(folder.path()).run().out();
        (text == "one\ntwo\n").then_some(())
    });
    drop(archive);
}

/// No broker here has TLS and a login: the address is accepted, the connection refused.
#[test]
fn the_address_with_a_login_is_valid() {
    if !require_kafka() {
        return;
    }
    let folder = scratch();
    let secret = folder.path().join("secret");
    fs::write(&secret, "word\n").unwrap();
    fs::set_permissions(&secret, fs::Permissions::from_mode(0o600)).unwrap();
    fs::write(folder.path().join("all.heka"), "").unwrap();
    let command =
        line("127.0.0.1:1", "compression=zstd").replace("heka-send ", "heka-send --retry=0 ");
    sh(&command).dir(folder.path()).run().exits(3);
}
