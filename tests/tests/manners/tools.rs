// SPDX-License-Identifier: MIT OR Apache-2.0
//! The behaviour common to all tools: help, version, wrong flags, a full disk, a closed pipe.

use std::fs::{File, OpenOptions};
use std::io::Read as _;
use std::os::fd::AsFd as _;
use std::path::Path;

use nix::fcntl::{FcntlArg, OFlag, fcntl};
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

use heka_tests::{Signal, Tool, sh};

/// Returns every tool that the workspace builds.
fn tools() -> Vec<String> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools");
    let mut tools: Vec<_> = folder
        .read_dir()
        .expect("tools/")
        .flatten()
        .filter(|entry| entry.path().join("src/cli.rs").exists())
        .map(|entry| entry.file_name().to_string_lossy().into_owned())
        .filter(|tool| tool != "heka-kafka" || heka_tests::require_kafka())
        .collect();
    tools.sort();
    tools
}

fn full() -> File {
    OpenOptions::new().write(true).open("/dev/full").expect("/dev/full")
}

#[test]
fn version() {
    for tool in tools() {
        let short = Tool::new(&tool).arg("-V").run();
        short.succeeds().stdout_is(format!("{tool} {}\n", env!("CARGO_PKG_VERSION"))).stderr_is("");
        let long = Tool::new(&tool).arg("--version").run();
        long.succeeds().stdout_has("MIT OR Apache-2.0");
        assert!(long.out().starts_with(&short.out()), "{long}");
    }
}

#[test]
fn help_fits_a_terminal_and_names_the_common_flags() {
    for tool in tools() {
        for flag in ["-h", "--help"] {
            let help = Tool::new(&tool).arg(flag).env("COLUMNS", "80").run();
            help.succeeds().stderr_is("");
            for wanted in ["-h, --help", "-V, --version", "--quiet", "--verbose", "--stats"] {
                help.stdout_has(wanted);
            }
            let text = help.out();
            let wide = text.lines().find(|line| line.chars().count() > 80);
            assert_eq!(wide, None, "{tool} {flag}");
        }
    }
}

#[test]
fn a_wrong_flag_is_told_by_name_and_nothing_is_done() {
    for tool in tools() {
        let wrong = Tool::new(&tool).arg("--no-such-flag").run();
        wrong.exits(2).stdout_is("").stderr_has(&format!("Try '{tool} --help'"));
        wrong.stderr_has("--no-such-flag");
        assert!(wrong.err().starts_with(&format!("{tool}: ")), "{wrong}");
    }
}

#[test]
fn a_full_disk_is_an_error_even_for_help() {
    for tool in tools() {
        let outcome = Tool::new(&tool).arg("--help").stdout_file(full()).run();
        outcome.exits(1).stderr_is(&format!("{tool}: write error: No space left on device\n"));
    }
}

#[test]
fn a_full_disk_is_an_error_for_filters() {
    for (tool, flags) in [("heka-encode", &["-i", "heka"][..]), ("heka-decode", &[])] {
        let frames = std::fs::read(heka_tests::vector("small.heka")).expect("small.heka");
        let outcome = Tool::new(tool).args(flags).stdin(frames).stdout_file(full()).run();
        outcome.exits(1).stderr_is(&format!("{tool}: write error: No space left on device\n"));
    }
}

#[test]
fn filters_die_of_sigpipe_when_nobody_reads() {
    for (tool, flags) in [("heka-encode", &["-i", "heka"][..]), ("heka-decode", &[])] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let frames = std::fs::read(heka_tests::vector("small.heka")).expect("small.heka");
        let writer = File::from(std::os::fd::OwnedFd::from(writer));
        let outcome = Tool::new(tool).args(flags).stdin(frames).stdout_file(writer).run();
        outcome.killed_by(Signal::SIGPIPE).stderr_is("");
    }
}

#[test]
fn filters_die_of_the_signal_with_all_that_is_complete_written() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let mut encode = Tool::new("heka-encode").stdin_open().spawn();
        encode.write("one\ntwo\nincompl");
        encode.wait_stdout("two messages", |bytes| bytes.len() > 60);
        encode.signal(signal);
        // Standard input stays open: the signal ends it.
        let frames = {
            heka_tests::eventually("it ends", || (!encode.is_running()).then_some(()));
            let outcome = encode.finish();
            outcome.killed_by(signal).stderr_is("");
            outcome.stdout
        };
        Tool::new("heka-decode").stdin(frames).run().succeeds().stdout_is("one\ntwo\n");
    }
}

