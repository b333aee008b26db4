// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of heka-tail's manual page, run as written except for the address and the folder
//! of the logs.

use std::fs;

use heka_tests::scene::Scene;
use heka_tests::{Peer, Proxy, Signal, Tool, eventually, page, sh};

/// Returns the example that contains this text.
fn example(part: &str) -> String {
    page::example("heka-tail.1", part)
}

/// Like [`example`], with a given listener.
fn to(listener: &Peer, example: &str) -> String {
    assert!(example.contains("192.0.2.7:5565"), "{example}");
    example.replace("192.0.2.7:5565", &listener.addr)
}

fn listener() -> Peer {
    Peer::new("heka-listen", ["127.0.0.1:0", "-opayload"])
}

#[test]
fn there_is_a_test_for_each() {
    let known = [
        "heka-tail input.log |",
        "--exclude",
        "containers",
        "--rotated-directory",
        "--encoding",
        "heka-tail --resume",
        "--no-follow",
        "-i heka",
        "-o json",
        "nginx",
    ];
    let examples = page::examples("heka-tail.1");
    assert_eq!(examples.len(), known.len(), "{examples:#?}");
    for (example, part) in examples.iter().zip(known) {
        assert!(example.contains(part), "{example}");
    }
}

#[test]
fn follow_a_log_and_send_it() {
    let scene = Scene::new("");
    scene.append("input.log", "1\n");
    let listener = listener();
    let line = to(&listener, &example("heka-tail input.log |"));
    let pipeline = sh(&line).dir(scene.dir.path()).spawn();
    listener.wait_stdout_is("1\n");
    scene.append("input.log", "2\n");
    listener.wait_stdout_is("1\n2\n");
    drop(pipeline);
}

#[test]
fn every_log_from_now_on_with_its_path() {
    let scene = Scene::new("");
    fs::create_dir_all(scene.path("var/log/a")).unwrap();
    scene.append("var/log/a/app.log", "old\n");
    scene.append("var/log/a/debug.log", "old\n");
    let listener = Peer::new("heka-listen", ["127.0.0.1:0", "-ologfmt"]);
    let line = to(&listener, &example("--exclude")).replace("'/var", "'var");
    let pipeline = sh(&line).dir(scene.dir.path()).spawn();
    eventually("the new line", || {
        scene.append("var/log/a/debug.log", "noise\n");
        scene.append("var/log/a/app.log", "new\n");
        let out = String::from_utf8(listener.stdout()).unwrap();
        assert!(!out.contains("noise") && !out.contains("old"), "{out}");
        (out.contains("new") && out.contains("var/log/a/app.log")).then_some(())
    });
    drop(pipeline);
}

#[test]
fn containers_with_the_names_of_their_pods() {
    let scene = Scene::new("");
    fs::create_dir(scene.path("containers")).unwrap();
    scene.append("containers/web-1_shop_app-0.log", "hello\n");
    let line =
        example("containers").replace("/var/log/", "").replace("--checkpoint", "--checkpoint=pos");
    let tail = sh(&(line.trim_end().to_owned() + " -o logfmt")).dir(scene.dir.path()).spawn();
    tail.wait_stdout("the message", |out| {
        let out = String::from_utf8_lossy(out);
        out.contains("pod=web-1") && out.contains("namespace=shop")
    });
}

#[test]
fn a_log_that_is_compressed_into_another_directory() {
    let scene = Scene::new("1\n");
    let line = example("--rotated-directory") + " --no-follow -o payload";
    let run = || sh(&line).dir(scene.dir.path()).run();
    run().stdout_is("1\n");
    fs::create_dir(scene.path("old")).unwrap();
    let rotate =
        "echo 2 >>app.log; gzip <app.log >old/app.log.1.gz; echo 3 >app.new; mv app.new app.log";
    sh(rotate).dir(scene.dir.path()).run().succeeds();
    run().stdout_is("2\n3\n");
}

#[test]
fn lines_in_latin_1() {
    let scene = Scene::new("");
    fs::write(scene.path("export.txt"), b"caf\xe9\r\n").unwrap();
    let tail = sh(&example("--encoding")).dir(scene.dir.path()).spawn();
    tail.wait_stdout_is("caf\u{e9}\n");
}

