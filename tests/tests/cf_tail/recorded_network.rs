// SPDX-License-Identifier: MIT OR Apache-2.0
//! Endpoints, proxies, TLS and reconnects as recorded with the old clients; each difference is
//! listed with its reason.

use heka_tests::playback::{Playback, Recording, Turn, recordings};
use heka_tests::{Outcome, Tool, tls_front, vector};

use crate::platform::{TOKEN, http, ws};
use crate::recorded::{ours, recorded};

#[test]
fn endpoints_that_the_old_client_stumbled_over() {
    for recording in &recordings("cf/legacy-endpoint.jsonl") {
        let case = recording.case.as_str();
        let token = recording.flag("-token").expect("a token").replace("good", "good-s3cr3t");
        let server = Playback::new(recording.turns.clone());
        let endpoint = recording.flag("-endpoint").expect("it").replace("@TAP@", &server.addr);
        let app = recording.flag("-app").expect("an app");
        let mut tool = Tool::new("cf-tail")
            .args(["--via", "legacy", "-a", &endpoint, "-j", app])
            .env("CF_ACCESS_TOKEN", token);
        if case.ends_with(".recent") {
            tool = tool.arg("--recent");
        }
        let outcome = tool.run();
        let requests = server.requests();
        match case {
            "bad.recent" => outcome.exits(2).stderr_has("expected a URL"),
            "refused.tail" => {
                outcome.exits(3).stderr_has("error dialing loggregator server: Connection refused")
            }
            // A line end in a token is an error; the old client sent the rest of it.
            _ if case.starts_with("token-newline") => {
                outcome.exits(2).stderr_has("control characters")
            }
            // The slash is not doubled, and the GUID is escaped; the recorded server refuses it
            // anyway.
            "trailing-slash.tail" => {
                assert_eq!(requests, [format!("GET /tail/?app={app} HTTP/1.1")]);
                outcome.exits(3)
            }
            _ if case.starts_with("guid-needs-escaping") => {
                assert!(
                    requests[0].contains("?app=tail-ok%26x%3D1+2")
                        || requests[0].contains("?app=recent-ok%26x%3D1+2"),
                    "{requests:?}"
                );
                outcome.exits(8)
            }
            "path.recent" => {
                assert_eq!(requests, ["GET /prefix/recent?app=recent-ok HTTP/1.1"]);
                outcome.exits(0)
            }
            other => panic!("{other} is new"),
        };
    }
}

/// Runs the equivalent of the recorded client's call.
fn asked(recording: &Recording, endpoint: &str, args: &[&str]) -> Tool {
    let via = if recording.client == "cf-noaa" { "v1" } else { "legacy" };
    let recent: &[&str] = match recording.flag("-mode") {
        Some("recent" | "recentlogs") => &["--recent"],
        _ => &[],
    };
    Tool::new("cf-tail")
        .args(["--via", via, "-j", "-a", endpoint])
        .args(recent)
        .args(args)
        .arg(recording.flag("-app").expect("an app"))
        .env("CF_ACCESS_TOKEN", TOKEN)
}

#[test]
fn proxies_are_spoken_to_as_recorded_or_better() {
    for file in ["cf/legacy-proxy.jsonl", "cf/v1-proxy.jsonl"] {
        for recording in &recordings(file) {
            let case = recording.case.as_str();
            let mut turns = recording.turns.clone();
            let tunnel = || Turn::once("HTTP/1.1 200 Connection established\r\n\r\n").open();
            // The old clients sent a proxy the request for a plain http document, including the
            // token. cf-tail uses a tunnel.
            if matches!(case, "ok.recent" | "auth.recentlogs") {
                turns.insert(0, tunnel());
            }
            let proxy = Playback::new(turns);
            let flag = recording.flag("-proxy").expect("a proxy");
            let url = flag.replace("password", "passw0rd-s3cr3t").replace("@TAP@", &proxy.addr);
            // A proxy of the environment is not used for addresses of this machine.
            let outcome = asked(recording, "ws://fault.invalid:8290", &["--retry", "0"])
                .env("HTTP_PROXY", url)
                .run();
            let (messages, _) = recorded(recording);
            assert_eq!(ours(&outcome.stdout), messages, "{file} {case}\n{outcome}");
            assert_eq!(proxy.requests()[0], "CONNECT fault.invalid:8290 HTTP/1.1");
            let first = String::from_utf8_lossy(&proxy.heard()[0]).into_owned();
            assert!(!first.contains("good-s3cr3t"), "{first}");
            // user:passw0rd-s3cr3t; the old clients did not send it for streams.
            let is_shown =
                first.contains("Proxy-Authorization: Basic dXNlcjpwYXNzdzByZC1zM2NyM3Q=");
            assert_eq!(is_shown, case.starts_with("auth."), "{first}");
            match case {
                "ok.recent" | "auth.recentlogs" | "ok.stream" => outcome.exits(0),
                // Reported as "not found" for documents: dialing failed.
                "needs-auth.recent"
                | "needs-auth.recentlogs"
                | "needs-auth.stream"
                | "auth.tail" => outcome.exits(3).stderr_has("407 Proxy Authentication Required"),
                // Taken for an old server's answer, so a dump was requested.
                "not-a-proxy.recent" => {
                    assert_eq!(proxy.requests().len(), 1);
                    outcome.exits(3).stderr_has("400 Bad Request")
                }
                other => panic!("{other} is new"),
            };
        }
    }
}

