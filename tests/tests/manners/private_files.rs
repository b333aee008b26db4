// SPDX-License-Identifier: MIT OR Apache-2.0
//! Files that tools create and read where others may have been first, and who may read them.

use std::fs::{self, Permissions};
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _, chown, lchown, symlink};
use std::path::Path;
use std::time::{Duration, SystemTime};

use heka_tests::{Outcome, Tool, require_kafka, require_root, scratch, sh, vector};

/// A user that is neither root nor us.
const STRANGER: u32 = 12_345;

fn mode(path: impl AsRef<Path>) -> u32 {
    fs::symlink_metadata(path).unwrap().mode() & 0o7777
}

fn queue(folder: &Path) -> Outcome {
    let send = Tool::new("heka-send").dir(folder).args(["--queue=q", "--retry=0", "127.0.0.1:1"]);
    send.stdin_at_once("precious\n").run()
}

#[test]
fn a_queue_is_for_its_owner_alone() {
    let folder = scratch();
    queue(folder.path()).exits(3);
    assert_eq!(mode(folder.path().join("q")), 0o700);
    for file in ["0.log", "end", "cursor"] {
        assert_eq!(mode(folder.path().join("q").join(file)), 0o600, "{file}");
    }
}

#[test]
fn a_queue_that_others_can_write_to_is_refused_and_nothing_is_overwritten() {
    let folder = scratch();
    let q = folder.path().join("q");
    let victim = folder.path().join("victim");
    fs::create_dir(&q).unwrap();
    fs::write(&victim, "precious\n").unwrap();
    symlink("../victim", q.join("0.log")).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q/0.log: symbolic link\n");
    fs::remove_file(q.join("0.log")).unwrap();
    fs::set_permissions(&q, Permissions::from_mode(0o1777)).unwrap();
    let refused = queue(folder.path());
    refused.exits(2).stderr_has("heka-send: q: writable by other users (chmod go-w)\n");
    assert_eq!(fs::read(&victim).unwrap(), b"precious\n");
    assert_eq!(fs::read_dir(&q).unwrap().count(), 0);
}

#[test]
fn a_queue_of_another_user_is_refused() {
    if !require_root() {
        return;
    }
    let folder = scratch();
    let q = folder.path().join("q");
    fs::create_dir(&q).unwrap();
    chown(&q, Some(STRANGER), None).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q: belongs to another user\n");
    // The target of a link is up to its owner.
    chown(&q, Some(0), None).unwrap();
    fs::rename(&q, folder.path().join("real")).unwrap();
    symlink("real", &q).unwrap();
    queue(folder.path()).exits(3);
    lchown(&q, Some(STRANGER), None).unwrap();
    queue(folder.path()).exits(2).stderr_has("heka-send: q: belongs to another user\n");
}

/// Whoever owns a position decides what is skipped.
#[test]
fn a_position_of_another_user_is_not_believed() {
    if !require_root() {
        return;
    }
    let folder = scratch();
    let path = folder.path().join("p");
    fs::write(folder.path().join("log"), "one\n").unwrap();
    let line = "heka-tail --no-follow --checkpoint=p -opayload log";
    sh(line).dir(folder.path()).run().succeeds();
    chown(&path, Some(STRANGER), None).unwrap();
    for line in [
        line,
        "heka-tail --no-follow --resume=p log",
        "heka-decode --write=out --commit=p </dev/null",
        "heka-send --commit=p 127.0.0.1:1 </dev/null",
        "heka-listen --ack=commit --resume=p 127.0.0.1:0",
    ] {
        sh(line).dir(folder.path()).run().exits(2).stderr_has("p: belongs to another user\n");
    }
    chown(&path, Some(0), None).unwrap();
    sh(line).dir(folder.path()).run().succeeds();
}

#[test]
fn the_umask_counts_for_a_file_of_records_unless_a_mode_is_given() {
    let folder = scratch();
    let path = |name: &str| folder.path().join(name);
    for (name, umask, flag, expected) in [
        ("closed", "077", "", 0o600),
        ("usual", "022", "", 0o644),
        ("open", "0", "", 0o664),
        ("asked", "077", "--mode=640", 0o640),
    ] {
        let line = format!("umask {umask}; exec heka-decode --write={name} {flag} \"$0\"");
        sh(&line).arg(vector("small.heka")).dir(folder.path()).run().succeeds();
        assert_eq!(mode(path(name)), expected, "{name}");
    }
}

