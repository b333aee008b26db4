// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recipes of heka-recipes(7) with the real programs, run as written except for addresses and the
//! folders of the system. `cases/man/heka-recipes` runs all of them with stand-ins.

use std::fs;
use std::path::Path;

use heka_tests::page::recipe;
use heka_tests::{
    Nats, Peer, Running, TempDir, Tool, eventually, free_port, put_program, require, scratch, sh,
    system_path, vector,
};

/// A receiver that prints `fields` of messages and acknowledges them.
fn aggregator(fields: &str) -> Peer {
    let form = ["-o", "short", "--time", "none", "--fields", fields];
    Peer::with("heka-listen", ["127.0.0.1:0", "--ack"].into_iter().chain(form), |tool| tool)
}

/// Waits until each of these was printed.
fn shows(running: &Running, parts: &[&str]) -> String {
    let out = running.wait_stdout(&format!("{parts:?}"), |out| {
        let out = String::from_utf8_lossy(out);
        parts.iter().all(|part| out.contains(part))
    });
    String::from_utf8(out).expect("text")
}

/// Starts a recipe with its listener on free ports, and these additional ones for UDP and TCP.
fn syslog_daemon(recipe: &str, aggregator: Option<&Peer>) -> (Running, u16, u16) {
    let (udp, tcp) = (free_port(), free_port());
    let mut line = recipe
        .replace("udp://:514", &format!("udp://127.0.0.1:{udp}"))
        .replace("tcp://:514", &format!("tcp://127.0.0.1:{tcp}"));
    if let Some(aggregator) = aggregator {
        line = line.replace("heka:5565", &aggregator.addr);
    }
    (sh(&line).spawn(), udp, tcp)
}

#[test]
fn the_access_log_of_nginx() {
    if !require("nginx") || !require("curl") {
        return;
    }
    let folder = scratch();
    let (dir, port) = (folder.path().display(), free_port());
    let config = format!(
        "daemon off; master_process off; pid {dir}/pid; error_log {dir}/error.log;\n\
         events {{}}\n\
         http {{ access_log {dir}/access.log combined;\n\
         client_body_temp_path {dir}; proxy_temp_path {dir}; fastcgi_temp_path {dir};\n\
         uwsgi_temp_path {dir}; scgi_temp_path {dir};\n\
         server {{ listen 127.0.0.1:{port}; location /up {{ return 200 up; }} }} }}\n"
    );
    let path = folder.path().join("nginx.conf");
    fs::write(&path, config).expect("a configuration");
    let _nginx = Tool::at("nginx").arg("-e").arg("stderr").arg("-c").arg(&path).spawn();
    let aggregator = aggregator("status,request_uri,http_user_agent");
    let line = recipe("heka-encode --preset nginx-combined -t nginx.access")
        .replace("/var/log/nginx/access.log", &format!("{dir}/access.log"))
        .replace("aggregator:5565", &aggregator.addr);
    let _pipeline = sh(&line).dir(folder.path()).spawn();
    let ask = format!("curl -s -A 'a \"b\"' http://127.0.0.1:{port}");
    eventually("nginx answers", || sh(&format!("{ask}/up")).run().status.success().then_some(()));
    sh(&format!("{ask}/nowhere?x=1")).run().succeeds();
    shows(&aggregator, &["status=200 request_uri=/up", "status=404 request_uri=\"/nowhere?x=1\""]);
    shows(&aggregator, &["http_user_agent=\"a \\\"b\\\"\""]);
    eventually("the position is stored", || folder.path().join("pos").exists().then_some(()));
}

#[test]
fn what_logger_sends() {
    if !require("logger") {
        return;
    }
    let (daemon, udp, tcp) = syslog_daemon(&recipe("-o logfmt --fields programname"), None);
    for (flags, port) in [("--udp", udp), ("--tcp", tcp), ("--tcp --octet-count", tcp)] {
        let text = format!("by {flags}");
        let line =
            format!("logger -n 127.0.0.1 -P {port} {flags} -t shop -p user.err --rfc5424 '{text}'");
        // Datagrams without a receiver are not reported.
        eventually(&text, || {
            sh(&line).run();
            String::from_utf8_lossy(&daemon.stdout()).contains(&text).then_some(())
        });
        let out = shows(&daemon, &[&format!("msg=\"{text}\"")]);
        assert!(out.contains(" level=err "), "{out}");
        assert!(out.contains(" programname=shop syslogfacility=1"), "{out}");
    }
}

#[test]
fn what_rsyslog_forwards() {
    if !require("rsyslogd") || !require("logger") {
        return;
    }
    let aggregator = aggregator("programname,syslogfacility");
    let recipe = recipe("--preset syslog -l rsyslog");
    let (_pipeline, udp, tcp) = syslog_daemon(&recipe, Some(&aggregator));
    let folder = scratch();
    let dir = folder.path().display();
    let config = format!(
        "global(workDirectory=\"{dir}\")\n\
         module(load=\"imuxsock\" SysSock.Use=\"off\")\n\
         input(type=\"imuxsock\" Socket=\"{dir}/log\")\n\
         $ActionResumeInterval 1\n\
         *.* @127.0.0.1:{udp}\n*.* @@127.0.0.1:{tcp}\n"
    );
    let path = folder.path().join("rsyslog.conf");
    fs::write(&path, config).expect("a configuration");
    let _rsyslog =
        Tool::at("rsyslogd").args(["-n", "-i", "pid", "-f"]).arg(&path).dir(folder.path()).spawn();
    let mut count = 0;
    eventually("both ways", || {
        count += 1;
        let text = format!("disk full {count}");
        sh(&format!("logger -u {dir}/log -t shop -p daemon.crit '{text}'")).run();
        let out = String::from_utf8_lossy(&aggregator.stdout()).into_owned();
        // By UDP and by TCP: the same text twice.
        let is_twice = |text: String| out.matches(&text).count() == 2;
        (1..=count).any(|number| is_twice(format!("disk full {number} "))).then_some(())
    });
    shows(&aggregator, &["programname=shop syslogfacility=3"]);
}

