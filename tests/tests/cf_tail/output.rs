// SPDX-License-Identifier: MIT OR Apache-2.0
//! The output: forms, filters, colours, terminals.

use std::fs::File;

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Outcome, Pty};

use crate::platform::{
    APP, APP_ERR, ROUTER, batch, cf_tail, events, frames, http, info, legacy, legacy_from, page,
    parts, recent, v1_counter, v1_from, v2_counter, v2_from, ws,
};

#[test]
fn selections_and_forms() {
    let server = || Playback::new(vec![recent(&[("three", 3), ("one", 1), ("two", 2)])]);
    let run = |args: &[&str]| {
        let server = server();
        cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)]).args(args).run()
    };
    run(&["-o", "payload", "-n", "2"]).succeeds().stdout_is("two\nthree\n");
    run(&["-o", "payload", "--no-sort", "--max-count", "2"]).succeeds().stdout_is("three\none\n");
    run(&["-o", "payload", "-0", "--source", "app"]).succeeds().stdout_is("one\0two\0three\0");
    run(&["--stream", "err", "-e"]).exits(4).stdout_is("");
    run(&["--cf-style=6", "-n", "1"])
        .succeeds()
        .stdout_is("1970-01-01T00:00:03.00+0000 [App/0]      OUT three\n");
    run(&["--time-zone", "Asia/Kolkata", "-n1"])
        .stdout_is("1970-01-01T05:30:03.00+0530 [App/0] OUT three\n");
    let heka = heka_tests::sh(&format!(
        "cf-tail --via legacy --recent app -a {} -o heka | heka-decode",
        ws(&server())
    ));
    heka.run().succeeds().stdout_is("one\ntwo\nthree\n");
}

#[test]
fn a_reader_that_leaves_ends_it_at_once() {
    let server = Playback::new(vec![web_socket(frames(&[("one", 1), ("two", 2)]))]);
    let line = format!("cf-tail --via legacy -o payload app -a {} | head -n 1", ws(&server));
    heka_tests::sh(&line).run().succeeds().stdout_is("one\n");
    let full = File::options().write(true).open("/dev/full").expect("/dev/full");
    let server = Playback::new(vec![recent(&[("one", 1)])]);
    let outcome =
        cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)]).stdout_file(full).run();
    outcome.exits(1).stderr_has("write error: No space left on device");
}

#[test]
fn on_a_terminal_nothing_that_an_app_writes_does_anything() {
    let pty = heka_tests::Pty::open();
    let mut flood = legacy("\x1b[2Jhi\x07", 1);
    // The same on stderr: OUT becomes ERR.
    let at = flood.windows(2).position(|bytes| bytes == [0x10, 1]).expect("a type");
    flood[at + 1] = 2;
    let server =
        Playback::new(vec![web_socket([frame(2, &flood), frame(8, b"\x03\xe8")].concat())]);
    let outcome = cf_tail(["--via", "legacy", "app", "-a", &ws(&server)])
        .env("TERM", "xterm")
        .stdout_file(pty.end())
        .run();
    outcome.succeeds();
    let screen = pty.wait_screen("the line", |screen| screen.contains('\n'));
    assert_eq!(
        screen,
        "\x1b[31m1970-01-01T00:00:01.00+0000 [App/0] ERR \\u{1b}[2Jhi\\u{7}\x1b[0m\n"
    );
}

/// Three lines and, where a generation has them, a count, through each kind of server.
fn every_way() -> Vec<(&'static [&'static str], Vec<Turn>)> {
    let lines = [("out", APP), ("err", APP_ERR), ("router", ROUTER)];
    let legacy: Vec<Vec<u8>> =
        lines.iter().map(|(text, from)| legacy_from(text, 1, *from)).collect();
    let mut v1: Vec<Vec<u8>> = lines.iter().map(|(text, from)| v1_from(text, 1, *from)).collect();
    v1.push(v1_counter());
    let mut v2: Vec<String> = lines.iter().map(|(text, from)| v2_from(text, 9, *from)).collect();
    v2.push(v2_counter());
    let stream = |messages: &[Vec<u8>]| {
        let frames: Vec<u8> = messages.iter().flat_map(|message| frame(2, message)).collect();
        web_socket([frames, frame(8, b"\x03\xe8")].concat())
    };
    let youngest_first: Vec<String> = v2.iter().rev().cloned().collect();
    vec![
        (&["--via", "legacy"], vec![stream(&legacy)]),
        (&["--via", "legacy", "--recent"], vec![parts(&legacy)]),
        (
            &["--via", "legacy", "--recent"],
            vec![Turn::http("400 Bad Request", "", ""), stream(&legacy)],
        ),
        (&["--via", "v1"], vec![stream(&v1)]),
        (&["--via", "v1", "--recent"], vec![parts(&v1)]),
        (&["--via", "rlp"], vec![events(&format!("data: {}\n\n", batch(&v2)))]),
        (&["--via", "log-cache", "--recent"], vec![info(), page(&youngest_first)]),
        (&["--via", "log-cache"], vec![info(), page(&[]), page(&v2)]),
    ]
}

