// SPDX-License-Identifier: MIT OR Apache-2.0
//! Connections to servers: proxies, TLS, timeouts.

use std::time::{Duration, Instant};

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Outcome, Tool, tls_front, vector};

use crate::platform::{
    FRESH, GUID, Home, TOKEN, cf_tail, frames, http, info, page, recent, sent, v2, ws,
};

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

/// Starts a server of one generation behind TLS with this certificate, and returns its URL.
fn private(generation: &str, certificate: &str, client_ca: bool) -> (Playback, String) {
    let server = Playback::new(match generation {
        "legacy" => {
            vec![web_socket([frames(&[("x", 1)]), frame(8, b"\x03\xe8")].concat())]
        }
        _ => vec![info(), page(&[v2("x", 1)])],
    });
    let front = tls_front(&server.addr, certificate, client_ca);
    let scheme = if generation == "legacy" { "wss" } else { "https" };
    (server, format!("{scheme}://{front}"))
}

fn run_private(generation: &str, url: &str, args: &[&str]) -> Outcome {
    let recent: &[&str] = if generation == "legacy" { &[] } else { &["--recent"] };
    let args = args.iter().map(|arg| match arg.strip_prefix("tls/") {
        Some(name) => vector("tls").join(name).into_os_string(),
        None => arg.into(),
    });
    cf_tail(["--via", generation, "-o", "payload", "app", "-a", url]).args(recent).args(args).run()
}

#[test]
fn certificates_are_checked_against_the_ca_that_is_named() {
    for generation in ["legacy", "log-cache"] {
        let (_server, url) = private(generation, "server", false);
        run_private(generation, &url, &["--ca-file", "tls/ca.pem"]).succeeds().stdout_is("x\n");
        let (server, url) = private(generation, "server", false);
        run_private(generation, &url, &[]).exits(3).stdout_is("").stderr_has("unknown CA");
        assert!(server.heard().is_empty(), "the token stays here");
        let (_server, url) = private(generation, "elsewhere", false);
        run_private(generation, &url, &["--ca-file", "tls/ca.pem"])
            .exits(3)
            .stderr_has("is for wrong.example");
        let named = ["--ca-file", "tls/ca.pem", "--server-name", "wrong.example"];
        run_private(generation, &url, &named).succeeds();
        let (_server, url) = private(generation, "server", true);
        let mut args = vec!["--ca-file", "tls/ca.pem"];
        run_private(generation, &url, &args).exits(3);
        args.extend(["--cert", "tls/client.pem", "--key", "tls/client.key"]);
        let (_server, url) = private(generation, "server", true);
        run_private(generation, &url, &args).succeeds().stdout_is("x\n");
    }
}

#[test]
fn any_certificate_is_believed_only_if_asked_and_with_a_warning() {
    for flag in ["-k", "--insecure", "--skip-ssl-validation"] {
        let (_server, url) = private("legacy", "elsewhere", false);
        let outcome = run_private("legacy", &url, &[flag]);
        outcome.succeeds().stdout_is("x\n").stderr_has("warning: ");
        let both = run_private("legacy", &url, &[flag, "--ca-file", "tls/ca.pem"]);
        assert_eq!(both.status.code(), Some(2), "{both}");
    }
    // cf's own setting is not enough.
    let (_server, url) = private("legacy", "elsewhere", false);
    let home = Home::new(&format!(
        r#"{{"LoggregatorEndPoint":"{url}","SSLDisabled":true,"AccessToken":"{TOKEN}"}}"#
    ));
    home.tool(&["--via", "legacy", GUID]).run().exits(3).stderr_has("unknown CA");
    home.tool(&["--via", "legacy", GUID, "--honour-ssl-disabled"]).run().succeeds();
}

#[test]
fn a_proxy_that_says_nothing_is_not_waited_for() {
    for url in ["ws://logs.invalid", "wss://logs.invalid", "https://logs.invalid"] {
        let proxy = Playback::new(vec![Turn::default()]);
        let began = Instant::now();
        let outcome = Tool::new("cf-tail")
            .args(["--via", "legacy", "--recent", "app", "-a", url, "-w", "1s"])
            .args(["-x", &http(&proxy)])
            .env("CF_ACCESS_TOKEN", TOKEN)
            .run();
        outcome.exits(3).stderr_has("error dialing loggregator server: ");
        assert!(began.elapsed() < Duration::from_secs(20), "{outcome}");
        assert!(proxy.requests()[0].starts_with("CONNECT logs.invalid:"), "{outcome}");
    }
}

