// SPDX-License-Identifier: MIT OR Apache-2.0
//! The units of `contrib/systemd`: valid, confined, with command lines that work together.

use std::fs;
use std::os::unix::net::UnixDatagram;
use std::path::{Path, PathBuf};
use std::process::Command;

use heka_tests::{Running, Tool, bindir, ceiling, eventually, free_port, require, scratch};

/// Maximum exposure, in tenths, as `systemd-analyze security` counts it.
const MAX_EXPOSURE: &str = "20";

fn unit(name: &str) -> String {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../contrib/systemd");
    fs::read_to_string(folder.join(name)).unwrap()
}

/// Returns the value of the only line of a unit that sets `key`.
fn setting(unit: &str, key: &str) -> String {
    let values: Vec<_> =
        unit.lines().filter_map(|line| line.strip_prefix(&format!("{key}="))).collect();
    assert_eq!(values.len(), 1, "{key}");
    values[0].to_owned()
}

/// Returns the units of a folder, with the tools that are installed there.
fn installed(folder: &Path) -> Vec<PathBuf> {
    let names = [
        ("heka-listen.socket", "heka-listen.socket"),
        ("heka-listen.service", "heka-listen.service"),
        ("heka-ship@.service", "heka-ship@web.service"),
    ];
    let copy = |(name, instance): (&str, &str)| {
        let text = unit(name).replace("/usr/bin/", &format!("{}/", bindir().display()));
        let path = folder.join(instance);
        fs::write(&path, text).unwrap();
        path
    };
    names.map(copy).to_vec()
}

fn analyze(args: &[&str], units: &[PathBuf]) {
    let output = Command::new("systemd-analyze").args(args).args(units).output().unwrap();
    let text = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{text}{}", String::from_utf8_lossy(&output.stdout));
    assert_eq!(text, "", "systemd-analyze {args:?}");
}

#[test]
fn units_are_valid_and_confined() {
    if !require("systemd-analyze") {
        return;
    }
    let folder = scratch();
    let units = installed(folder.path());
    analyze(&["verify", "--man=no"], &units);
    let services = units.iter().filter(|path| path.extension().unwrap() == "service");
    for service in services {
        let threshold = format!("--threshold={MAX_EXPOSURE}");
        analyze(&["security", "--offline=yes", &threshold], std::slice::from_ref(service));
    }
}

#[test]
fn a_line_goes_from_one_unit_to_the_other() {
    if !require("systemd-socket-activate") {
        return;
    }
    let folder = scratch();
    let dir = folder.path();
    let addr = format!("127.0.0.1:{}", free_port());
    let received = dir.join("messages.heka");

    let listen = setting(&unit("heka-listen.service"), "ExecStart")
        .replace("/usr/bin/", &format!("{}/", bindir().display()))
        .replace("/var/lib/heka", &dir.display().to_string());
    let _listener = Tool::at("systemd-socket-activate")
        .args(["-l", &addr])
        .args(listen.split(' '))
        .dir(dir)
        .spawn();

    fs::write(dir.join("app.log"), "a line\n").unwrap();
    let manager = UnixDatagram::bind(dir.join("manager")).unwrap();
    manager.set_read_timeout(Some(ceiling())).unwrap();
    let shipper = ship(dir, &addr);
    hears(&manager, "heka-send");
    eventually("the line is acknowledged", || {
        fs::metadata(dir.join("web.pos")).ok().filter(|file| file.len() > 0)
    });
    drop(shipper);
    Tool::new("heka-decode").arg(&received).run().succeeds().stdout_is("a line\n");
}

/// The pipeline of heka-ship@web.service, for `app.log`, as systemd starts it.
fn ship(dir: &Path, addr: &str) -> Running {
    let service = unit("heka-ship@.service");
    assert_eq!(setting(&service, "NotifyAccess"), "all");
    let line = setting(&service, "ExecStart");
    let line = line.strip_prefix("/bin/sh -c '").unwrap().strip_suffix('\'').unwrap();
    let line = line.replace("%i", "web").replace("/var/lib/heka-ship", &dir.display().to_string());
    Tool::at("/bin/sh")
        .args(["-c", &line])
        .env("FILES", "app.log")
        .env("ADDR", addr)
        .env("SEND_FLAGS", "--ack=peer")
        .env("NOTIFY_SOCKET", dir.join("manager"))
        .env("WATCHDOG_USEC", "100000")
        // The shell's own variable.
        .env("WATCHDOG_PID", "1")
        .dir(dir)
        .spawn()
}

/// The service manager is told that `tool`, and no other, is ready and alive.
fn hears(manager: &UnixDatagram, tool: &str) {
    let mut heard = String::new();
    while !(heard.contains("READY=1\n") && heard.contains("WATCHDOG=1\n")) {
        let mut text = [0; 4096];
        let len = manager.recv(&mut text).unwrap();
        heard += &String::from_utf8_lossy(&text[..len]);
        heard.push('\n');
    }
    let status = format!("STATUS={tool}: ");
    assert!(heard.contains(&status), "{heard}");
    let mut others = heard.lines().filter(|line| line.starts_with("STATUS="));
    assert!(others.all(|line| line.starts_with(&status)), "{heard}");
}
