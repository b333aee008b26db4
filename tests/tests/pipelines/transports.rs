// SPDX-License-Identifier: MIT OR Apache-2.0
//! Programs that carry messages: `exec:` addresses, standard input as a connection, and the
//! examples of heka-transport(7).

use std::fs;
use std::io::{Read as _, Write as _};
use std::path::Path;

use heka_tests::page::{example, examples};
use heka_tests::{
    Signal, TempDir, Tool, eventually, lines, put_program, require, require_root, scratch, sh, skip,
};

fn payloads(file: &Path) -> String {
    Tool::new("heka-decode").args(["-o", "payload"]).arg(file).run().succeeds().out()
}

fn script(folder: &TempDir, name: &str, text: &str) {
    put_program(&folder.path().join(name), text.as_bytes());
}

fn is_running(pid: &str) -> bool {
    let state = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
    // A zombie that another process must reap is not ours.
    !state.is_empty() && !state.contains(") Z ")
}

#[test]
fn a_command_acknowledges_what_it_has_stored() {
    let folder = scratch();
    let sent = Tool::new("heka-send")
        .args(["--stats", "exec:heka-listen --ack --stdio --write out.heka --fsync"])
        .dir(folder.path())
        .stdin(lines(5000))
        .run();
    sent.succeeds().stderr_has("5000 acknowledged, 0 refused");
    assert_eq!(payloads(&folder.path().join("out.heka")), lines(5000));
}

#[test]
fn a_command_that_dies_is_started_again_and_nothing_is_lost() {
    let folder = scratch();
    // It dies after a while, three times, and has not acknowledged everything it has read.
    let dies = "exec:n=$(cat n); echo $((n + 1)) > n; [ $n -lt 3 ] || exec heka-listen --ack --stdio \
                --write out.heka; head -c 100000 | heka-listen --ack --stdio --write out.heka";
    fs::write(folder.path().join("n"), "0\n").unwrap();
    let sent = Tool::new("heka-send")
        .args(["--retry-delay=10ms", "--retry-jitter=0", dies])
        .dir(folder.path())
        .stdin(lines(20_000))
        .run();
    sent.succeeds().stderr_has("unacknowledged; retrying in");
    assert_eq!(fs::read_to_string(folder.path().join("n")).unwrap(), "4\n");
    let got = Tool::new("heka-decode").args(["--dedup", "-o", "payload", "out.heka"]);
    got.dir(folder.path()).run().succeeds().stdout_is(lines(20_000));
}

#[test]
fn the_status_of_a_command_is_the_cause() {
    for flags in [&["--ack=peer"][..], &["-o", "payload"]] {
        let sent = Tool::new("heka-send").args(flags).args([
            "--retry",
            "0",
            "exec:cat > /dev/null; exit 7",
        ]);
        let sent = sent.stdin("one\n").run();
        sent.exits(3).stderr_has("exit status 7");
    }
    let sent = Tool::new("heka-send").args(["--retry", "0", "exec:kill -KILL $$"]).stdin("one\n");
    sent.run().exits(3).stderr_has("exec:kill -KILL $$: killed by SIGKILL");
    // A command that cannot be started is not an address that answers.
    let sent = Tool::new("heka-send").args(["--retry", "0", "exec:./none"]).stdin("one\n").run();
    sent.exits(3).stderr_has("exec:./none: exit status 127");
}

#[test]
fn text_is_delivered_when_the_command_has_read_it() {
    let folder = scratch();
    let sent = Tool::new("heka-send").args(["-o", "payload", "exec:cat > out"]);
    sent.dir(folder.path()).stdin(lines(1000)).run().succeeds().stderr_is("");
    assert_eq!(fs::read_to_string(folder.path().join("out")).unwrap(), lines(1000));
}