#[test]
fn the_environment_names_proxies_for_plain_and_for_private_connections() {
    let asked = |url: &str, variable: &str, args: &[&str]| {
        let proxy = Playback::new(vec![Turn::http("403 Forbidden", "", "")]);
        let outcome = cf_tail(["--via", "legacy", "-w", "5s", "app", "-a", url])
            .args(args)
            .env(variable, http(&proxy))
            .env("NO_PROXY", "direct.invalid,.near.invalid")
            .run();
        outcome.exits(3).stdout_is("");
        proxy.requests().first().cloned().unwrap_or_default()
    };
    let through = |host: &str| format!("CONNECT {host} HTTP/1.1");
    assert_eq!(asked("ws://far.invalid", "HTTP_PROXY", &[]), through("far.invalid:80"));
    assert_eq!(asked("ws://far.invalid", "http_proxy", &[]), through("far.invalid:80"));
    assert_eq!(asked("wss://far.invalid", "HTTPS_PROXY", &[]), through("far.invalid:443"));
    assert_eq!(asked("wss://far.invalid:4443", "ALL_PROXY", &[]), through("far.invalid:4443"));
    // As cf did until 2017: one variable for both.
    assert_eq!(asked("wss://far.invalid", "HTTP_PROXY", &[]), "");
    assert_eq!(
        asked("wss://far.invalid", "HTTP_PROXY", &["--legacy-proxy"]),
        through("far.invalid:443")
    );
    for (url, args) in [
        ("ws://direct.invalid", &[][..]),
        ("ws://very.near.invalid", &[]),
        ("ws://127.0.0.1:1", &[]),
        ("ws://far.invalid", &["--no-proxy"]),
    ] {
        assert_eq!(asked(url, "HTTP_PROXY", args), "", "{url}");
    }
}

#[test]
fn a_program_of_a_web_server_does_not_trust_its_caller() {
    let proxy = Playback::new(vec![]);
    let outcome = cf_tail(["--via", "legacy", "-w", "5s", "app", "-a", "ws://far.invalid"])
        .env("HTTP_PROXY", http(&proxy))
        .env("REQUEST_METHOD", "GET")
        .run();
    outcome.exits(3);
    assert!(proxy.heard().is_empty());
}

#[test]
fn a_trace_shows_answers_of_web_sockets_but_no_cookies() {
    let cookie = "Set-Cookie: sid=s3cr3t\r\nX-Request: 17\r\n";
    let accepting = {
        let mut turn = web_socket(frame(8, b"\x03\xe8"));
        let text = String::from_utf8_lossy(&turn.pieces[0].1).into_owned();
        let (head, _) = text.split_once("\r\n\r\n").expect("a head");
        let end = head.len();
        turn.pieces[0].1.splice(end..end, format!("\r\n{}", cookie.trim_end()).into_bytes());
        turn
    };
    for (turn, status) in [(Turn::http("401 Unauthorized", cookie, "no"), 5), (accepting, 0)] {
        let server = Playback::new(vec![turn]);
        let outcome = cf_tail(["--via", "legacy", "--trace", "app", "-a", &ws(&server)]).run();
        outcome.exits(status).stderr_has("WEBSOCKET RESPONSE: ").stderr_has("X-Request: 17\n");
        outcome.stderr_has("Set-Cookie: [PRIVATE DATA HIDDEN]\n");
    }
}

/// Returns the delay in seconds after a refusal with this Retry-After.
fn wait_announced(args: &[&str], turns: Vec<Turn>) -> f64 {
    let server = Playback::new(turns);
    let running = cf_tail(["--retry", "1", "--retry-jitter", "0s", "app", "-a", &http(&server)])
        .args(args)
        .spawn();
    let text = running.wait_stderr("retrying in ");
    let (_, behind) = text.split_once("retrying in ").expect("it");
    behind.split(' ').next().and_then(|seconds| seconds.parse().ok()).expect("a number")
}

#[test]
fn a_server_that_names_a_time_is_given_it() {
    let date = heka_tests::sh("date -u -d '+100 seconds' '+%a, %d %b %Y %H:%M:%S GMT'").run().out();
    for after in ["100", date.trim()] {
        let busy = |open| {
            let headers = format!("Retry-After: {after}\r\n");
            let turn = Turn::http("503 Service Unavailable", &headers, "later");
            if open { turn.open() } else { turn }
        };
        for (args, turns) in [
            (&["--via", "legacy"][..], vec![busy(false)]),
            (&["--via", "legacy", "--recent"], vec![busy(false)]),
            (&["--via", "v1"], vec![busy(false)]),
            (&["--via", "rlp"], vec![busy(false)]),
            (&["--via", "log-cache", "--recent"], vec![info(), busy(true)]),
        ] {
            let seconds = wait_announced(args, turns);
            assert!((60.0..=100.0).contains(&seconds), "{after} {args:?} {seconds}");
        }
    }
}

#[test]
fn what_is_asked_once_is_asked_again_too() {
    let trouble = || Turn::http("502 Bad Gateway", "", "");
    let again = ["--retry", "1", "--retry-delay", "1ms", "--retry-jitter", "0s"];
    let server = Playback::new(vec![trouble(), recent(&[("x", 1)])]);
    let args = ["--via", "legacy", "--recent", "-o", "payload", "app", "-a"];
    let outcome = cf_tail(args).arg(ws(&server)).args(again).run();
    outcome.succeeds().stdout_is("x\n").stderr_has("retrying in 1 ms\n");
    // The platform, asked for the app.
    let found = format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#);
    let server = Playback::new(vec![
        trouble(),
        Turn::http("200 OK", "", found).open(),
        info(),
        page(&[v2("x", 1)]),
    ]);
    let home = Home::of(&server, FRESH);
    home.tool(&["--recent", "-o", "payload", "dora"]).args(again).run().succeeds();
}

#[test]
fn a_silent_web_socket_is_left_if_asked() {
    let server = Playback::new(vec![web_socket(frames(&[("x", 1)]))]);
    let outcome = cf_tail(["--via", "legacy", "-o", "payload", "--idle-timeout", "300ms", "app"])
        .args(["-a", &ws(&server)])
        .run();
    outcome.exits(3).stdout_is("x\n");
}
