// SPDX-License-Identifier: MIT OR Apache-2.0
//! Each line is printed once, whatever breaks: reconnects, gaps filled from log-cache, lines that
//! log-cache drops, and servers that have nothing for a while.

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Signal, eventually};

use crate::platform::{
    APP, FRESH, GUID, Home, TOKEN, batch, cf_tail, events, http, info, now_ns, page, v1_from, v2,
    v2_from, wait_for_lines, ws,
};

const SECOND: u64 = 1_000_000_000;

/// A stream of the gateway with these lines, which then breaks.
fn gateway(lines: &[String]) -> Turn {
    events(&format!("data: {}\n\n", batch(lines)))
}

/// A stream of the traffic controller with these lines, which may then break.
fn controller(lines: &[(&str, u64)], breaks: bool) -> Turn {
    let lines = lines.iter().flat_map(|(text, second)| frame(2, &v1_from(text, *second, APP)));
    let end = if breaks { frame(8, b"\x03\xf3") } else { Vec::new() };
    web_socket(lines.chain(end).collect::<Vec<u8>>())
}

fn again(running: &[&'static str]) -> Vec<&'static str> {
    let flags = ["--retry", "forever", "--retry-delay", "1ms", "--retry-jitter", "0s"];
    [running, &flags, &["-o", "payload", GUID]].concat()
}

#[test]
fn no_fill_repeats_a_line_however_often_a_stream_breaks() {
    let (one, missed) = (v2_from("one", SECOND, APP), v2_from("missed", 2 * SECOND, APP));
    let kept = || page(&[one.clone(), missed.clone()]);
    // Three quiet streams: all kept lines are read again each time.
    let server = Playback::new(vec![
        gateway(std::slice::from_ref(&one)),
        gateway(&[]),
        info(),
        kept(),
        gateway(&[]),
        kept(),
        gateway(&[v2("last", 3 * SECOND)]).open(),
        kept(),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again(&["--via", "rlp"])).args(["-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\nmissed\nlast\n");
    running.end_by(Signal::SIGINT).stdout_is("one\nmissed\nlast\n");

    let server = Playback::new(vec![
        controller(&[("one", 1)], true),
        controller(&[], true),
        info(),
        kept(),
        controller(&[], true),
        kept(),
        controller(&[("last", 3)], false),
        kept(),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again(&["--via", "v1"])).spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\nmissed\nlast\n");
    running.end_by(Signal::SIGINT).stdout_is("one\nmissed\nlast\n");
}

#[test]
fn what_is_kept_and_followed_is_not_repeated_when_the_stream_breaks() {
    let lines = [v2_from("two", 2 * SECOND, APP), v2_from("one", SECOND, APP)];
    let server = Playback::new(vec![
        controller(&[("two", 2)], true),
        Turn::http("404 Not Found", "", ""),
        info(),
        page(&lines),
        controller(&[("three", 3)], false),
        page(&lines),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again(&["--via", "v1", "--recent", "-f"])).spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\ntwo\nthree\n");
    running.end_by(Signal::SIGINT).stdout_is("one\ntwo\nthree\n");
}

#[test]
fn equal_lines_are_told_from_repeated_ones() {
    let same = || v2_from("same", SECOND, APP);
    let server = Playback::new(vec![
        gateway(&[same(), same()]),
        gateway(&[v2("last", 2 * SECOND)]).open(),
        info(),
        page(&[same(), same(), same()]),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again(&["--via", "rlp"])).args(["-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 4), "same\nsame\nsame\nlast\n");
    running.end_by(Signal::SIGINT);
}

#[test]
fn a_gap_before_the_first_line_and_lines_that_come_late_are_filled() {
    let now = now_ns();
    let (missed, late) = (v2("missed", now + SECOND), v2("late", now + SECOND + 1));
    let server = Playback::new(vec![
        controller(&[], true),
        controller(&[], false),
        info(),
        page(std::slice::from_ref(&missed)),
        page(&[missed, late]),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again(&["--via", "v1", "--delay", "100ms"])).spawn();
    assert_eq!(wait_for_lines(&running, 2), "missed\nlate\n");
    running.end_by(Signal::SIGINT).stdout_is("missed\nlate\n");
}

/// Returns the UUIDs of the output.
fn uuids(tool: &str, server: &Playback) -> Vec<String> {
    let url = http(server);
    let line = format!("cf-tail {tool} -o heka s -a {url} | heka-decode --template '{{Uuid}}'");
    let outcome = heka_tests::sh(&line).env("CF_ACCESS_TOKEN", TOKEN).run();
    outcome.succeeds().out().lines().map(str::to_owned).collect()
}

#[test]
fn the_same_line_has_the_same_uuid_whichever_way_it_is_read() {
    let lines = ["one", "two", "two"].map(|text| v2(text, 3 * SECOND));
    let recent = || Playback::new(vec![info(), page(&lines)]);
    let first = uuids("--via log-cache --recent --no-sort", &recent());
    assert_eq!(first, uuids("--via log-cache --recent --no-sort", &recent()));
    let stream = Playback::new(vec![gateway(&{
        let mut oldest_first = lines.to_vec();
        oldest_first.reverse();
        oldest_first
    })]);
    assert_eq!(first, uuids("--via rlp --max-count 3", &stream));
    assert!(first.len() == 3 && first[0] == first[0].to_lowercase(), "{first:?}");
    assert!(first[0] != first[1] && first[1] != first[2] && first[0] != first[2], "{first:?}");
}

fn meta(count: u64, expired: u64, oldest: u64) -> Turn {
    let body = format!(
        r#"{{"meta":{{"s":{{"count":"{count}","expired":"{expired}","oldestTimestamp":"{oldest}"}}}}}}"#
    );
    Turn::http("200 OK", "", body).open()
}

#[test]
fn lines_that_log_cache_had_dropped_are_told_also_in_small_numbers() {
    let line = |second: u64| v2(&format!("line {second}"), second * SECOND);
    let server = Playback::new(vec![
        info(),
        page(&[line(100)]),
        page(&[line(100)]),
        // log-cache keeps three lines, but not the last one read.
        page(&[line(200), line(201), line(202)]),
        meta(3, 70, 200 * SECOND),
    ]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "s", "-a", &http(&server)]).spawn();
    running.wait_stderr(
        "lines are missing: log-cache keeps only 3 and has dropped older ones (nothing from \
         1970-01-01T00:01:40.000000000Z to 1970-01-01T00:03:20.000000000Z)",
    );
    assert_eq!(wait_for_lines(&running, 3), "line 200\nline 201\nline 202\n");
    running.end_by(Signal::SIGTERM);

    // The exit status shows it, too; a source that was merely quiet has no gap.
    for (oldest, status) in [(200, 1), (90, 0)] {
        let server = Playback::new(vec![
            info(),
            page(&[line(100)]),
            page(&[line(100)]),
            page(&[line(200)]),
            meta(1, 70, oldest * SECOND),
            page(&[line(200), line(201)]),
        ]);
        let outcome = cf_tail(["--via", "log-cache", "--max-count", "2", "-o", "payload", "s"])
            .args(["-a", &http(&server)])
            .run();
        outcome.exits(status).stdout_is("line 200\nline 201\n");
    }
}

#[test]
fn lines_that_log_cache_had_dropped_are_told_after_a_fill() {
    let kept = v2_from("kept", 200 * SECOND, APP);
    let body =
        format!(r#"{{"meta":{{"{GUID}":{{"count":"1","oldestTimestamp":"200000000000"}}}}}}"#);
    let server = Playback::new(vec![
        controller(&[("one", 1)], true),
        controller(&[("last", 300)], false),
        info(),
        page(&[kept]),
        Turn::http("200 OK", "", body).open(),
    ]);
    let home = Home::of(&server, TOKEN);
    let outcome = home.tool(&again(&["--via", "v1", "--max-count", "3"])).run();
    outcome.exits(1).stdout_is("one\nkept\nlast\n");
    outcome.stderr_has("lines are missing: log-cache keeps only 1 and has dropped older ones");
}

#[test]
fn what_a_platform_in_trouble_says_passes_once_the_source_was_readable() {
    let not_found = || Turn::http("404 Not Found", "", "").open();
    let line = |text: &str, second: u64| v2_from(text, second * SECOND, APP);
    // A few times while log-cache is asked, and then as --retry says.
    for status in ["404 Not Found", "401 Unauthorized", "403 Forbidden"] {
        let trouble = || Turn::http(status, "", "").open();
        let server = Playback::new(vec![info(), page(&[]), trouble(), page(&[line("one", 1)])]);
        let outcome = cf_tail(["--via", "log-cache", "-o", "payload", "--max-count", "1", "app"])
            .args(["-a", &http(&server)])
            .run();
        outcome.succeeds().stdout_is("one\n").stderr_has("; asking again");
    }
    let mut turns = vec![info(), page(&[])];
    turns.extend((0..7).map(|_| not_found()));
    turns.push(page(&[line("one", 1)]));
    let server = Playback::new(turns);
    let retry = ["--retry", "forever", "--retry-delay", "1ms", "-o", "payload", "--max-count"];
    let outcome =
        cf_tail(retry).args(["1", "--via", "log-cache", "app", "-a", &http(&server)]).run();
    outcome.succeeds().stdout_is("one\n").stderr_has("retrying in");

    // The streams.
    let server = Playback::new(vec![
        gateway(&[line("one", 1)]),
        not_found(),
        Turn::http("401 Unauthorized", "", "").open(),
        gateway(&[line("two", 2)]),
    ]);
    let outcome = cf_tail(retry).args(["2", "--via", "rlp", "app", "-a", &http(&server)]).run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    let server = Playback::new(vec![
        controller(&[("one", 1)], true),
        Turn::http("404 Not Found", "", ""),
        controller(&[("two", 2)], false),
    ]);
    let outcome = cf_tail(retry).args(["2", "--via", "v1", "app", "-a", &ws(&server)]).run();
    outcome.succeeds().stdout_is("one\ntwo\n");
}

#[test]
fn a_router_without_a_route_is_trouble_from_the_beginning() {
    let no_route =
        || Turn::http("404 Not Found", "X-Cf-Routererror: unknown_route\r\n", "no app").open();
    let line = v2("one", SECOND);
    for (via, answers) in [
        ("rlp", vec![no_route(), gateway(std::slice::from_ref(&line))]),
        ("log-cache", vec![no_route(), info(), page(&[]), page(&[line])]),
        ("v1", vec![no_route(), controller(&[("one", 1)], false)]),
    ] {
        let server = Playback::new(answers);
        let outcome = cf_tail(["--retry", "1", "--retry-delay", "1ms", "-o", "payload"])
            .args(["--max-count", "1", "--via", via, "app", "-a", &http(&server)])
            .run();
        outcome.succeeds().stdout_is("one\n").stderr_has("no such server: unknown_route");
        let server = Playback::new(vec![no_route()]);
        cf_tail(["--via", via, "app", "-a", &http(&server)]).run().exits(3);
    }
}

#[test]
fn a_traffic_controller_that_hangs_up_in_order_is_asked_again() {
    let line = |text, second| frame(2, &v1_from(text, second, APP));
    let normal = frame(8, b"\x03\xe8");
    let server = Playback::new(vec![
        web_socket([line("one", 1), normal].concat()),
        web_socket(line("two", 2)),
    ]);
    let outcome = cf_tail(["--via", "v1", "--firehose", "sub", "--retry", "forever"])
        .args(["--retry-delay", "1ms", "-o", "payload", "--max-count", "2", "-a", &ws(&server)])
        .run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    outcome.stderr_has("closed with 1000 (normal); retrying in");
}

#[test]
fn what_is_older_than_asked_for_is_not_repeated_at_each_question() {
    let (old, new) = (v2("old", SECOND), v2("new", 100 * SECOND));
    let both = || page(&[old.clone(), new.clone()]);
    let server = Playback::new(vec![
        info(),
        page(std::slice::from_ref(&old)),
        page(std::slice::from_ref(&old)),
        both(),
        both(),
        both(),
        both(),
    ]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    eventually("all questions", || (server.requests().len() >= 7).then_some(()));
    running.end_by(Signal::SIGINT).stdout_is("new\n");
}

#[test]
fn an_answer_that_drips_has_an_end_and_what_came_before_a_signal_is_written() {
    let head =
        "HTTP/1.1 200 OK\r\nContent-Type: multipart/x-protobuf; boundary=B\r\n\r\n--B\r\n\r\n";
    let part = crate::platform::legacy("one", 1);
    let dripping = || {
        let mut turn = Turn::once([head.as_bytes(), &part, b"\r\n--B\r\n"].concat()).open();
        let drops = (1..200).map(|n| (std::time::Duration::from_millis(n * 200), b"\n".to_vec()));
        turn.pieces.extend(drops);
        turn
    };
    let args = ["--via", "legacy", "--recent", "-o", "payload", "app", "--max-time", "1s", "-a"];
    let server = Playback::new(vec![dripping()]);
    let outcome = cf_tail(args).arg(http(&server)).run();
    outcome.exits(1).stdout_is("one\n").stderr_has("the response ended early");

    let server = Playback::new(vec![dripping()]);
    let running = cf_tail(["--via", "legacy", "--recent", "--trace", "-o", "payload", "app"])
        .args(["-a", &http(&server)])
        .spawn();
    // The line is in the same block.
    running.wait_stderr("RESPONSE: 200");
    running.end_by(Signal::SIGINT).killed_by(Signal::SIGINT).stdout_is("one\n");
}

#[test]
fn who_is_logged_out_is_told_so() {
    let server = Playback::new(vec![info(), Turn::http("404 Not Found", "", "")]);
    let url = http(&server);
    let home = Home::new(&format!(r#"{{"Target":"{url}","LogCacheEndPoint":"{url}"}}"#));
    let outcome = home.tool(&["--recent", GUID]).run();
    outcome.exits(5).stderr_has("not logged in").stderr_has("hint: log in again with 'cf login'");
    // A client without access is told so.
    let server = Playback::new(vec![info(), Turn::http("404 Not Found", "", "")]);
    Home::of(&server, FRESH).tool(&["--via", "log-cache", "--recent", GUID]).run().exits(6);
}