#[test]
fn filters_are_the_same_for_every_generation() {
    for (filter, expected) in [
        (&["--source", "APP"][..], "out\nerr\n"),
        (&["--source", "rtr"], "router\n"),
        (&["--source", "APP/PROC,STG"], "out\nerr\n"),
        (&["--stream", "out"], "out\nrouter\n"),
        (&["--stream", "err"], "err\n"),
        (&["--stream", "err", "--source", "RTR"], ""),
        (&["--type", "log"], "out\nerr\nrouter\n"),
        (&["--type", "counter"], "COUNTER requests:105\n"),
        (&["--type", "gauge,timer"], ""),
        (&["--type", "any"], "out\nerr\nrouter\nCOUNTER requests:105\n"),
    ] {
        for (way, turns) in every_way() {
            let server = Playback::new(turns);
            // Old servers have no counts, and v1 keeps only lines.
            let has_counts = way != ["--via", "legacy"]
                && (!way.contains(&"--recent") || way.contains(&"log-cache"));
            let expected = if has_counts {
                expected.to_owned()
            } else {
                expected.replace("COUNTER requests:105\n", "")
            };
            let goes_on = way == ["--via", "log-cache"];
            let mut tool =
                cf_tail(["-o", "payload", "app", "-a", &http(&server)]).args(way).args(filter);
            if goes_on && !expected.is_empty() {
                tool = tool.args(["--max-count", &expected.lines().count().to_string()]);
            }
            // The simulated server is gone after that, which cf-tail takes a while to accept for
            // log-cache.
            if goes_on && expected.is_empty() {
                continue;
            }
            let outcome = tool.run();
            assert_eq!(outcome.out(), expected, "{filter:?}\n{outcome}");
        }
    }
    for filter in [["--stream", "both"], ["--type", "logs"]] {
        cf_tail(["app"]).args(filter).run().exits(2).stderr_has("possible values");
    }
}

/// A legacy message in the style of cf 6.
fn cf6(text: &str, source: &'static str, flags: &[&str]) -> Outcome {
    let message = legacy_from(text, 1_467_244_800, (1, source));
    let server = Playback::new(vec![parts(&[message])]);
    cf_tail(["--via", "legacy", "--recent", "--cf-style=6", "app", "-a", &ws(&server)])
        .args(flags)
        .run()
}

const TIME: &str = "2016-06-30T00:00:00.00+0000";

#[test]
fn cf_6_puts_the_text_in_column_41() {
    // 27 columns for the time, a blank, and the source in brackets, padded to 41.
    cf6("hi", "App", &[]).succeeds().stdout_is(format!("{TIME} [App/0]      OUT hi\n"));
    cf6("hi", "HEALTH/1", &[]).stdout_is(format!("{TIME} [HEALTH/1/0] OUT hi\n"));
    cf6("hi", "HEALTH/10", &[]).stdout_is(format!("{TIME} [HEALTH/10/0]OUT hi\n"));
}

#[test]
fn cf_6_leaves_no_blank_behind_a_longer_header() {
    cf6("hi", "APP/PROC/WEB", &[]).stdout_is(format!("{TIME} [APP/PROC/WEB/0]OUT hi\n"));
}

#[test]
fn cf_6_indents_further_lines_by_the_header_and_does_not_repeat_the_stream() {
    let blanks = " ".repeat(41);
    cf6("one\ntwo\n\nthree", "App", &[])
        .stdout_is(format!("{TIME} [App/0]      OUT one\n{blanks}two\n{blanks}\n{blanks}three\n"));
    let blanks = " ".repeat(format!("{TIME} [APP/PROC/WEB/0]").len());
    cf6("one\ntwo", "APP/PROC/WEB", &[])
        .stdout_is(format!("{TIME} [APP/PROC/WEB/0]OUT one\n{blanks}two\n"));
}

