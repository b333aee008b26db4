// SPDX-License-Identifier: MIT OR Apache-2.0
//! log-cache and the RLP gateway: pages, late lines, gaps, busy servers.

use heka_tests::playback::{End, Playback, Turn, frame, web_socket};
use heka_tests::{Signal, eventually};

use crate::platform::{
    APP, APP_ERR, GUID, Home, TOKEN, batch, cf_tail, events, http, info, page, v1_from, v2,
    v2_from, wait_for_lines,
};

#[test]
fn the_gateway_is_begun_anew_when_it_says_so_and_log_cache_fills_the_gap() {
    let server = Playback::new(vec![
        events(&format!(
            "data: {}\n\nevent: closing\ndata: bye\n\n",
            batch(&[v2("one", 1_000_000_000)])
        )),
        events(&format!(
            "data: {}\n\n",
            batch(&[v2("two", 2_000_000_000), v2("three", 3_000_000_000)])
        ))
        .open(),
        info(),
        page(&[v2("one", 1_000_000_000), v2("two", 2_000_000_000)]),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&["--via", "rlp", "-o", "payload", GUID, "-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\ntwo\nthree\n");
    running.end_by(Signal::SIGINT).stdout_is("one\ntwo\nthree\n");
    assert_eq!(server.requests()[0], format!("GET /v2/read?log&source_id={GUID} HTTP/1.1"));
}

#[test]
fn late_lines_of_log_cache_appear_once_and_are_marked() {
    let (old, new, late) =
        (v2("old", 100_000_000_000), v2("new", 101_000_000_000), v2("late", 100_500_000_000));
    let server = Playback::new(vec![
        info(),
        page(std::slice::from_ref(&old)),
        page(std::slice::from_ref(&old)),
        page(&[old.clone(), new.clone()]),
        page(&[old, late, new.clone()]),
        page(std::slice::from_ref(&new)),
        page(&[new]),
    ]);
    let running = cf_tail(["--via", "log-cache", "-j", "app", "-a", &http(&server)]).spawn();
    let lines = wait_for_lines(&running, 2);
    eventually("all questions", || (server.requests().len() >= 7).then_some(()));
    let outcome = running.end_by(Signal::SIGINT);
    outcome.stdout_is(&lines);
    let lines: Vec<&str> = lines.lines().collect();
    assert!(lines[0].contains("\"message\":\"new\"") && !lines[0].contains("late"), "{}", lines[0]);
    assert!(
        lines[1].contains("\"message\":\"late\"") && lines[1].contains("\"late\":true"),
        "{}",
        lines[1]
    );
    // Each request excludes the most recent moments, whose lines may still arrive.
    assert!(server.requests()[4].contains("start_time=99000000000"), "{:?}", server.requests());
}

#[test]
fn a_busy_log_cache_is_asked_for_less() {
    let busy = Turn::http("429 Too Many Requests", "Retry-After: 0\r\n", "").open();
    let server = Playback::new(vec![info(), busy, page(&[v2("x", 1)])]);
    cf_tail(["--recent", "-o", "payload", "app", "-a", &http(&server)])
        .run()
        .succeeds()
        .stdout_is("x\n");
    let requests = server.requests();
    assert!(requests.iter().any(|line| line.contains("limit=500&")), "{requests:?}");
}

#[test]
fn a_line_from_the_future_does_not_hide_the_present() {
    let future = v2("future", 4_102_444_800_000_000_000);
    let present = v2("present", 1_795_000_000_000_000_000);
    let server = Playback::new(vec![
        info(),
        page(std::slice::from_ref(&future)),
        page(&[future]),
        page(&[present]),
    ]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 1), "present\n");
    assert!(!server.requests()[3].contains("start_time=41"), "{:?}", server.requests());
    running.end_by(Signal::SIGINT);
}

#[test]
fn what_cannot_be_read_is_counted_once_however_often_it_is_read() {
    let damaged = || r#"{"timestamp":"1000000000","log":{"payload":"!!"}}"#.to_owned();
    let pages = [
        page(&[]),
        page(&[damaged()]),
        page(&[damaged()]),
        page(&[damaged(), v2("one", 2_000_000_000)]),
    ];
    let server = Playback::new([info()].into_iter().chain(pages).collect());
    let outcome = cf_tail(["--via", "log-cache", "-o", "payload", "--max-count", "1", "--stats"])
        .args(["app", "-a", &http(&server)])
        .run();
    outcome.exits(1).stdout_is("one\n").stderr_has("payload: not base64, skipped");
    assert_eq!(outcome.err().matches("skipped").count(), 1 + 1, "and the statistics\n{outcome}");
    outcome.stderr_has(", 1 skipped, ");
}

#[test]
fn a_question_that_fails_costs_nothing_and_five_in_a_row_are_the_end() {
    let trouble = || Turn::http("502 Bad Gateway", "Retry-After: 0\r\n", "<html>").open();
    let turns = vec![info(), page(&[]), trouble(), trouble(), page(&[v2("one", 1_000_000_000)])];
    let server = Playback::new(turns);
    let outcome = cf_tail(["--via", "log-cache", "-o", "payload", "--max-count", "1"])
        .args(["app", "-a", &http(&server)])
        .run();
    outcome.succeeds().stdout_is("one\n").stderr_has("status 502: <html>; asking again");

    let turns = vec![info(), page(&[]), trouble(), trouble(), trouble(), trouble(), trouble()];
    let server = Playback::new(turns);
    let outcome = cf_tail(["--via", "log-cache", "app", "-a", &http(&server)]).run();
    outcome.exits(3);
    assert_eq!(outcome.err().matches("asking again").count(), 4, "{outcome}");
    // The first request is not a poll: an error at the start is reported at once.
    let server = Playback::new(vec![info(), trouble()]);
    let outcome = cf_tail(["--via", "log-cache", "app", "-a", &http(&server)]).run();
    outcome.exits(3);
    assert!(!outcome.err().contains("asking again"), "{outcome}");
}

#[test]
fn a_page_that_is_cut_off_is_asked_for_again() {
    let cut = |turn: Turn| {
        let [(time, mut bytes)]: [_; 1] = turn.pieces.try_into().expect("a piece");
        bytes.truncate(bytes.len() - 5);
        Turn { pieces: vec![(time, bytes)], end: End::Eof }
    };
    let one = || page(&[v2("one", 1_000_000_000)]);
    let server = Playback::new(vec![info(), cut(one()), info(), page(&[]), cut(one()), one()]);
    let url = http(&server);
    let outcome = cf_tail(["--via", "log-cache", "-o", "payload", "--max-count", "1", "--retry=2"])
        .args(["--retry-delay=10ms", "app", "-a", &url])
        .run();
    outcome.succeeds().stdout_is("one\n");
    outcome.stderr_has(&format!("{url}: closed the connection; retrying in"));
    outcome.stderr_has(&format!("{url}: closed the connection; asking again"));
    // Before it is known what server it is, too.
    let server = Playback::new(vec![cut(info())]);
    let outcome = cf_tail(["app", "-a", &http(&server), "--retry=1", "--retry-delay=10ms"]).run();
    outcome.exits(3).stderr_has(&format!("{}: closed the connection; retrying in", http(&server)));
}

/// Returns envelopes of successive seconds, youngest first.
fn seconds(range: std::ops::Range<u64>) -> Vec<String> {
    range.rev().map(|second| v2(&format!("line {second}"), second * 1_000_000_000)).collect()
}

#[test]
fn more_than_a_page_is_read_page_by_page() {
    let server = Playback::new(vec![
        info(),
        page(&seconds(500..1500)),
        page(&seconds(400..500)),
        page(&seconds(0..400)),
    ]);
    let outcome =
        cf_tail(["--recent", "-n", "1200", "-o", "payload", "app", "-a", &http(&server)]).run();
    let lines: Vec<String> = outcome.succeeds().out().lines().map(str::to_owned).collect();
    assert_eq!((lines.len(), lines[0].as_str()), (1100, "line 400"));
    assert_eq!(lines[1099], "line 1499");
    let requests = server.requests();
    assert!(requests[1].contains("descending=true") && requests[1].contains("limit=1000&"));
    assert!(requests[2].contains("limit=200&") && requests[2].contains("end_time=500000000000"));
    assert_eq!(requests.len(), 3, "a page that is not full is the last");
}

#[test]
fn a_damaged_envelope_does_not_end_the_pages() {
    let damaged = || r#"{"timestamp":"1000000000","log":{"payload":"!!"}}"#.to_owned();
    let mut first = seconds(500..1499);
    first.push(damaged());
    let server = Playback::new(vec![info(), page(&first), page(&seconds(400..500))]);
    let outcome =
        cf_tail(["--recent", "-n", "1200", "-o", "payload", "app", "-a", &http(&server)]).run();
    outcome.exits(1).stderr_has("skipped");
    assert_eq!(outcome.out().lines().count(), 1099, "{:?}", server.requests());
    // The same applies while following.
    let mut first = seconds(1..1000);
    first.reverse();
    first.push(damaged());
    let server = Playback::new(vec![info(), page(&[]), page(&first), page(&seconds(1000..1001))]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    wait_for_lines(&running, 1000);
    assert!(server.requests()[3].contains("start_time=999000000001"), "{:?}", server.requests());
}

#[test]
fn a_platform_whose_clock_is_ahead_is_followed_by_its_own() {
    // The year 2100; no page has another date.
    let (line, next) =
        (v2("line", 4_102_444_800_000_000_000), v2("next", 4_102_444_801_000_000_000));
    let dated = |lines: &[String]| {
        let body = format!(r#"{{"envelopes":{{"batch":[{}]}}}}"#, lines.join(","));
        Turn::http("200 OK", "Date: Fri, 01 Jan 2100 00:00:05 GMT\r\n", body).open()
    };
    let server = Playback::new(vec![
        Turn::http("200 OK", "Date: Fri, 01 Jan 2100 00:00:05 GMT\r\n", r#"{"version":"3.0"}"#)
            .open(),
        dated(std::slice::from_ref(&line)),
        dated(std::slice::from_ref(&line)),
        dated(&[line, next]),
    ]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 1), "next\n");
    // The start of the late-line delay, not the current time.
    assert!(server.requests()[3].contains("start_time=4102444798"), "{:?}", server.requests());
}

#[test]
fn a_full_page_is_followed_by_the_next_at_once() {
    let mut first = seconds(1..1001);
    first.reverse();
    let server = Playback::new(vec![info(), page(&[]), page(&first), page(&seconds(1001..1002))]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    assert!(wait_for_lines(&running, 1001).ends_with("line 1000\nline 1001\n"));
    assert!(server.requests()[3].contains("start_time=1000000000001"));
    running.end_by(Signal::SIGINT).killed_by(Signal::SIGINT);
}

#[test]
fn lines_that_log_cache_dropped_before_they_were_read_are_told() {
    let old = v2("old", 100_000_000_000);
    let mut many = seconds(200..1200);
    many.reverse();
    let meta =
        r#"{"meta":{"app":{"count":"1000","expired":"99","oldestTimestamp":"200000000000"}}}"#;
    let server = Playback::new(vec![
        info(),
        page(std::slice::from_ref(&old)),
        page(std::slice::from_ref(&old)),
        page(&many),
        page(&[]),
        Turn::http("200 OK", "", meta).open(),
        page(&[]),
    ]);
    let running =
        cf_tail(["--via", "log-cache", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    wait_for_lines(&running, 1000);
    running.wait_stderr("lines are missing: log-cache keeps only 1000 and has dropped older ones");
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert!(server.requests().iter().any(|line| line.starts_with("GET /api/v1/meta ")));
}

#[test]
fn recent_and_follow_join_in_log_cache_and_beside_the_gateway() {
    let lines = ["one", "two", "two"].map(|text| v2(text, 3_000_000_000));
    let server = Playback::new(vec![
        info(),
        page(&lines),
        page(&[lines.to_vec(), vec![v2("three", 4_000_000_000)]].concat()),
    ]);
    let running = cf_tail(["--recent", "-f", "-o", "payload", "app", "-a", &http(&server)])
        .args(["--via", "log-cache", "--no-sort"])
        .spawn();
    let lines = wait_for_lines(&running, 4);
    assert!(lines.ends_with("three\n") && lines.matches("two").count() == 2, "{lines}");
    running.end_by(Signal::SIGINT).stdout_is(lines);

    // The gateway's stream is open first, so `two` arrives both ways.
    let server = Playback::new(vec![
        events(&format!("data: {}\n\n", batch(&[v2("two", 2), v2("three", 3)]))).open(),
        info(),
        page(&[v2("two", 2), v2("one", 1)]),
    ]);
    let home = Home::of(&server, TOKEN);
    let running = home
        .tool(&["--via", "rlp", "--recent", "-f", "-o", "payload", GUID, "-a", &http(&server)])
        .spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\ntwo\nthree\n");
    running.end_by(Signal::SIGINT).stdout_is("one\ntwo\nthree\n");
}

#[test]
fn a_gateway_that_closes_without_a_log_cache_leaves_a_gap() {
    let closing = || events("event: closing\ndata: closing due to stream timeout\n\n");
    let line = events(&format!("data: {}\n\n", batch(&[v2("one", 1)])));
    let server = Playback::new(vec![closing(), closing(), line]);
    let outcome = cf_tail(["--via", "rlp", "-v", "-o", "payload", "--max-count", "1", "app", "-a"])
        .arg(http(&server))
        .run();
    // This is not a failure, so it needs no --retry.
    outcome.succeeds().stdout_is("one\n").stderr_has("closing due to stream timeout");
    outcome.stderr_has("the server renews its streams; retrying in");
    outcome.stderr_has("lines may be missing");
}

#[test]
fn heartbeats_keep_a_stream_and_silence_ends_it() {
    let mut alive = events(&format!("data: {}\n\n", batch(&[v2("one", 1)]))).open();
    let beats = (1..=14).map(|beat| {
        (std::time::Duration::from_millis(beat * 300), b"event: heartbeat\ndata: 7\n\n".to_vec())
    });
    alive.pieces.extend(beats);
    let line = events(&format!("data: {}\n\n", batch(&[v2("two", 2)]))).open();
    let server = Playback::new(vec![alive, line]);
    let began = std::time::Instant::now();
    let outcome = cf_tail(["--via", "rlp", "-o", "payload", "--max-count", "2", "--idle-timeout"])
        .args(["3s", "--retry", "1", "--retry-delay", "1ms", "app", "-a", &http(&server)])
        .run();
    outcome.succeeds().stdout_is("one\ntwo\n").stderr_has("no answer in time");
    // 4.2 s of heartbeats, then three seconds of silence.
    assert!(began.elapsed() > std::time::Duration::from_millis(7000), "{outcome}");
}

/// A v1 stream with this line, which may then break.
fn controller(text: &str, second: u64, breaks: bool) -> Turn {
    let line = frame(2, &v1_from(text, second, APP));
    let end = if breaks { frame(8, b"\x03\xf3") } else { Vec::new() };
    web_socket([line, end].concat())
}

#[test]
fn a_log_cache_fills_the_gaps_of_the_traffic_controller_too() {
    let kept = |text, second: u64| v2_from(text, second * 1_000_000_000, APP);
    let turns = || {
        vec![
            controller("one", 1, true),
            controller("three", 3, false),
            info(),
            page(&[kept("one", 1), kept("two", 2)]),
        ]
    };
    let server = Playback::new(turns());
    let again = ["--retry", "1", "--retry-delay", "1ms", "-o", "payload", GUID, "--via", "v1"];
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&again).spawn();
    assert_eq!(wait_for_lines(&running, 3), "one\ntwo\nthree\n");
    assert!(!running.stderr().contains("lines may be missing"), "{}", running.stderr());
    assert!(server.requests()[3].contains("start_time=-1000000000"), "{:?}", server.requests());

    // If a server is named, another platform's log-cache must not receive the token.
    let server = Playback::new(turns());
    let home = Home::of(&server, TOKEN);
    let running = home
        .tool(&again)
        .args(["-a", &format!("ws://{}", server.addr.replace("127.0.0.1", "localhost"))])
        .env("CF_ACCESS_TOKEN", TOKEN)
        .spawn();
    assert_eq!(wait_for_lines(&running, 2), "one\nthree\n");
    running.wait_stderr("lines may be missing");
    assert_eq!(server.requests().len(), 2);
}

#[test]
fn a_platform_whose_controller_has_no_past_any_more_has_a_log_cache() {
    let server = Playback::new(vec![
        controller("two", 2, false),
        Turn::http("404 Not Found", "", "404 page not found").open(),
        info(),
        page(&[v2_from("two", 2_000_000_000, APP), v2_from("one", 1_000_000_000, APP)]),
    ]);
    let home = Home::of(&server, TOKEN);
    let running =
        home.tool(&["--via", "v1", "--recent", "-f", "-v", "-o", "payload", GUID]).spawn();
    assert_eq!(wait_for_lines(&running, 2), "one\ntwo\n");
    running.wait_stderr("404 page not found");
    running.end_by(Signal::SIGINT).stdout_is("one\ntwo\n");
}

#[test]
fn the_last_lines_are_the_last_that_are_wanted_and_no_other_comes_behind_them() {
    let from = |text, second: u64, from| v2_from(text, second * 1_000_000_000, from);
    let kept = [from("four", 4, APP_ERR), from("three", 4, APP), from("two", 3, APP_ERR)];
    let mut oldest_first = kept.to_vec();
    oldest_first.reverse();
    let follow = [oldest_first, vec![from("five", 5, APP_ERR)]].concat();
    for (flags, lines) in [
        (&["-n", "1"][..], "four\n"),
        (&["-n", "2", "--stream", "err"], "two\nfour\n"),
        (&["-n", "1", "--stream", "out"], "three\n"),
        (&["-n", "0"], ""),
    ] {
        let server = Playback::new(vec![info(), page(&kept)]);
        let args = ["--via", "log-cache", "--recent", "-o", "payload", "app", "-a"];
        cf_tail(args).arg(http(&server)).args(flags).run().succeeds().stdout_is(lines);
        if flags.contains(&"out") {
            continue;
        }
        // Skipped lines are not printed while following, although that starts a while earlier.
        let server = Playback::new(vec![info(), page(&kept), page(&follow)]);
        let running = cf_tail(args).args([&http(&server), "-f"]).args(flags).spawn();
        let all = wait_for_lines(&running, lines.lines().count() + 1);
        assert_eq!(all, lines.to_owned() + "five\n", "{flags:?}");
        running.end_by(Signal::SIGINT).stdout_is(all);
    }
}

#[test]
fn a_busy_source_is_read_back_as_far_as_following_reads_again() {
    // Two pages within the delay of two seconds, and one line more of the third.
    let second = |number: u64| v2(&format!("line {number}"), 10_000_000_000 + number * 1_000_000);
    let pages: Vec<Vec<String>> =
        [2000..3000, 1000..2000, 999..1000].map(|range| range.rev().map(second).collect()).into();
    let mut again: Vec<String> = (1000..3000).map(second).collect();
    again.push(second(3000));
    let mut turns = vec![info()];
    turns.extend(pages.iter().map(|lines| page(lines)));
    turns.extend([page(&again[..1000]), page(&again[1000..]), page(&[])]);
    let server = Playback::new(turns);
    let running = cf_tail(["--recent", "-f", "-n", "1", "-o", "payload", "app", "--via"])
        .args(["log-cache", "-a", &http(&server)])
        .spawn();
    assert_eq!(wait_for_lines(&running, 2), "line 2999\nline 3000\n");
    running.end_by(Signal::SIGINT).stdout_is("line 2999\nline 3000\n");
}