#[test]
fn a_command_that_acknowledges_nothing_is_done_when_it_has_exited() {
    let folder = scratch();
    let send = |flags: &[&str], command: &str, input: &str| {
        let sent = Tool::new("heka-send").args(["-o", "payload", "--retry=0"]).args(flags);
        sent.arg(command).dir(folder.path()).stdin(input).run()
    };
    let got = || fs::read_to_string(folder.path().join("out")).unwrap();
    // It continues to work, although nothing of the connection is left.
    let slow = "exec:cat > out; exec <&- >&-; sleep 1; echo done >> out";
    send(&[], slow, "one\n").succeeds().stderr_is("");
    assert_eq!(got(), "one\ndone\n");
    for ack in ["--ack=none", "--ack=kernel"] {
        let sent = send(&[ack], "exec:cat > out; exec <&- >&-; sleep 1; exit 5", "one\n");
        sent.exits(3).stderr_has("exit status 5, 1 message in doubt");
        send(&[ack], "exec:cat; exit 5", "").exits(3).stderr_has("exit status 5");
        let sent = send(&[ack, "--linger=10ms"], "exec:cat > out; exec sleep 1000", "one\n");
        sent.exits(3).stderr_has("still running after 10 ms, 1 message in doubt");
    }
    // Its background processes are not awaited.
    let daemon = "exec:cat > out; sleep 1000 2> log & echo $! > pid";
    send(&[], daemon, "one\n").succeeds().stderr_is("");
    sh("kill $(cat pid)").dir(folder.path()).run().succeeds();
    // Each connection has a command, one after the other.
    let each = "exec:cat >> all; sleep 0.1; echo end >> all";
    send(&["--reconnect-after=2"], each, "1\n2\n3\n").succeeds().stderr_is("");
    let all = fs::read_to_string(folder.path().join("all")).unwrap();
    assert_eq!(all, "1\n2\nend\n3\nend\n");
    // Records acknowledged by a command are delivered, but its failure is not silent.
    let listener = "exec:heka-listen --ack --stdio --write out.heka; exit 5";
    let sent = Tool::new("heka-send").arg(listener).dir(folder.path()).stdin("one\n").run();
    sent.exits(3).stderr_has("exit status 5");
    assert_eq!(payloads(&folder.path().join("out.heka")), "one\n");
}