#[test]
fn what_a_listener_has_written_goes_to_the_next_machine() {
    let scene = Scene::new("");
    let first = Peer::with("heka-listen", ["127.0.0.1:0", "--ack", "--write=all.heka"], |tool| {
        tool.dir(scene.dir.path())
    });
    let next = listener();
    let line = to(&next, &example("-i heka"));
    let pipeline = sh(&line).dir(scene.dir.path()).spawn();
    let send = |text: &str| {
        let send = Tool::new("heka-send").args(["--ack=peer", &first.addr]);
        send.stdin(text).run().succeeds();
    };
    send("1\n2\n");
    next.wait_stdout_is("1\n2\n");
    send("3\n");
    next.wait_stdout_is("1\n2\n3\n");
    drop(pipeline);
}

#[test]
fn nothing_lost_whatever_dies_in_between() {
    let scene = Scene::new("1\n");
    let proxy = Proxy::new("127.0.0.1:1");
    let line = example("heka-tail --resume").replace("192.0.2.7:5565", &proxy.addr);
    for round in 2..5 {
        let args = ["127.0.0.1:0", "--ack", "--write=out.heka"];
        let listener = Peer::with("heka-listen", args, |tool| tool.dir(scene.dir.path()));
        proxy.redirect(&listener.addr);
        let pipeline = sh(&line).dir(scene.dir.path()).spawn();
        scene.append("app.log", &format!("{round}\n"));
        let expected: String = (1..=round).map(|line| format!("{line}\n")).collect();
        eventually("it is written", || {
            let written = Tool::new("heka-decode").arg(scene.path("out.heka")).run().out();
            (written == expected).then_some(())
        });
        let offset = format!("app.log: offset {} ", 2 * round);
        eventually("it is committed", || {
            let shown = Tool::new("heka-tail").arg("--show-checkpoint=app.pos");
            shown.dir(scene.dir.path()).run().out().contains(&offset).then_some(())
        });
        // All are killed; the shell's children may take a little longer than the shell.
        listener.into_running().end_by(Signal::SIGKILL);
        drop(pipeline);
        let positions = fs::File::open(scene.path("app.pos")).unwrap();
        eventually("the lock is free", || positions.try_lock().is_ok().then_some(()));
    }
}

#[test]
fn what_is_new_since_the_last_time() {
    let scene = Scene::new("1\n2\n");
    let run =
        |listener: &Peer| sh(&to(listener, &example("--no-follow"))).dir(scene.dir.path()).run();
    let first = listener();
    run(&first).succeeds();
    first.wait_stdout_is("1\n2\n");
    scene.append("app.log", "3\n");
    // Nobody listens: port 1 of this machine.
    let line = example("--no-follow").replace("192.0.2.7:5565", "127.0.0.1:1");
    sh(&(line + " --retry-delay=10ms")).dir(scene.dir.path()).run().exits(3);
    run(&first).succeeds();
    first.wait_stdout_is("1\n2\n3\n");
    run(&first).succeeds();
    assert_eq!(first.stdout(), b"1\n2\n3\n");
}

#[test]
fn stack_traces_as_one_message_each() {
    let scene = Scene::new("2026-11-21 boom\n  at f\n  at g\n2026-11-21 fine\n");
    let tail = sh(&example("-o json")).dir(scene.dir.path()).spawn();
    let out =
        tail.wait_stdout("both", |out| out.iter().filter(|&&byte| byte == b'\n').count() == 2);
    let out = String::from_utf8(out).unwrap();
    assert!(out.contains(r#""Payload":"2026-11-21 boom\n  at f\n  at g\n""#), "{out}");
    assert!(out.contains(r#""Payload":"2026-11-21 fine\n""#), "{out}");
}

#[test]
fn all_virtual_hosts() {
    let scene = Scene::new("");
    for host in ["a.example", "b.example"] {
        fs::create_dir_all(scene.path(&format!("nginx/{host}"))).unwrap();
        for (name, line) in [("access.log.2", 1), ("access.log.1", 2), ("access.log", 3)] {
            scene.append(&format!("nginx/{host}/{name}"), &format!("{host} {line}\n"));
        }
    }
    let line = example("nginx").replace("/var/log/nginx", "nginx");
    let tail = sh(&(line.trim_end().to_owned() + " -o payload -v")).dir(scene.dir.path()).spawn();
    let part = |host: &str| format!("==> nginx-{host} <==\n{host} 1\n{host} 2\n{host} 3\n");
    tail.wait_stdout_is(part("a.example") + "\n" + &part("b.example"));
}
