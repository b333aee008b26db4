// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock and the file system: ownership, permissions and removal of the path.

use std::fs;
use std::io::{Read, Write};
use std::os::unix::fs::{FileTypeExt, MetadataExt, PermissionsExt, symlink};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use heka_tests::{Outcome, Peer, Signal, Tool, eventually, require, require_root, scratch, sh};
use nix::fcntl::{Flock, FlockArg};

fn serve(path: &Path, args: &[&str]) -> Peer {
    let args = ["-l", path.to_str().unwrap()].into_iter().chain(args.iter().copied());
    Peer::new("unix-sock", args)
}

fn try_to_serve(path: &Path, args: &[&str]) -> Outcome {
    Tool::new("unix-sock").arg("-l").arg(path).args(args).run()
}

fn mode(path: &Path) -> u32 {
    fs::symlink_metadata(path).unwrap().permissions().mode() & 0o7777
}

/// A socket whose owner has died.
fn leave_behind(path: &Path) {
    drop(UnixListener::bind(path).unwrap());
}

#[test]
fn a_stale_socket_is_replaced() {
    let folder = scratch();
    let path = folder.path().join("s");
    leave_behind(&path);
    let server = serve(&path, &[]);
    UnixStream::connect(&path).unwrap();
    server.into_running().end_by(Signal::SIGTERM);
    assert!(!path.exists());
    // After SIGKILL it is stale again.
    serve(&path, &[]).into_running().end_by(Signal::SIGKILL);
    assert!(path.exists());
    serve(&path, &[]);
}

#[test]
fn what_belongs_to_somebody_else_is_left_alone() {
    let folder = scratch();
    let at = |name: &str| folder.path().join(name);
    fs::write(at("file"), "precious").unwrap();
    symlink("nowhere", at("dangling")).unwrap();
    fs::create_dir(at("dir")).unwrap();
    for (name, cause) in [
        ("file", "exists and is not a socket"),
        ("dangling", "exists and is not a socket"),
        ("dir", "exists and is not a socket"),
        ("no/such/folder", "No such file or directory"),
    ] {
        let out = try_to_serve(&at(name), &[]);
        out.exits(1).stderr_is(&format!("unix-sock: {}: {cause}\n", at(name).display()));
    }
    assert_eq!(fs::read_to_string(at("file")).unwrap(), "precious");
    assert!(fs::symlink_metadata(at("dangling")).unwrap().is_symlink());
}

#[test]
fn a_live_socket_is_left_alone_whatever_its_type() {
    for kind in ["stream", "dgram", "seqpacket"] {
        let folder = scratch();
        let path = folder.path().join("s");
        let mut server = serve(&path, &["--type", kind]);
        let inode = fs::metadata(&path).unwrap().ino();
        for other in ["stream", "dgram", "seqpacket"] {
            try_to_serve(&path, &["--type", other])
                .exits(1)
                .stderr_has("s: Address already in use");
        }
        assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
        assert!(server.is_running());
    }
}

/// The check whether a path is in use is not taken for the one connection of `-1`.
#[test]
fn a_start_on_a_path_in_use_uses_up_no_connection() {
    for (tool, args) in [
        ("unix-sock", &["-l", "-1"][..]),
        ("unix-sock", &["-l", "-1", "--type", "seqpacket"]),
        ("heka-listen", &["-1", "-opayload"]),
    ] {
        let folder = scratch();
        let path = folder.path().join("s");
        let at = path.display().to_string();
        let at = if tool == "heka-listen" { format!("unix:{at}") } else { at };
        let args: Vec<&str> = args.iter().copied().chain([at.as_str()]).collect();
        let mut server = Peer::new(tool, &args);
        for _ in 0..3 {
            Tool::new(tool).args(&args).run().exits(1).stderr_has("Address already in use");
        }
        assert!(server.is_running() && path.exists());
        let kind = if args.contains(&"seqpacket") { "seqpacket" } else { "stream" };
        let client = Tool::new("unix-sock").arg(&path).args(["--type", kind]);
        client.stdin("x\n").run().succeeds();
        server.into_running().finish().succeeds().stdout_is("x\n");
    }
}