/// A journal of the recorded entries, or of one, and a journalctl that reads it.
struct Journal {
    folder: TempDir,
    remote: &'static Path,
}

impl Journal {
    fn new() -> Option<Self> {
        let remote = Path::new("/lib/systemd/systemd-journal-remote");
        if !require("journalctl") {
            return None;
        }
        if !remote.exists() {
            heka_tests::skip("systemd-journal-remote is not installed");
            return None;
        }
        let folder = scratch();
        fs::create_dir_all(folder.path().join("bin")).expect("a folder");
        fs::create_dir(folder.path().join("journal")).expect("a folder");
        let script = folder.path().join("bin/journalctl");
        let real = system_path();
        let real = real.split(':').map(|dir| Path::new(dir).join("journalctl"));
        let real = real.into_iter().find(|path| path.is_file()).expect("it is installed");
        let text = format!(
            "#!/bin/sh\nexec {} -D {}/journal \"$@\"\n",
            real.display(),
            folder.path().display()
        );
        put_program(&script, text.as_bytes());
        let journal = Self { folder, remote };
        journal.add("first", &fs::read(vector("logs/journald.export")).expect("a vector"));
        Some(journal)
    }

    /// Adds entries.
    fn add(&self, name: &str, entries: &[u8]) {
        let path = self.folder.path().join(format!("journal/{name}.journal"));
        Tool::at(self.remote).arg("-o").arg(path).arg("-").stdin(entries).run().succeeds();
    }

    /// Adds the entry that follows all others.
    fn add_last(&self) {
        let last = "__REALTIME_TIMESTAMP=1795976700000000\n__MONOTONIC_TIMESTAMP=90000000\n\
             _BOOT_ID=fedcba9876543210fedcba9876543210\nPRIORITY=4\nMESSAGE=the last one\n\
             _SYSTEMD_UNIT=nginx.service\n_HOSTNAME=web01\n\n";
        self.add("second", last.as_bytes());
    }

    /// Starts a recipe.
    fn run(&self, line: &str) -> Running {
        let path = format!("{}/bin:{}", self.folder.path().display(), system_path());
        sh(line).dir(self.folder.path()).env("PATH", path).spawn()
    }
}

/// Waits for `count` messages, with `text` among the payloads.
fn has(aggregator: &Running, count: usize, text: &str) {
    aggregator.wait_stdout(&format!("{count} messages"), |out| {
        let out = String::from_utf8_lossy(out);
        assert!(out.lines().count() <= count, "{out}");
        out.ends_with('\n') && out.lines().count() == count && out.contains(text)
    });
}

#[test]
fn a_unit_of_systemd_from_cron() {
    let Some(journal) = Journal::new() else { return };
    let aggregator = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "-o", "json"]);
    let line = recipe("--cursor-file=cursor").replace("aggregator:5565", &aggregator.addr);
    journal.run(&line).finish().succeeds();
    has(&aggregator, 20, "started");
    journal.add_last();
    journal.run(&line).finish().succeeds();
    has(&aggregator, 21, "the last one");
}

#[test]
fn a_unit_of_systemd_with_its_cursor_as_position() {
    let Some(journal) = Journal::new() else { return };
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    for name in ["journal.cfg", "journal.lua"] {
        fs::copy(examples.join(name), journal.folder.path().join(name)).expect("an example");
    }
    let aggregator = Peer::new("heka-listen", ["127.0.0.1:0", "--ack", "-o", "json"]);
    let line = recipe("heka-sandbox --resume pos").replace("aggregator:5565", &aggregator.addr);
    let position = journal.folder.path().join("pos");
    let stored = || fs::read_to_string(&position).unwrap_or_default();
    let first = journal.run(&line);
    // The cursor of the twentieth.
    let old = eventually("the position is stored", || {
        Some(stored()).filter(|position| position.contains(";i=14;"))
    });
    has(&aggregator, 20, "started");
    drop(first);
    journal.add_last();
    let _second = journal.run(&line);
    eventually("the next position is stored", || (stored() != old).then_some(()));
    has(&aggregator, 21, "the last one");
}

#[test]
fn a_log_through_jetstream() {
    let Some(nats) = Nats::start("") else { return };
    let folder = scratch();
    fs::write(folder.path().join("app.log"), "one\ntwo\n").expect("a log");
    let (writes, reads) = (recipe("stream=LOGS"), recipe("durable=archive"));
    let create = nats.url("logs?create=R1&stream=LOGS");
    let writes = writes.replace("nats://n1,n2/logs?stream=LOGS", &create);
    let reads = reads.replace("nats://n1,n2/", &nats.url(""));
    let _writer = sh(&writes).dir(folder.path()).spawn();
    eventually("the position is stored", || folder.path().join("pos").exists().then_some(()));
    let _reader = sh(&reads).dir(folder.path()).spawn();
    let archive = folder.path().join("all.heka");
    eventually("it is in the archive", || {
        let show = Tool::new("heka-decode").arg(&archive).run();
        (show.out() == "one\ntwo\n").then_some(())
    });
}