/// Calls of each tool that stores positions, here in `app.pos`.
fn storing(folder: &Path) -> Vec<Tool> {
    fs::write(folder.join("app.log"), "line\n").unwrap();
    fs::write(folder.join("ticks.lua"), "function process_message() return 0 end\n").unwrap();
    let calls: [(&str, &[&str]); 3] = [
        ("heka-tail", &["--no-follow", "--checkpoint=app.pos", "app.log"]),
        ("heka-send", &["--commit=app.pos", "--retry=0", "127.0.0.1:1"]),
        ("heka-sandbox", &["--checkpoint=app.pos", "ticks.lua"]),
    ];
    calls.into_iter().map(|(name, args)| Tool::new(name).dir(folder).args(args)).collect()
}

#[test]
fn a_file_that_is_no_checkpoint_is_not_overwritten() {
    let later = "{\"version\":2,\"source\":\"a\",\"place\":7}\n";
    for (text, cause) in
        [("important\n", "not a checkpoint file"), (later, "written by a later version")]
    {
        let folder = scratch();
        fs::write(folder.path().join("app.pos"), text).unwrap();
        for tool in storing(folder.path()) {
            let refused = tool.run();
            refused.exits(2).stdout_is("").stderr_has(&format!("app.pos: {cause}\n"));
        }
        assert_eq!(fs::read_to_string(folder.path().join("app.pos")).unwrap(), text);
    }
}

#[test]
fn an_empty_checkpoint_is_told_of_and_a_new_one_is_not() {
    let folder = scratch();
    for tool in storing(folder.path()) {
        let emptied = fs::File::create(folder.path().join("app.pos")).unwrap();
        emptied.set_modified(SystemTime::now() + Duration::from_secs(1)).unwrap();
        let said = tool.run().err();
        assert!(said.contains("app.pos: contains no position\n"), "{said}");
    }
    for tool in storing(folder.path()) {
        fs::remove_file(folder.path().join("app.pos")).unwrap();
        let said = tool.run().err();
        assert!(!said.contains("app.pos"), "{said}");
    }
}

#[test]
fn a_dangling_link_as_checkpoint_stays_a_link() {
    let folder = scratch();
    let (real, link) = (folder.path().join("real.pos"), folder.path().join("app.pos"));
    symlink("real.pos", &link).unwrap();
    for tool in storing(folder.path()) {
        tool.run();
        assert!(link.symlink_metadata().unwrap().is_symlink());
        assert!(fs::symlink_metadata(&real).unwrap().is_file());
        fs::remove_file(&real).unwrap();
    }
    if require_root() {
        lchown(&link, Some(STRANGER), None).unwrap();
        for tool in storing(folder.path()) {
            tool.run().exits(2).stderr_has("app.pos: belongs to another user\n");
        }
        assert!(!real.exists());
    }
}

#[test]
fn a_log_is_not_its_own_checkpoint() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "").unwrap();
    let tail = Tool::new("heka-tail").dir(folder.path());
    let refused = tail.args(["--no-follow", "--checkpoint=app.log", "app.log"]).run();
    refused.exits(2).stderr_has("app.log: read as a log; not a checkpoint file\n");
}

#[test]
fn a_blank_in_place_of_the_equals_sign_is_hinted_at() {
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "line\n").unwrap();
    let tail = Tool::new("heka-tail").dir(folder.path());
    let ran = tail.args(["--no-follow", "--checkpoint", "cp", "app.log"]).run();
    ran.exits(1).stderr_has("hint: to store positions in cp: --checkpoint=cp\n");
}

#[test]
fn a_huge_file_is_not_read_as_a_checkpoint() {
    let folder = scratch();
    let huge = fs::File::create(folder.path().join("huge")).unwrap();
    huge.set_len(1 << 30).unwrap();
    for flag in ["--show-checkpoint=huge", "--resume=huge"] {
        let log = if flag.starts_with("--resume") { &["huge"][..] } else { &[] };
        let line = "ulimit -v 500000; exec heka-tail \"$@\"";
        let tool = sh(line).args(["sh", flag]).args(log).dir(folder.path());
        tool.run().exits(2).stderr_has("huge: too large\n");
    }
}

