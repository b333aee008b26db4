// SPDX-License-Identifier: MIT OR Apache-2.0
//! cf-tail as its users meet it: tokens, joins, breaks, slow readers, ends.

use std::fs::File;
use std::os::unix::fs::OpenOptionsExt;

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Outcome, Running, Signal, Tool, eventually};

const TOKEN: &str = "bearer good-s3cr3t";
const GUID: &str = "55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346c";
/// `{"exp":1}` and `{"exp":4102444800}` (2100): long gone and far away.
const EXPIRED: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.old-s3cr3t-old-s3cr3t";
const FRESH: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.new-s3cr3t-new-s3cr3t";

fn cf_tail<const N: usize>(args: [&str; N]) -> Tool {
    Tool::new("cf-tail").args(args).env("CF_ACCESS_TOKEN", TOKEN)
}

/// A legacy message of the app: `text`, so many seconds after 1970.
fn legacy(text: &str, second: u64) -> Vec<u8> {
    let mut bytes = vec![0x0a, u8::try_from(text.len()).expect("short")];
    bytes.extend_from_slice(text.as_bytes());
    bytes.extend_from_slice(&[0x10, 1, 0x18]);
    let mut zigzag = second * 1_000_000_000 * 2;
    while zigzag >= 0x80 {
        bytes.push((zigzag & 0x7f) as u8 | 0x80);
        zigzag >>= 7;
    }
    bytes.push(zigzag as u8);
    bytes.extend_from_slice(b"\x22\x03app\x32\x010\x42\x03App");
    bytes
}

fn frames(messages: &[(&str, u64)]) -> Vec<u8> {
    messages.iter().flat_map(|(text, second)| frame(2, &legacy(text, *second))).collect()
}