/// A tool waits for a pipe that another process made non-blocking, also when a signal arrives
/// meanwhile.
#[test]
fn a_full_pipe_that_does_not_block_gets_whole_lines() {
    let (mut reader, writer) = std::io::pipe().expect("no pipe");
    fcntl(&writer, FcntlArg::F_SETFL(OFlag::O_NONBLOCK)).expect("cannot set flags");
    // More than two pipes of maximum size can hold.
    let text: String = (0..2000).map(|number| format!("{number:01000}\n")).collect();
    let frames = Tool::new("heka-encode").stdin(text.clone()).run().succeeds().stdout.clone();
    let file = File::from(std::os::fd::OwnedFd::from(writer.try_clone().expect("a copy")));
    let mut decode = Tool::new("heka-decode").stdin_open().stdout_file(file).spawn();
    decode.write(frames);
    heka_tests::eventually("the pipe is full", || {
        let mut fds = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
        (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(())
    });
    drop(writer);
    decode.signal(Signal::SIGTERM);
    let mut written = String::new();
    reader.read_to_string(&mut written).expect("text");
    heka_tests::eventually("it ends", || (!decode.is_running()).then_some(()));
    decode.finish().killed_by(Signal::SIGTERM).stderr_is("");
    assert!(text.starts_with(&written) && written.ends_with('\n'), "{}", written.len());
}

#[test]
fn closed_descriptors_are_errors() {
    for tool in ["heka-encode", "heka-decode"] {
        let outcome = sh(&format!("{tool} <&-")).run();
        outcome.exits(1).stderr_is(&format!("{tool}: (standard input): Bad file descriptor\n"));
        let outcome = sh(&format!("echo | {tool} >&-")).run();
        outcome.exits(1).stderr_is(&format!("{tool}: write error: Bad file descriptor\n"));
    }
    // Tools that do not use the descriptor are not affected.
    let alone = "echo one | heka-encode >frames; heka-decode --write=out frames <&- >&-; cat out";
    sh(alone).run().succeeds().stdout_is("one\n");
    sh("echo >lines; heka-tail --no-follow --checkpoint=pos lines >&-; test $? = 1 -a ! -s pos")
        .run()
        .succeeds();
}

/// It dies of the signal, as if it had written everything, after a second of grace.
#[test]
fn a_reader_that_stands_still_keeps_nobody_from_dying_of_a_signal() {
    let (reader, writer) = std::io::pipe().expect("no pipe");
    let frames =
        Tool::new("heka-encode").stdin("x\n".repeat(200_000)).run().succeeds().stdout.clone();
    let file = File::from(std::os::fd::OwnedFd::from(writer.try_clone().expect("a copy")));
    let decode =
        Tool::new("heka-decode").args(["-o", "json"]).stdin(frames).stdout_file(file).spawn();
    heka_tests::eventually("the pipe is full", || {
        let mut fds = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
        (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(())
    });
    let end = decode.end_by(Signal::SIGTERM);
    end.killed_by(Signal::SIGTERM).stderr_has("write error: the reader is stuck, ");
    drop(reader);
}

/// Messages that the reader did not take are not considered safe, either.
#[test]
fn a_position_is_not_stored_behind_what_a_stuck_reader_took() {
    let (mut reader, writer) = std::io::pipe().expect("no pipe");
    let folder = heka_tests::scratch();
    let text: String = (0..400_000).map(|number| format!("{number}\n")).collect();
    std::fs::write(folder.path().join("app.log"), &text).expect("a file");
    let tail = |flags: &[&str]| {
        let tool = Tool::new("heka-tail").dir(folder.path()).args(flags);
        tool.args(["-opayload", "--checkpoint=pos", "app.log"])
    };
    let file = File::from(std::os::fd::OwnedFd::from(writer.try_clone().expect("a copy")));
    let first = tail(&[]).stdout_file(file).spawn();
    heka_tests::eventually("the pipe is full", || {
        let mut fds = [PollFd::new(writer.as_fd(), PollFlags::POLLOUT)];
        (poll(&mut fds, PollTimeout::ZERO) == Ok(0)).then_some(())
    });
    first.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    drop(writer);
    let mut taken = String::new();
    reader.read_to_string(&mut taken).expect("text");
    let rest = tail(&["--no-follow"]).run().succeeds().out();
    let from = text.len() - rest.len();
    assert!(text.ends_with(&rest) && text.starts_with(&taken) && from <= taken.len(), "{from}");
}

#[test]
fn a_missing_file_costs_status_1_and_not_the_others() {
    let outcome = sh("echo there >there; heka-encode -o payload missing there").run();
    outcome.exits(1).stdout_is("there\n");
    outcome.stderr_is("heka-encode: missing: No such file or directory\n");
}

#[test]
fn statistics_at_the_end_and_on_sigusr1() {
    let outcome = Tool::new("heka-encode").args(["--stats", "-o", "payload"]).stdin("a\nb\n").run();
    outcome.succeeds().stderr_has("heka-encode: 2 messages, 4 bytes in, 4 bytes out");
    let mut encode = Tool::new("heka-encode").stdin_open().spawn();
    encode.write("a\n");
    encode.wait_stdout("a message", |bytes| !bytes.is_empty());
    encode.signal(Signal::SIGUSR1);
    encode.wait_stderr("heka-encode: 1 message");
    encode.finish().succeeds();
}

#[test]
fn arguments_come_from_a_file() {
    let folder = heka_tests::scratch();
    std::fs::write(folder.path().join("args"), "# text\n-o\npayload\n\n--max-count=1\n").unwrap();
    let encode = |args: &[&str]| {
        Tool::new("heka-encode").args(args).dir(folder.path()).stdin("a\nb\n").run()
    };
    encode(&["@./args"]).succeeds().stdout_is("a\n");
    encode(&["@./args", "--max-count=2"]).succeeds().stdout_is("a\nb\n");
    let missing = encode(&["@./missing"]).exits(2).err();
    assert!(
        missing.starts_with("heka-encode: @./missing: No such file or directory\n"),
        "{missing}"
    );
}