/// Anybody who can read the folder can lock it, and heka-send does so with its `--queue`.
#[test]
fn a_locked_folder_holds_up_no_start() {
    let folder = scratch();
    let lock = fs::File::open(folder.path()).unwrap();
    let _lock = Flock::lock(lock, FlockArg::LockExclusive).unwrap();
    let path = folder.path().join("s");
    leave_behind(&path);
    let server = serve(&path, &[]);
    UnixStream::connect(&path).unwrap().write_all(b"x\n").unwrap();
    server.wait_stdout_is("x\n");
    let other = folder.path().join("t");
    Peer::new("heka-listen", [format!("unix:{}", other.display())]);
}

#[test]
fn force_replaces_a_file_and_a_live_socket() {
    let folder = scratch();
    let path = folder.path().join("s");
    fs::write(&path, "x").unwrap();
    let first = serve(&path, &["--force"]);
    let second = serve(&path, &["-f"]);
    let inode = fs::metadata(&path).unwrap().ino();
    // The first one must not remove what is no longer its own.
    first.into_running().end_by(Signal::SIGTERM);
    assert_eq!(fs::metadata(&path).unwrap().ino(), inode);
    second.into_running().end_by(Signal::SIGINT);
    assert!(!path.exists());
}

#[test]
fn the_path_goes_at_the_end_if_it_is_ours() {
    let folder = scratch();
    let path = folder.path().join("s");
    serve(&path, &["--no-unlink"]).into_running().end_by(Signal::SIGTERM);
    assert!(fs::metadata(&path).unwrap().file_type().is_socket());
    let server = serve(&path, &[]);
    fs::remove_file(&path).unwrap();
    fs::write(&path, "somebody else's").unwrap();
    server.into_running().end_by(Signal::SIGTERM);
    assert_eq!(fs::read_to_string(&path).unwrap(), "somebody else's");
    // With --once it is gone as soon as the one connection exists.
    fs::remove_file(&path).unwrap();
    let server = serve(&path, &["-1"]);
    let _stream = UnixStream::connect(&path).unwrap();
    eventually("the path is gone", || (!path.exists()).then_some(()));
    drop(server);
}

#[test]
fn of_many_that_start_at_once_one_gets_the_path() {
    for _ in 0..5 {
        let folder = scratch();
        let path = folder.path().join("s");
        leave_behind(&path);
        let mut all: Vec<_> =
            (0..8).map(|_| Tool::new("unix-sock").arg("-l").arg(&path).arg("-v").spawn()).collect();
        let ended = |all: &mut Vec<heka_tests::Running>| {
            all.iter_mut().map(|server| usize::from(!server.is_running())).sum::<usize>()
        };
        eventually("seven have ended", || (ended(&mut all) == 7).then_some(()));
        let live = all.iter_mut().position(heka_tests::Running::is_running).unwrap();
        all[live].wait_stderr("listening");
        UnixStream::connect(&path).unwrap();
    }
}

/// One of each kind under umask 022; a unit test has the whole table.
#[test]
fn modes() {
    let folder = scratch();
    for (text, expected) in [
        ("600", 0o600),
        ("=600", 0o600),
        ("+111", 0o111),
        ("-022", 0),
        ("=", 0),
        ("=1777", 0o1777),
        ("u+s", 0o4755),
        ("u=rw", 0o655),
        ("u=rw,go=", 0o600),
        ("ug+w", 0o775),
        ("u=rwX", 0o755),
        ("g=u", 0o705),
        ("+w", 0o777),
    ] {
        let path = folder.path().join("s");
        let line = format!("umask 022; exec unix-sock -l '{}' --mode='{text}' -v", path.display());
        let server = sh(&line).spawn();
        server.wait_stderr("listening");
        assert_eq!(mode(&path), expected, "{text}");
        server.end_by(Signal::SIGTERM);
    }
    for text in ["", "=800", "608", "u=rwz", "=77777777777", "x=r"] {
        let path = folder.path().join("never");
        try_to_serve(&path, &[&format!("--permissions={text}")]).exits(2);
        assert!(!path.exists());
    }
}