/// What `/recent` answers.
fn recent(messages: &[(&str, u64)]) -> Turn {
    let mut body = Vec::new();
    for (text, second) in messages {
        body.extend_from_slice(b"--B\r\n\r\n");
        body.extend_from_slice(&legacy(text, *second));
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--\r\n");
    Turn::http("200 OK", "Content-Type: multipart/x-protobuf; boundary=B\r\n", body)
}

/// A v2 envelope in JSON: `text`, at that time in nanoseconds.
fn v2(text: &str, nanoseconds: u64) -> String {
    let payload = data_encoding::BASE64.encode(text.as_bytes());
    format!(
        r#"{{"timestamp":"{nanoseconds}","source_id":"s","instance_id":"0","tags":{{"source_type":"APP"}},"log":{{"payload":"{payload}","type":"OUT"}}}}"#
    )
}

fn batch(envelopes: &[String]) -> String {
    format!(r#"{{"batch":[{}]}}"#, envelopes.join(","))
}

/// What log-cache answers; the connection stays open.
fn page(envelopes: &[String]) -> Turn {
    let body = format!(r#"{{"envelopes":{}}}"#, batch(envelopes));
    Turn::http("200 OK", "Content-Type: application/json\r\n", body).open()
}

fn info() -> Turn {
    Turn::http("200 OK", "", r#"{"version":"3.0.11"}"#).open()
}

/// The beginning of a stream of events.
fn events(text: &str) -> Turn {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    Turn::once(format!("{head}{text}"))
}

/// The frames that a client sent behind its handshake, unmasked: opcode and payload.
fn client_frames(heard: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let head = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let mut rest = &heard[head..];
    let mut frames = Vec::new();
    while rest.len() >= 6 {
        let len = usize::from(rest[1] & 0x7f);
        let Some(payload) = rest.get(6..6 + len) else { break };
        let payload = payload.iter().zip(rest[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        frames.push((rest[0] & 0x0f, payload.collect()));
        rest = &rest[6 + len..];
    }
    frames
}

#[track_caller]
fn wait_for_lines(running: &Running, lines: usize) -> String {
    let out = running
        .wait_stdout("its lines", |out| out.iter().filter(|byte| **byte == b'\n').count() >= lines);
    String::from_utf8(out).expect("text")
}

fn ws(server: &Playback) -> String {
    format!("ws://{}", server.addr)
}

fn http(server: &Playback) -> String {
    format!("http://{}", server.addr)
}

#[test]
fn a_legacy_stream_is_asked_for_kept_alive_and_closed_in_order() {
    for signal in [Signal::SIGINT, Signal::SIGTERM] {
        let server = Playback::new(vec![web_socket(frames(&[("hello", 1)]))]);
        let running =
            cf_tail(["--via", "legacy", "--keepalive", "20ms", "-o", "payload", "-v", "a&b"])
                .args(["-a", &ws(&server)])
                .spawn();
        running.wait_stdout_is("hello\n");
        eventually("three signs of life", || {
            let alive = client_frames(&server.heard()[0]);
            let alive = alive
                .iter()
                .filter(|(opcode, text)| (*opcode, text.as_slice()) == (1, b"I'm alive!"));
            (alive.count() >= 3).then_some(())
        });
        running.end_by(signal).killed_by(signal).stderr_has("connected (loggregator)");
        let heard = server.heard()[0].clone();
        let request = String::from_utf8_lossy(&heard).into_owned();
        assert!(request.starts_with("GET /tail/?app=a%26b HTTP/1.1\r\n"), "{request}");
        assert!(request.contains("\r\nOrigin: http://localhost\r\n"), "{request}");
        assert!(request.contains(&format!("\r\nAuthorization: {TOKEN}\r\n")), "{request}");
        let last = eventually("the close frame", || {
            client_frames(&server.heard()[0]).pop().filter(|(opcode, _)| *opcode == 8)
        });
        assert_eq!(last.1, [3, 232]);
    }
}

#[test]
fn recent_and_follow_join_without_gap_or_overlap() {
    // The stream is open before what is kept is asked for, so `two` comes both ways.
    let stream = web_socket(frames(&[("two", 2), ("two", 2), ("three", 3)]));
    let server = Playback::new(vec![stream, recent(&[("two", 2), ("one", 1), ("two", 2)])]);
    let running = cf_tail(["--via", "legacy", "--recent", "-f", "-o", "payload", "app"])
        .args(["-a", &ws(&server)])
        .spawn();
    assert_eq!(wait_for_lines(&running, 4), "one\ntwo\ntwo\nthree\n");
    running.end_by(Signal::SIGINT).stdout_is("one\ntwo\ntwo\nthree\n");
    assert_eq!(server.requests(), ["GET /tail/?app=app HTTP/1.1", "GET /recent?app=app HTTP/1.1"]);
}

#[test]
fn the_sample_program_is_a_shell_script_of_three_lines() {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../man/cf-tail.1"));
    let page = page.expect("the page");
    let script = page
        .split("#!/bin/sh\n")
        .nth(1)
        .and_then(|text| text.split(".Ed").next())
        .expect("a script");
    let server = Playback::new(vec![web_socket(frames(&[("new", 2)])), recent(&[("old", 1)])]);
    let script = script.replace("wss://loggregator.10.244.0.34.xip.io:4443", &ws(&server));
    assert!(script.contains(&ws(&server)) && script.lines().count() == 2, "{script}");
    let running =
        heka_tests::sh(&script).env("CF_ACCESS_TOKEN", TOKEN).env("APP_GUID", GUID).spawn();
    let lines = wait_for_lines(&running, 2);
    assert_eq!(
        lines,
        "1970-01-01T00:00:01.00+0000 [App/0] OUT old\n1970-01-01T00:00:02.00+0000 [App/0] OUT new\n"
    );
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn pings_are_answered_and_memory_is_bounded_while_nobody_reads() {
    let line = "x".repeat(100);
    let mut flood = Vec::new();
    for second in 0..200_000 {
        flood.extend_from_slice(&frame(2, &legacy(&line, second)));
    }
    flood.extend_from_slice(&frame(9, b"there?"));
    let server = Playback::new(vec![web_socket(flood)]);
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    let running = cf_tail(["--via", "legacy", "--buffer", "1M", "app", "-a", &ws(&server)])
        .stdout_file(File::from(writer))
        .spawn();
    eventually("the pong", || {
        let frames = server.heard().first().map(|heard| client_frames(heard)).unwrap_or_default();
        frames.contains(&(10, b"there?".to_vec())).then_some(())
    });
    running.wait_stderr("the reader is too slow: messages are dropped");
    let status =
        std::fs::read_to_string(format!("/proc/{}/status", running.pid())).expect("status");
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).expect("a peak");
    let peak: u64 = peak.trim().trim_end_matches(" kB").parse().expect("a number");
    // 28 MB were sent; debug builds start at about 12 MB.
    assert!(peak < 26_000, "{peak} kB");
    running.end_by(Signal::SIGKILL);
}

#[test]
fn what_breaks_is_begun_anew_and_a_gap_is_told() {
    let turns = vec![
        web_socket([frames(&[("one", 1)]), frame(8, b"\x03\xf3oops")].concat()),
        Turn::http("503 Service Unavailable", "", "later"),
        web_socket([frames(&[("two", 2)]), frame(8, b"\x03\xe8")].concat()),
    ];
    let server = Playback::new(turns);
    let outcome = cf_tail([
        "--via",
        "legacy",
        "--retry",
        "2",
        "--retry-delay",
        "1ms",
        "--retry-jitter",
        "0s",
    ])
    .args(["-o", "payload", "app", "-a", &ws(&server)])
    .run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    outcome.stderr_has(
        "closed with 1011 (internal error): oops; connecting again in 0.0 s; lines may be missing",
    );
    outcome.stderr_has("status 503");
}

#[test]
fn what_will_not_change_is_not_tried_again() {
    for status in ["400 Bad Request", "403 Forbidden", "404 Not Found", "401 Unauthorized"] {
        let server = Playback::new(vec![Turn::http(status, "", "no"), web_socket("")]);
        cf_tail(["--via", "legacy", "--retry", "forever", "app", "-a", &ws(&server)])
            .run()
            .exits(3);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    let server = Playback::new(vec![]);
    let outcome =
        cf_tail(["--via", "v1", "--retry", "2", "--retry-delay", "1ms", "app", "-a", &ws(&server)])
            .run();
    outcome.exits(3).stderr_has("maximum number of connection retries reached");
    assert_eq!(server.requests().len(), 3);
}

#[test]
fn auto_goes_on_to_the_generation_that_answers() {
    let refusal = Turn::http("400 Bad Request", "", "Not a websocket handshake\n");
    let server = Playback::new(vec![
        refusal,
        web_socket([frames(&[("old", 1)]), frame(8, b"\x03\xe8")].concat()),
    ]);
    let outcome = cf_tail(["-o", "payload", "app", "-a", &ws(&server)]).run();
    outcome.succeeds().stdout_is("old\n");
    assert_eq!(server.requests(), ["GET /apps/app/stream HTTP/1.1", "GET /tail/?app=app HTTP/1.1"]);
}

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
    let running =
        with_config(&server, TOKEN, &["--via", "rlp", "-o", "payload", GUID, "-a", &http(&server)])
            .spawn();
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
    // Each question begins the delay before the youngest line.
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

/// Runs with a config.json whose servers are all `server`.
fn with_config(server: &Playback, token: &str, args: &[&str]) -> Tool {
    let home = heka_tests::scratch().keep();
    std::fs::create_dir(home.join(".cf")).expect("a folder");
    let url = http(server);
    let text = format!(
        r#"{{"ConfigVersion":4,"Target":"{url}","UaaEndpoint":"{url}","LogCacheEndPoint":"{url}","AccessToken":"bearer {token}",
        "RefreshToken":"refresh-s3cr3t","UAAOAuthClient":"cf","SpaceFields":{{"GUID":"space"}}}}"#,
        token = token.trim_start_matches("bearer ")
    );
    let file = File::options()
        .create(true)
        .write(true)
        .truncate(true)
        .mode(0o600)
        .open(home.join(".cf/config.json"));
    std::io::Write::write_all(&mut file.expect("a file"), text.as_bytes()).expect("room");
    Tool::new("cf-tail").args(args).env("CF_HOME", home)
}

fn grant() -> Turn {
    let body = format!(
        r#"{{"access_token":"{FRESH}","token_type":"bearer","refresh_token":"refresh2-s3cr3t"}}"#
    );
    Turn::http("200 OK", "Content-Type: application/json\r\n", body).open()
}

#[track_caller]
fn sent(server: &Playback, number: usize) -> String {
    String::from_utf8_lossy(&server.heard()[number]).into_owned()
}

#[test]
fn a_token_that_runs_out_is_refreshed_before_it_is_used() {
    let server = Playback::new(vec![grant(), info(), page(&[v2("x", 1)])]);
    let outcome = with_config(
        &server,
        EXPIRED,
        &["--recent", "-o", "payload", "--save-tokens", "-vvv", "--trace", GUID],
    )
    .run();
    outcome.succeeds().stdout_is("x\n").stderr_has("the access token was refreshed");
    outcome.stderr_has("[PRIVATE DATA HIDDEN]");
    let request = sent(&server, 0);
    assert!(request.starts_with("POST /oauth/token HTTP/1.1"), "{request}");
    assert!(request.to_lowercase().contains("authorization: basic y2y6"), "{request}");
    assert!(
        request.ends_with("grant_type=refresh_token&refresh_token=refresh-s3cr3t"),
        "{request}"
    );
    assert!(sent(&server, 2).contains(&format!("bearer {FRESH}")));
}

#[test]
fn a_token_that_is_refused_is_refreshed_once() {
    let refusal =
        || Turn::http("401 Unauthorized", "", format!("You are not authorized: {FRESH}")).open();
    let server = Playback::new(vec![info(), refusal(), grant(), page(&[v2("x", 1)])]);
    with_config(&server, "opaque-s3cr3t", &["--recent", "-o", "payload", GUID])
        .run()
        .succeeds()
        .stdout_is("x\n");

    let server = Playback::new(vec![info(), refusal(), grant(), refusal(), refusal()]);
    let outcome = with_config(&server, "opaque-s3cr3t", &["--recent", GUID]).run();
    outcome.exits(3).stderr_has("Unauthorized error: You are not authorized: [concealed]");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_404_for_a_token_that_has_run_out_is_told_as_what_it_is() {
    let server = Playback::new(vec![info(), Turn::http("404 Not Found", "", "")]);
    let outcome = Tool::new("cf-tail")
        .args(["--recent", GUID, "-a", &http(&server)])
        .env("CF_ACCESS_TOKEN", EXPIRED)
        .run();
    outcome.exits(3).stderr_has("the token has run out");
}

#[test]
fn an_app_s_name_is_looked_up_in_the_space() {
    let found = format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#);
    let server =
        Playback::new(vec![Turn::http("200 OK", "", found).open(), info(), page(&[v2("x", 1)])]);
    with_config(&server, FRESH, &["--recent", "-o", "payload", "do ra"])
        .run()
        .succeeds()
        .stdout_is("x\n");
    assert_eq!(server.requests()[0], "GET /v3/apps?names=do+ra&space_guids=space HTTP/1.1");
    assert!(server.requests()[2].starts_with(&format!("GET /api/v1/read/{GUID}?")));

    let server = Playback::new(vec![Turn::http("200 OK", "", r#"{"resources":[]}"#)]);
    let outcome = with_config(&server, FRESH, &["--recent", "nosuch"]).run();
    outcome.exits(3).stderr_has("App 'nosuch' not found.");
}

#[test]
fn the_token_stays_with_its_server() {
    let other = Playback::new(vec![]);
    let away = Turn::http("302 Found", &format!("Location: {}/recent\r\n", http(&other)), "");
    let server = Playback::new(vec![away]);
    let outcome = cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)]).run();
    outcome.exits(3).stderr_has("redirects to another server");
    assert!(other.heard().is_empty());
}

#[test]
fn files_of_secrets_must_be_private_and_tokens_whole() {
    let token = |text: &str, args: &[&str]| -> Outcome {
        let folder = heka_tests::scratch();
        std::fs::write(folder.path().join("token"), text).expect("room");
        Tool::new("cf-tail")
            .args(["--token-file", "token", "-a", "ws://127.0.0.1:1", "x"])
            .args(args)
            .dir(folder.path())
            .run()
    };
    token("bearer good-s3cr3t\n", &[]).exits(2).stderr_has("token: others can read it (chmod 600)");
    token("bearer good-s3cr3t\n", &["--force"]).exits(3).stderr_has("Connection refused");
    token("bearer good-s3cr3t\r\nX-Evil: 1", &["--force"])
        .exits(2)
        .stderr_has("more than one line");
}

#[test]
fn a_proxy_s_refusal_is_named() {
    let proxy = Playback::new(vec![Turn::http("407 Proxy Authentication Required", "", "")]);
    let outcome =
        cf_tail(["--via", "v1", "-a", "wss://doppler.example:443", "app", "-x", &http(&proxy)])
            .run();
    outcome.exits(3).stderr_has("407 Proxy Authentication Required");
    assert_eq!(proxy.requests(), ["CONNECT doppler.example:443 HTTP/1.1"]);
    assert!(!sent(&proxy, 0).contains("s3cr3t"));
}

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
    // The same, written to stderr: OUT becomes ERR.
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

#[test]
fn container_metrics_stand_in_the_order_of_instances() {
    let metric = |instance: u8| {
        let mut inner = b"\x0a\x03app\x10".to_vec();
        inner.push(instance);
        inner.extend_from_slice(b"\x19\x00\x00\x00\x00\x00\x00\xd0\x3f\x20\x01\x28\x02");
        let mut bytes = b"\x0a\x03rep\x10\x09\x62".to_vec();
        bytes.push(u8::try_from(inner.len()).expect("short"));
        [bytes, inner].concat()
    };
    let part = |instance| [b"--B\r\n\r\n".to_vec(), metric(instance), b"\r\n".to_vec()].concat();
    let body = [part(2), part(0), part(1), b"--B--\r\n".to_vec()].concat();
    let answer = Turn::http("200 OK", "Content-Type: multipart/x-protobuf; boundary=B\r\n", body);
    let server = Playback::new(vec![answer]);
    let outcome = cf_tail(["--via", "v1", "--container-metrics", "app", "-a", &ws(&server)]).run();
    let line = |instance| {
        format!(
            "1970-01-01T00:00:00.00+0000 [app/{instance}] CONTAINER cpu_percentage:0.250000 percentage memory_bytes:1 bytes disk_bytes:2 bytes\n"
        )
    };
    outcome.succeeds().stdout_is(line(0) + &line(1) + &line(2));
    assert_eq!(server.requests(), ["GET /apps/app/containermetrics HTTP/1.1"]);
}

#[test]
fn a_signal_between_stream_and_past_still_closes_in_order() {
    // The past never comes.
    let server = Playback::new(vec![web_socket(""), Turn::default()]);
    let running = cf_tail(["--via", "legacy", "--recent", "-f", "app", "-a", &ws(&server)]).spawn();
    eventually("both requests", || (server.requests().len() == 2).then_some(()));
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    eventually("the close frame", || {
        client_frames(&server.heard()[0]).iter().any(|(opcode, _)| *opcode == 8).then_some(())
    });
}

#[test]
fn a_stream_that_ends_in_order_is_begun_anew_only_if_asked() {
    let stream = |text| web_socket([frames(&[(text, 1)]), frame(8, b"\x03\xe8")].concat());
    let server = Playback::new(vec![stream("one"), stream("two")]);
    let args = ["--via", "legacy", "-o", "payload", "app", "-a"];
    cf_tail(args).arg(ws(&server)).run().succeeds().stdout_is("one\n");
    let server = Playback::new(vec![stream("one"), stream("two")]);
    let outcome = cf_tail(args).args([&ws(&server), "--follow=forever", "--max-count", "2"]).run();
    outcome.succeeds().stdout_is("one\ntwo\n").stderr_has("lines may be missing");
}

#[test]
fn everything_goes_through_the_proxy_and_its_password_stays_hidden() {
    let tunnel = || Turn::once("HTTP/1.1 200 Connection established\r\n\r\n").open();
    let stream = web_socket([frames(&[("two", 2)]), frame(8, b"\x03\xe8")].concat());
    let proxy = Playback::new(vec![tunnel(), stream, tunnel(), recent(&[("one", 1)])]);
    let url = format!("http://me:s3cr3t-word@{}", proxy.addr);
    let outcome = cf_tail(["--via", "legacy", "--recent", "-f", "-o", "payload", "app"])
        .args(["-a", "ws://logs.example", "--trace", "-vvv"])
        .env("HTTP_PROXY", &url)
        .run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    assert_eq!(
        proxy.requests(),
        [
            "CONNECT logs.example:80 HTTP/1.1",
            "GET /tail/?app=app HTTP/1.1",
            "CONNECT logs.example:80 HTTP/1.1",
            "GET /recent?app=app HTTP/1.1"
        ]
    );
    // me:s3cr3t-word
    assert!(sent(&proxy, 0).contains("Proxy-Authorization: Basic bWU6czNjcjN0LXdvcmQ="));
    // The proxy's password is for the proxy, the token for the server.
    assert!(!sent(&proxy, 0).contains(TOKEN) && !sent(&proxy, 1).contains("Basic"));
    let outcome = cf_tail(["-a", "ws://logs.example", "app"]).args(["-x", &url]).run();
    outcome.exits(2).stderr_has("put the URL into ALL_PROXY");
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
fn a_platform_is_asked_once_where_its_servers_are() {
    let playing = Playback::new(vec![]);
    let links = format!(
        r#"{{"links":{{"log_cache":{{"href":"{url}"}},"logging":{{"href":"ws://127.0.0.1:1"}}}}}}"#,
        url = http(&playing)
    );
    // Its server hangs up after an answer, as servers do with connections at rest.
    playing.play(vec![Turn::http("200 OK", "", links), info(), page(&[v2("x", 1)])]);
    let home = heka_tests::scratch();
    let config = format!(r#"{{"Target":"{}","AccessToken":"bearer {FRESH}"}}"#, http(&playing));
    std::fs::create_dir(home.path().join(".cf")).expect("a folder");
    std::fs::write(home.path().join(".cf/config.json"), config).expect("room");
    let outcome = Tool::new("cf-tail")
        .args(["--recent", "-o", "payload", "--force", GUID])
        .env("CF_HOME", home.path())
        .run();
    outcome.succeeds().stdout_is("x\n");
    assert_eq!(playing.requests()[..2], ["GET / HTTP/1.1", "GET /api/v1/info HTTP/1.1"]);
}
