// SPDX-License-Identifier: MIT OR Apache-2.0
//! The examples of unix-sock(1), run as written except for paths.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use heka_tests::page::{example, examples, joined, readme_examples};
use heka_tests::{Peer, Running, Tool, eventually, require, scratch, sh, vector};

const PAGE: &str = "unix-sock.1";

/// Returns the example that contains `part`, with its socket at `s` in the working folder.
fn local(part: &str) -> String {
    ["/tmp/s", "/run/haproxy/admin.sock", "/run/app.sock", "/dev/log"]
        .iter()
        .fold(example(PAGE, part), |text, path| text.replace(path, "s"))
}

/// Runs it in `folder` until it serves its socket there.
fn serve(text: &str, folder: &Path) -> Running {
    let running = sh(text).dir(folder).spawn();
    eventually("the socket", || folder.join("s").exists().then_some(()));
    running
}

fn ask(folder: &Path, question: &str, args: &[&str]) -> String {
    let tool = Tool::new("unix-sock").args(["s", "-q", "--retry", "20"]).args(args);
    tool.stdin(question).dir(folder).run().succeeds().out()
}

#[test]
fn each_has_its_test() {
    assert_eq!(examples(PAGE).len(), 7);
    let page: Vec<String> = examples(PAGE).iter().map(|text| joined(text)).collect();
    for line in readme_examples("### Put a UNIX socket into a pipe") {
        let known = page.iter().any(|text| text.replace("/tmp/s", "s").contains(&line));
        assert!(known, "README.md, but not {PAGE}: {line}");
    }
}

/// The two flows of the original, byte-equal to what tremor writes.
#[test]
fn a_log_with_echo_and_a_client_until_exit() {
    let folder = scratch();
    std::fs::copy(vector("unix/in.json"), folder.path().join("in.json")).unwrap();
    // The time that a busy machine takes to start the server does not matter here.
    let text = local("server_out.log").replace("--retry 3", "-q --retry 30");
    sh(&format!("{text}\nkill $!")).dir(folder.path()).run().succeeds().stderr_is("");
    for (made, expected) in
        [("server_out.log", "expected_server.json"), ("client_out.log", "expected_client.json")]
    {
        let made = std::fs::read(folder.path().join(made)).unwrap();
        let expected = std::fs::read(vector("unix").join(expected)).unwrap();
        assert_eq!(String::from_utf8_lossy(&made), String::from_utf8_lossy(&expected));
    }
}

#[test]
fn a_service_is_asked() {
    let folder = scratch();
    let path = folder.path().join("s");
    let service = ["-l", path.to_str().unwrap(), "--exec", "read -r line; echo \"asked: $line\""];
    let _service = Peer::new("unix-sock", service);
    sh(&local("show stat")).dir(folder.path()).run().succeeds().stdout_is("asked: show stat\n");
}

#[test]
fn a_filter_answers_whoever_asked() {
    if !require("jq") {
        return;
    }
    let folder = scratch();
    let _server = serve(&local("ascii_upcase"), folder.path());
    for word in ["one", "two"] {
        assert_eq!(ask(folder.path(), word, &["-n1"]), word.to_uppercase() + "\n");
    }
}

#[test]
fn a_process_for_each_peer() {
    let folder = scratch();
    let _server = serve(&local("hello, user"), folder.path());
    let uid = nix::unistd::getuid();
    assert_eq!(ask(folder.path(), "x\n", &[]), format!("hello, user {uid}\nx\n"));
}

#[test]
fn messages_with_their_senders_to_another_machine() {
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-j"]);
    let folder = scratch();
    let text = local("--group app")
        .replace("--group app", &format!("--group {}", nix::unistd::getgid()))
        .replace("aggregator:5565", &listener.addr);
    let _server = serve(&text, folder.path());
    ask(folder.path(), "from here\n", &["--linger", "0"]);
    let got = listener.wait_stdout("the record", |out| out.ends_with(b"\n"));
    let got = String::from_utf8_lossy(&got);
    for part in ["\"from here\"", "\"path\"", "\"uid\""] {
        assert!(got.contains(part), "{got}");
    }
    let mode = std::fs::metadata(folder.path().join("s")).unwrap().permissions().mode();
    assert_eq!(mode & 0o777, 0o660);
}

#[test]
fn a_syslog_daemon_of_a_container() {
    if !require("logger") {
        return;
    }
    let folder = scratch();
    let daemon = serve(&local("--mode 666"), folder.path());
    sh("logger -u s --socket-errors=on -t me hello").dir(folder.path()).run().succeeds();
    let out = daemon.wait_stdout("a line", |out| out.ends_with(b"\n"));
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains("\"uid\":") && out.ends_with(" me: hello\"}\n"), "{out}");
}

#[test]
fn a_line_to_a_syslog_daemon() {
    let folder = scratch();
    let path = folder.path().join("s");
    let daemon = ["-l", path.to_str().unwrap(), "--type", "dgram", "--framing", "none"];
    let daemon = Peer::new("unix-sock", daemon);
    sh(&local("<13>hello")).dir(folder.path()).run().succeeds();
    daemon.wait_stdout_is("<13>hello");
}