/// From the first moment on, the socket is not more accessible than requested.
#[test]
fn the_mode_holds_before_anybody_can_connect() {
    let folder = scratch();
    let path = folder.path().join("s");
    for kind in ["stream", "dgram", "seqpacket"] {
        let watched = path.clone();
        let stop = std::sync::Arc::new(std::sync::atomic::AtomicBool::new(false));
        let stopped = std::sync::Arc::clone(&stop);
        let watcher = std::thread::spawn(move || {
            let mut seen = 0;
            while !stopped.load(std::sync::atomic::Ordering::Relaxed) {
                if let Ok(metadata) = fs::symlink_metadata(&watched) {
                    seen |= metadata.permissions().mode() & 0o777;
                }
            }
            seen
        });
        for _ in 0..5 {
            serve(&path, &["--mode", "600", "--type", kind]).into_running().end_by(Signal::SIGTERM);
        }
        stop.store(true, std::sync::atomic::Ordering::Relaxed);
        assert_eq!(watcher.join().unwrap() & !0o600, 0, "{kind}");
    }
}

#[test]
fn owner_and_admission() {
    let folder = scratch();
    let path = folder.path().join("s");
    let (uid, gid) = (nix::unistd::getuid().as_raw(), nix::unistd::getgid().as_raw());
    let (own_uid, own_gid) = (uid.to_string(), gid.to_string());
    let server = serve(&path, &["--user", &own_uid, "--group", &own_gid, "--allow-uid", &own_uid]);
    assert_eq!(fs::metadata(&path).unwrap().uid(), uid);
    UnixStream::connect(&path).unwrap().write_all(b"x\n").unwrap();
    server.wait_stdout_is("x\n");
    drop(server);
    for kind in ["stream", "dgram", "seqpacket"] {
        let server =
            serve(&path, &["--allow-uid=4294967294", "--allow-gid=4294967294", "--type", kind]);
        let out = Tool::new("unix-sock").arg(&path).args(["--type", kind]).stdin("x\n").run();
        assert!(out.stdout.is_empty());
        server.wait_stderr(&format!("uid {uid}, gid {gid}, refused"));
        assert!(server.stdout().is_empty());
        server.into_running().end_by(Signal::SIGTERM);
    }
    try_to_serve(&path, &["--allow-uid", "no-such-user"]).exits(2);
    try_to_serve(&path, &["--group", "no-such-group"]).exits(2);
}

#[test]
fn the_socket_of_another_user() {
    if !require_root() {
        return;
    }
    let (nobody, nogroup) = (65_534, 65_533);
    let folder = scratch();
    let path = folder.path().join("s");
    for kind in ["stream", "dgram", "seqpacket"] {
        let (user, group) = (nobody.to_string(), nogroup.to_string());
        let args = ["--user", &user, "--group", &group, "--mode", "620", "--type", kind];
        let server = serve(&path, &args);
        let metadata = fs::metadata(&path).unwrap();
        assert_eq!((metadata.uid(), metadata.gid(), mode(&path)), (nobody, nogroup, 0o620));
        server.into_running().end_by(Signal::SIGTERM);
    }
    let server = serve(&path, &["--user", "nobody", "--group", "nogroup"]);
    let metadata = fs::metadata(&path).unwrap();
    assert_eq!((metadata.uid(), metadata.gid()), (65_534, 65_534));
    drop(server);
}