#[test]
fn commands_die_with_their_parents_and_leave_no_zombies() {
    for (tool, signal) in [("heka-send", Signal::SIGKILL), ("heka-listen", Signal::SIGKILL)] {
        let folder = scratch();
        let mut parent = Tool::new(tool)
            .arg("exec:echo $$ > pid; exec sleep 1000 > /dev/null < /dev/null")
            .dir(folder.path())
            .stdin_open()
            .spawn();
        if tool == "heka-send" {
            parent.write("one\n");
        }
        let pid = eventually("it runs", || {
            let pid = fs::read_to_string(folder.path().join("pid")).ok()?;
            pid.ends_with('\n').then(|| pid.trim().to_owned())
        });
        parent.signal(signal);
        eventually("the command is gone", || (!is_running(&pid)).then_some(()));
    }
    let folder = scratch();
    let many = "exec:echo $$ >> pids; exit 1";
    let parent = Tool::new("heka-listen").args(["--retry-delay=1ms", "--retry-growth=1"]);
    let parent = parent.args(["--retry-jitter=0", many]).dir(folder.path()).spawn();
    let pids = eventually("twenty have run", || {
        let pids = fs::read_to_string(folder.path().join("pids")).unwrap_or_default();
        (pids.lines().count() > 20).then_some(pids)
    });
    for pid in pids.lines().take(20) {
        assert!(!Path::new("/proc").join(pid).exists(), "{pid} is a zombie");
    }
    parent.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn a_command_hands_messages_over_until_it_exits_in_order() {
    let folder = scratch();
    let frames = Tool::new("heka-encode").stdin(lines(3)).run();
    fs::write(folder.path().join("in.heka"), &frames.stdout).unwrap();
    let listen = |args: &[&str]| {
        Tool::new("heka-listen").args(["-o", "payload"]).args(args).dir(folder.path()).run()
    };
    listen(&["exec:cat in.heka"]).succeeds().stdout_is(lines(3)).stderr_is("");
    listen(&["exec:cat in.heka", "exec:printf 'text\\n'"]).succeeds().stdout_has("text\n");
    let failing = listen(&["--retry", "1", "--retry-delay", "1ms", "exec:cat in.heka; exit 4"]);
    failing.exits(3).stdout_is(lines(3).repeat(2)).stderr_has("exit status 4");
    listen(&["--once", "exec:cat in.heka; exit 4"]).exits(3).stdout_is(lines(3));
}

#[test]
fn standard_input_is_a_connection() {
    let folder = scratch();
    let frames = Tool::new("heka-encode").stdin(lines(3)).run().stdout;
    let wrong = Tool::new("heka-listen").arg("--stdio").run();
    wrong.exits(2).stderr_has("--write");
    let listener = Tool::new("heka-listen").args(["--ack", "--stdio", "--write", "pipe.heka"]);
    listener.dir(folder.path()).stdin(frames.clone()).run().succeeds().stdout_is("");
    assert_eq!(fs::read(folder.path().join("pipe.heka")).unwrap(), frames);
    // A socket, as from inetd: the answer comes back on it before the end.
    let (mut near, far) = std::os::unix::net::UnixStream::pair().unwrap();
    let far = std::os::fd::OwnedFd::from(far);
    let listener = Tool::new("heka-listen")
        .args(["--ack", "--stdio", "--write", "socket.heka"])
        .dir(folder.path())
        .stdin_file(far.try_clone().unwrap().into())
        .stdout_file(far.into())
        .spawn();
    let place = [&b"\x1e\x18\x08\x00\xa2\x06\x10"[..], &[7; 16], b"\xa8\x06\x00\x1f"].concat();
    near.write_all(&[place, frames.clone()].concat()).unwrap();
    near.shutdown(std::net::Shutdown::Write).unwrap();
    let mut answer = Vec::new();
    near.read_to_end(&mut answer).unwrap();
    assert!(answer.ends_with(b"\xb0\x06\x03\x1f"), "{answer:?}");
    listener.finish().succeeds();
    assert_eq!(fs::read(folder.path().join("socket.heka")).unwrap(), frames);
}

#[test]
fn the_transports_of_the_page_work() {
    let folder = scratch();
    script(&folder, "post", &example("heka-transport.7", "#!/bin/sh"));
    // Requests fail now and then.
    script(
        &folder,
        "curl",
        "#!/bin/sh\nn=$(cat n 2>/dev/null || echo 0); echo $((n + 1)) > n\n\
         [ $((n % 3)) = 1 ] && exit 22\ncat >> got\n",
    );
    script(&folder, "sleep", "#!/bin/sh\n");
    let sent = sh("PATH=.:$PATH heka-send -o payload 'exec:./post http://localhost/'");
    sent.dir(folder.path()).stdin(lines(6)).run().succeeds();
    assert_eq!(fs::read_to_string(folder.path().join("got")).unwrap(), lines(6));
    if require("python3") {
        script(&folder, "append", &example("heka-transport.7", "#!/usr/bin/env python3"));
        let sent = Tool::new("heka-send").args(["--stats", "exec:./append out.heka"]);
        let sent = sent.dir(folder.path()).stdin(lines(300)).run();
        sent.succeeds().stderr_has("300 acknowledged");
        assert_eq!(payloads(&folder.path().join("out.heka")), lines(300));
    }
}

/// A folder where `ssh` reaches an sshd that runs commands there; `None` without sshd.
fn ssh() -> Option<TempDir> {
    if !require("ssh-keygen") || !require("ssh") || !require("sshd") || !require_root() {
        return None;
    }
    let folder = scratch();
    let here = folder.path().display();
    let sshd = format!(
        "HostKey {here}/host\nAuthorizedKeysFile {here}/user.pub\nStrictModes no\nUsePAM no\n\
         SetEnv PATH={}\nForceCommand cd {here} && eval \"$SSH_ORIGINAL_COMMAND\"\n",
        heka_tests::system_path()
    );
    fs::write(folder.path().join("sshd_config"), sshd).unwrap();
    let ssh = format!(
        "Host *\nIdentityFile {here}/user\nBatchMode yes\nStrictHostKeyChecking no\n\
         UserKnownHostsFile /dev/null\nLogLevel ERROR\n\
         ProxyCommand sh -c 'mkdir -p /run/sshd; exec /usr/sbin/sshd -i -f {here}/sshd_config'\n"
    );
    fs::write(folder.path().join("ssh_config"), ssh).unwrap();
    script(&folder, "ssh", &format!("#!/bin/sh\nexec /usr/bin/ssh -F {here}/ssh_config \"$@\"\n"));
    let keys = "for key in host user; do ssh-keygen -q -t ed25519 -N '' -f $key; done; PATH=.:$PATH ssh x true";
    let made = sh(keys).dir(folder.path()).run();
    if !made.status.success() {
        skip(&format!("sshd does not work here: {}", made.err()));
        return None;
    }
    Some(folder)
}

#[test]
fn ssh_carries_messages_both_ways() {
    let Some(folder) = ssh() else { return };
    fs::write(folder.path().join("app.log"), lines(1000)).unwrap();
    let page = examples("heka-transport.7");
    let sends = page.iter().find(|line| line.contains("ssh relay")).unwrap();
    let sends = format!("PATH=.:$PATH; {}", sends.replace("heka-tail", "heka-tail --no-follow"));
    sh(&sends).dir(folder.path()).run().succeeds().stderr_is("");
    assert_eq!(payloads(&folder.path().join("all.heka")), lines(1000));
    let collects = page.iter().find(|line| line.contains("ssh web")).unwrap();
    let collects = format!("PATH=.:$PATH; {}", collects.replace("-f app", "--no-follow app"));
    sh(&collects).dir(folder.path()).run().succeeds().stdout_is(lines(1000));
}