/// Calls of each tool that reads a file of secrets.
fn trusting(folder: &Path, file: &str) -> Vec<Tool> {
    let call = |name: &str, args: &[&str]| Tool::new(name).dir(folder).args(args).arg(file);
    let nats = ["nats://127.0.0.1:1/s", "--retry=0"];
    let mut calls = vec![
        call("heka-decode", &["-c", "/dev/null", "--hmac-keys"]),
        call("heka-listen", &["-1", "127.0.0.1:0", "--hmac-keys"]),
        call("heka-encode", &["--signer=ops", "--hmac-key-file"]),
        call("heka-send", &["--retry=0", "127.0.0.1:1", "--signer=ops", "--hmac-key-file"]),
        call("ws-source", &["ws://127.0.0.1:1", "--retry=0", "--bearer-file"]),
        Tool::new("ws-source").dir(folder).args(["ws://127.0.0.1:1", "-H", &format!("@{file}")]),
        call("ws-source", &["wss://127.0.0.1:1", "--retry=0", "--keystore"]),
        call("cf-tail", &["-a", "ws://127.0.0.1:1", "app", "--token-file"]),
    ];
    for flags in [&["--user=me", "--password-file"][..], &["--nkey"], &["--creds"]] {
        calls.push(call("heka-nats", &[&nats, flags].concat()));
    }
    if require_kafka() {
        let kafka = ["kafkas://127.0.0.1:1/t", "--retry=0"];
        for flags in [&["--user=me", "--password-file"][..], &["--client-config"], &["--cert"]] {
            calls.push(call("heka-kafka", &[&kafka, flags].concat()));
        }
    }
    calls
}

#[test]
fn a_file_of_secrets_that_others_can_change_is_refused() {
    let folder = scratch();
    let path = folder.path().join("secret");
    fs::write(&path, "ops_1 hunter2\n").unwrap();
    for mode in [0o620, 0o602, 0o666] {
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        for tool in trusting(folder.path(), "secret") {
            tool.run().exits(2).stderr_has(": secret: writable by other users (chmod go-w)");
        }
    }
    if require_root() {
        fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
        chown(&path, Some(STRANGER), None).unwrap();
        for tool in trusting(folder.path(), "secret") {
            tool.run().exits(2).stderr_has(": secret: belongs to another user");
        }
    }
}

#[test]
fn the_key_of_a_certificate_is_a_secret() {
    let Some(folder) = heka_tests::certificates() else { return };
    fs::set_permissions(folder.path().join("server.key"), Permissions::from_mode(0o660)).unwrap();
    let listen = Tool::new("heka-listen").dir(folder.path());
    let listen = listen.args(["tls://127.0.0.1:0", "--cert=server.pem", "--key=server.key", "-1"]);
    let refused = "heka-listen: server.key: writable by other users (chmod go-w)\n";
    listen.run().exits(2).stderr_has(refused);
}

#[test]
fn what_can_never_match_in_a_file_of_keys_is_told() {
    let folder = scratch();
    let path = folder.path().join("keys");
    fs::write(&path, "ops_1 right\nops_+2 hunter2\n").unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o600)).unwrap();
    let decode = || Tool::new("heka-decode").dir(folder.path()).args(["-c", "--hmac-keys=keys"]);
    let wrong = "heka-decode: keys: line 2: expected SIGNER_VERSION KEY\n";
    decode().arg("/dev/null").run().exits(2).stderr_has(wrong);
    fs::write(&path, "ops_1 right\nops_2 hunter2 \n").unwrap();
    let told = "warning: keys: line 2: the key begins or ends with a blank\n";
    decode().arg("/dev/null").run().succeeds().stderr_has(told);
    fs::write(&path, "hunter2\t\n").unwrap();
    let encode = Tool::new("heka-encode").dir(folder.path());
    let encode = encode.args(["--signer=ops", "--hmac-key-file=keys"]).run();
    encode.succeeds().stderr_has("warning: keys: the key begins or ends with a blank\n");
}

/// Without root's rights, nobody can read the memory of a process that has a key.
#[test]
fn a_key_is_in_no_core_dump() {
    if !require_root() {
        return;
    }
    let folder = scratch();
    for name in ["key", "."] {
        fs::write(folder.path().join("key"), "hunter2\n").unwrap();
        chown(folder.path().join(name), Some(STRANGER), None).unwrap();
    }
    fs::set_permissions(folder.path().join("key"), Permissions::from_mode(0o600)).unwrap();
    let owner = |args: &[&str]| {
        let line = "exec setpriv --reuid=12345 --clear-groups -- heka-encode -v \"$@\"";
        let mut tool = sh(line).arg("sh").args(args).dir(folder.path()).stdin_open().spawn();
        tool.write("line\n");
        tool.wait_stdout("a message", |out| !out.is_empty());
        fs::metadata(format!("/proc/{}/mem", tool.pid())).unwrap().uid()
    };
    assert_eq!(owner(&[]), STRANGER);
    // The system gives root what it keeps from others.
    assert_eq!(owner(&["--signer=ops", "--hmac-key-file=key"]), 0);
}