/// Returns the outcome of a recorded run over TLS, with these flags.
fn over_tls(recording: &Recording, args: &[&str]) -> Outcome {
    // The recording is encrypted; another group has the same stream in plain text.
    let plain = recordings("cf/legacy-tail.jsonl");
    let plain = plain.iter().find(|one| one.case == "tail-ok").expect("the same stream");
    let server = Playback::new(plain.turns.clone());
    let front = tls_front(&server.addr, "server", false);
    asked(recording, &format!("wss://{front}"), args).run()
}

#[test]
fn tls_is_as_recorded() {
    let ca = vector("tls").join("ca.pem");
    for recording in &recordings("cf/legacy-tls.jsonl") {
        let (messages, _) = recorded(recording);
        match recording.case.as_str() {
            "ca.tail" => {
                let outcome = over_tls(
                    recording,
                    &["--ca-file", ca.to_str().expect("text"), "--max-count", "3"],
                );
                assert_eq!(ours(&outcome.succeeds().stdout), messages);
            }
            "selfsigned-verify.tail" => {
                let outcome = over_tls(recording, &[]);
                outcome.exits(3).stdout_is("");
                outcome.stderr_has("error dialing loggregator server: ").stderr_has("unknown CA");
            }
            // Only "bad handshake" was reported.
            "plain-to-tls.tail" => {
                let server = Playback::new(recording.turns.clone());
                let outcome = asked(recording, &ws(&server), &[]).run();
                outcome.exits(8).stderr_has("Client sent an HTTP request to an HTTPS server.");
            }
            other => panic!("{other} is new"),
        }
    }
}

#[test]
fn reconnects_bring_what_they_brought_before() {
    for recording in &recordings("cf/v1-reconnect.jsonl") {
        let server = Playback::new(recording.turns.clone());
        let (messages, _) = recorded(recording);
        match recording.case.as_str() {
            // The scheme of the same origin is equally good.
            "bad-scheme.stream" => {
                asked(recording, &http(&server), &[]).run().exits(3).stdout_is("");
                assert_eq!(server.requests(), ["GET /apps/tail-ok/stream HTTP/1.1"]);
            }
            "flaky.stream" => {
                let count = messages.len().to_string();
                let quick =
                    ["--retry-delay", "1ms", "--retry-max-delay", "1ms", "--retry-jitter", "0s"];
                let mut args =
                    vec!["--retry", "forever", "--follow=forever", "--max-count", &count];
                args.extend(quick);
                let outcome = asked(recording, &ws(&server), &args).run();
                assert_eq!(ours(&outcome.succeeds().stdout), messages);
                assert_eq!(
                    outcome.err().matches("lines may be missing").count(),
                    messages.len() - 1
                );
                // Each connection reset the count of three, so that the retries never ended;
                // cf-tail ends when the server does, and a stream must last a while to reset the
                // count.
                let server = Playback::new(recording.turns.clone());
                let mut args = vec!["--retry", "3"];
                args.extend(quick);
                let outcome = asked(recording, &ws(&server), &args).run();
                assert_eq!(ours(&outcome.succeeds().stdout), messages[..4]);
                let server = Playback::new(recording.turns.clone());
                let outcome = asked(recording, &ws(&server), &["--retry", "2"]).args(quick).run();
                outcome.exits(3).stderr_has("maximum number of connection retries reached");
                assert_eq!(ours(&outcome.stdout), messages[..3]);
            }
            other => panic!("{other} is new"),
        }
    }
}

#[test]
fn answers_of_the_real_loggregator_are_understood() {
    for recording in &recordings("cf/real2014-raw.jsonl") {
        let answer = recording.turns[0].clone();
        // Where /recent is refused, a dump is requested, and refused with the same text.
        let server = Playback::new(vec![answer.clone(), answer]);
        let outcome = Tool::new("cf-tail")
            .args(["--via", "legacy", "--recent", "-o", "payload", "preloaded", "-a", &ws(&server)])
            .env("CF_ACCESS_TOKEN", TOKEN)
            .run();
        match recording.case.as_str() {
            // Requested with curl in ways that cf-tail does not use; the answer is the usual one.
            "recent-query-token" | "post-form" => {
                let lines: String = (0..5).map(|line| format!("preloaded line {line}\n")).collect();
                outcome.succeeds().stdout_is(lines);
            }
            "no-auth" => {
                outcome.exits(5).stderr_has(
                    "Unauthorized error: You are not authorized. message:\"Error: Authorization not provided\"",
                );
            }
            "no-app" => {
                outcome.exits(5).stderr_has("message:\"Error: Invalid target\"");
            }
            "dump-without-upgrade" | "other-path" => {
                assert_eq!(
                    server.requests(),
                    ["GET /recent?app=preloaded HTTP/1.1", "GET /dump/?app=preloaded HTTP/1.1"]
                );
                outcome.exits(8).stderr_has("Not a websocket handshake");
            }
            other => panic!("{other} is new"),
        }
    }
}