#[test]
fn admission_goes_by_who_the_system_says_it_is() {
    if !require_root() || !require("setpriv") || !require("socat") {
        return;
    }
    let folder = scratch();
    fs::set_permissions(folder.path(), fs::Permissions::from_mode(0o755)).unwrap();
    let path = folder.path().join("s");
    let nobody = |line: &str| {
        sh(&format!("setpriv --reuid 65534 --regid 65533 --clear-groups {line}"))
            .dir(folder.path())
            .run()
    };
    for list in [["--allow-uid", "65534"], ["--allow-gid", "65533"], ["--allow-uid", "nobody"]] {
        let server = serve(&path, &[&["--mode", "666", "-j"], &list[..]].concat());
        nobody("sh -c 'echo hello | socat -u - UNIX-CONNECT:s'").succeeds();
        server.wait_stdout("its ids", |out| {
            String::from_utf8_lossy(out).contains("\"uid\":65534,\"gid\":65533},\"data\":\"hello\"")
        });
        Tool::new("unix-sock").arg(&path).stdin("x\n").run();
        server.wait_stderr("uid 0, gid 0, refused");
        server.into_running().end_by(Signal::SIGTERM);
    }
    // The mode excludes others before the user is checked.
    let _server = serve(&path, &["--mode", "600"]);
    nobody("socat -u /dev/null UNIX-CONNECT:s").exits(1).stderr_has("Permission denied");
}

#[test]
fn abstract_names_leave_nothing_in_the_file_system() {
    let name = format!("@heka-test-{}", std::process::id());
    let folder = scratch();
    let server = Peer::with("unix-sock", ["-l", &name, "--echo"], |tool| tool.dir(folder.path()));
    assert_eq!(server.addr, name);
    Tool::new("unix-sock").arg(&name).stdin("x\n").run().succeeds().stdout_is("x\n");
    assert_eq!(fs::read_dir(folder.path()).unwrap().count(), 0);
    Tool::new("unix-sock").args(["-l", &name]).run().exits(1).stderr_has("Address already in use");
}

#[test]
fn names_that_are_too_long_are_usage_errors() {
    let long = "x".repeat(108);
    Tool::new("unix-sock").arg(&long).run().exits(2).stderr_has("longer than 107 bytes");
    let folder = scratch();
    let most = "x".repeat(107);
    let server = Peer::with("unix-sock", ["-l", &most], |tool| tool.dir(folder.path()));
    assert_eq!(server.addr, most);
    // A name may have as many bytes, without the @ that stands for its NUL.
    let most = format!("@{}{:010}", "x".repeat(97), std::process::id());
    assert_eq!(Peer::new("unix-sock", ["-l", &most]).addr, most);
    Tool::new("unix-sock")
        .arg(format!("{most}x"))
        .run()
        .exits(2)
        .stderr_has("longer than 107 bytes");
}

#[test]
fn a_mode_may_begin_with_a_minus() {
    let folder = scratch();
    let path = folder.path().join("s");
    let _server = serve(&path, &["--mode", "-022"]);
    assert_eq!(mode(&path), 0);
}

/// Socket activation, with systemd's own stand-in where it is installed.
#[test]
fn an_inherited_socket_is_taken_over() {
    if !require("python3") {
        return;
    }
    let folder = scratch();
    let path = folder.path().join("s");
    let script = "import os, socket, sys\n\
        s = socket.socket(socket.AF_UNIX); s.bind(sys.argv[1]); s.listen()\n\
        os.dup2(s.fileno(), 3); os.set_inheritable(3, True)\n\
        os.environ.update(LISTEN_FDS='1', LISTEN_PID=str(os.getpid()))\n\
        os.execvp('unix-sock', ['unix-sock', '-l', '--echo', '-v', *sys.argv[2:]])";
    let start =
        |args: &[&str]| Tool::at("python3").args(["-c", script]).arg(&path).args(args).spawn();
    let server = start(&[]);
    server.wait_stderr("listening");
    let mut stream = UnixStream::connect(&path).unwrap();
    stream.write_all(b"x\n").unwrap();
    stream.read_exact(&mut [0; 2]).unwrap();
    server.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert!(path.exists(), "the path belongs to whoever made it");
    fs::remove_file(&path).unwrap();
    start(&["--type", "dgram"]).finish().exits(2).stderr_has("another --type");
    Tool::new("unix-sock").arg("-l").run().exits(2).stderr_has("LISTEN_FDS");
}