#[test]
fn cf_6_removes_line_ends_at_the_end_only() {
    let blanks = " ".repeat(41);
    cf6("one\r\ntwo\r\n\n\r\n", "App", &[])
        .stdout_is(format!("{TIME} [App/0]      OUT one\r\n{blanks}two\n"));
    cf6("\n", "App", &[]).stdout_is(format!("{TIME} [App/0]      OUT \n"));
}

#[test]
fn cf_6_writes_no_slash_without_an_instance_and_colours_header_and_text() {
    // Like legacy, without field 6.
    let mut message = legacy_from("oops", 1_467_244_800, (2, "RTR"));
    let at = message.windows(3).position(|bytes| bytes == b"\x32\x01\x30").expect("an instance");
    message.drain(at..at + 3);
    let run = |flags: &[&str]| {
        let server = Playback::new(vec![parts(std::slice::from_ref(&message))]);
        cf_tail(["--via", "legacy", "--recent", "--cf-style=6", "app", "-a", &ws(&server)])
            .args(flags)
            .run()
    };
    run(&[]).succeeds().stdout_is(format!("{TIME} [RTR]        ERR oops\n"));
    run(&["--color", "always"])
        .stdout_is(format!("\x1b[1;36m{TIME} [RTR]\x1b[0m        \x1b[0;31mERR oops\x1b[0m\n"));
    cf6("fine", "App", &["--color", "always"])
        .stdout_is(format!("\x1b[1;36m{TIME} [App/0]\x1b[0m      \x1b[0;38mOUT fine\x1b[0m\n"));
}

/// Returns what a terminal shows of lines on stdout and stderr.
fn on_a_terminal(flags: &[&str], color: &str) -> String {
    let lines = [legacy_from("ok\x1b[2J", 1, APP), legacy_from("oops", 2, APP_ERR)];
    let server = Playback::new(vec![parts(&lines)]);
    let pty = Pty::open();
    let mut tool = cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)])
        .args(flags)
        .env("TERM", "xterm")
        .stdout_file(pty.end());
    if !color.is_empty() {
        let (name, value) = color.split_once('=').expect("NAME=VALUE");
        tool = tool.env(name, value);
    }
    tool.run().succeeds();
    pty.wait_screen("both lines", |screen| screen.matches('\n').count() >= 2)
}

#[test]
fn a_terminal_has_colours_unless_something_says_otherwise() {
    let out = "1970-01-01T00:00:01.00+0000 [APP/PROC/WEB/0] OUT ok\\u{1b}[2J\n";
    let err = "1970-01-01T00:00:02.00+0000 [APP/PROC/WEB/0] ERR oops";
    let red = format!("{out}\x1b[31m{err}\x1b[0m\n");
    let plain = format!("{out}{err}\n");
    assert_eq!(on_a_terminal(&[], ""), red);
    assert_eq!(on_a_terminal(&["--color", "never"], ""), plain);
    assert_eq!(on_a_terminal(&[], "CF_COLOR=false"), plain);
    assert_eq!(on_a_terminal(&[], "NO_COLOR=1"), plain);
    assert_eq!(on_a_terminal(&["--color", "always"], "CF_COLOR=false"), red);
    assert_eq!(on_a_terminal(&["--raw"], "").replace("\x1b[2J", "\\u{1b}[2J"), red);
}

#[test]
fn a_terminal_is_safe_from_every_form() {
    for form in ["payload", "json"] {
        let screen = on_a_terminal(&["-o", form], "");
        assert!(!screen.contains('\x1b'), "{form}: {screen:?}");
    }
    for style in ["--cf-style", "--cf-style=6"] {
        assert!(!on_a_terminal(&[style], "").contains("\x1b[2J"), "{style}");
    }
    let pty = Pty::open();
    cf_tail(["-o", "heka", "app", "-a", "ws://127.0.0.1:1"])
        .stdout_file(pty.end())
        .run()
        .exits(2)
        .stderr_has("not written to a terminal");
}

#[test]
fn a_pipe_gets_what_the_app_wrote_to_the_byte() {
    let server = Playback::new(vec![parts(&[legacy_from("\x1b[31mred\x07\x00", 1, APP)])]);
    let args = ["--via", "legacy", "--recent", "-o", "payload", "app", "-a"];
    cf_tail(args).arg(ws(&server)).run().succeeds().stdout_is("\x1b[31mred\x07\x00\n");
}
