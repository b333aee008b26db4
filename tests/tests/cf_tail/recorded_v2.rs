// SPDX-License-Identifier: MIT OR Apache-2.0
//! Recorded answers of today's gateways: log-cache and RLP.

use heka_tests::playback::{Playback, Recording, recordings};
use heka_tests::{Signal, Tool, eventually};

use crate::platform::{TOKEN, info};
use crate::recorded::{ours, recorded};
use crate::recorded_cli::log_cache;

/// Returns the exit status for the last recorded answer.
fn status_of(recording: &Recording) -> i32 {
    let answer = recording.turns.last().and_then(|turn| turn.pieces.first());
    let head = answer.map(|(_, bytes)| String::from_utf8_lossy(bytes).into_owned());
    let status = head.as_deref().and_then(|head| head.split(' ').nth(1)).unwrap_or_default();
    match status {
        "200" => 0,
        "400" => 8,
        "401" => 5,
        "403" | "404" => 6,
        _ => 3,
    }
}

#[test]
fn log_cache_is_followed_as_recorded() {
    for file in ["cf/v2-logcache.jsonl", "cf/v2-fault-logcache.jsonl"] {
        for recording in recordings(file).iter().filter(|one| one.args[0] == "walk") {
            let (mut messages, _) = recorded(recording);
            if recording.case == "walk-lc-future" {
                // A line that the server stamped with a future time was held back until then. Here
                // it is like any other: lines after the first two requests are new.
                messages = [1_795_293_463_784_578_050_i64, 1_795_293_464_035_662_781]
                    .map(|time| (time.to_string(), b"hello".to_vec()))
                    .to_vec();
            }
            let server = Playback::new(recording.turns.clone());
            let outcome = Tool::new("cf-tail")
                .args(["--via", "log-cache", "-a", &format!("http://{}", server.addr), "-j", "s"])
                .args(["--max-count", &messages.len().to_string()])
                .env("CF_ACCESS_TOKEN", TOKEN)
                .run();
            assert_eq!(ours(&outcome.succeeds().stdout), messages, "{}", recording.case);
        }
    }
}

#[test]
fn log_cache_reads_as_recorded() {
    for file in ["cf/v2-logcache.jsonl", "cf/v2-fault-logcache.jsonl"] {
        for recording in recordings(file).iter().filter(|one| one.args[0] == "read") {
            let outcome = log_cache(recording, &["-j", "source"]);
            let (mut messages, error) = recorded(recording);
            let mut found = ours(&outcome.stdout);
            messages.sort();
            found.sort();
            assert_eq!(found, messages, "{file} {}\n{outcome}", recording.case);
            match recording.case.as_str() {
                // The other envelopes of the batch, absent here, would be kept.
                "lc-twomessages" => outcome.exits(1).stderr_has("skipped"),
                // Requested again; the recorded server had no second answer.
                "lc-429-once" => outcome.exits(3),
                _ if error.is_some() => {
                    let refused = status_of(recording);
                    let status = if refused == 0 { 7 } else { refused };
                    outcome.exits(status).stderr_has("cf-tail: http://127.0.0.1")
                }
                _ => outcome.succeeds(),
            };
        }
    }
}

#[test]
fn the_gateway_s_streams_read_as_recorded() {
    for file in ["cf/v2-fault-rlp.jsonl", "cf/v2-rlp.jsonl"] {
        for recording in &recordings(file) {
            let server = Playback::new(recording.turns.clone());
            let (messages, _) = recorded(recording);
            let refused = recording.case == "expired";
            let count = match recording.case.as_str() {
                // Data without a space after the colon is data all the same.
                "rlp-nospace" => 1,
                // An empty batch is not the end.
                "rlp-emptybatch" => 1,
                _ => messages.len(),
            };
            let mut running = Tool::new("cf-tail")
                .args(["--via", "rlp", "-a", &format!("http://{}", server.addr), "-j", "source"])
                .env("CF_ACCESS_TOKEN", TOKEN)
                .spawn();
            eventually(&format!("all messages of {}", recording.case), || {
                let lines = running.stdout().iter().filter(|byte| **byte == b'\n').count();
                (lines >= count
                    && !server.heard().is_empty()
                    && (!refused || !running.is_running()))
                .then_some(())
            });
            let outcome = if running.is_running() {
                running.end_by(Signal::SIGTERM)
            } else {
                running.finish()
            };
            let found = ours(&outcome.stdout);
            assert!(
                messages.iter().all(|message| found.contains(message)),
                "{}\n{outcome}",
                recording.case
            );
            assert_eq!(found.len(), count, "{}\n{outcome}", recording.case);
            if refused {
                outcome.exits(6).stderr_has("not found: {\"message\":\"resource not found\"");
            }
        }
    }
}

/// Returns the number of log messages in a server's answer, as curl printed it.
fn logs_in(recording: &Recording) -> usize {
    String::from_utf8_lossy(&recording.printed).matches("\"payload\"").count()
}

#[test]
fn answers_of_the_real_gateways_are_understood() {
    for recording in &recordings("cf/v2-rlp-raw.jsonl") {
        let server = Playback::new(recording.turns.clone());
        let mut running = Tool::new("cf-tail")
            .args([
                "--via",
                "rlp",
                "-a",
                &format!("http://{}", server.addr),
                "-j",
                "--type",
                "any",
                "s",
            ])
            .env("CF_ACCESS_TOKEN", TOKEN)
            .spawn();
        // curl was stopped by its time limit (28); the gateway goes on forever.
        if recording.exit == 28 {
            let count = logs_in(recording);
            eventually(&format!("all messages of {}", recording.case), || {
                let out = String::from_utf8_lossy(&running.stdout()).into_owned();
                (out.matches("\"event_type\":\"log\"").count() >= count
                    && running.is_running()
                    && running.stderr().contains("connected"))
                .then_some(())
            });
            running.end_by(Signal::SIGINT).killed_by(Signal::SIGINT);
            continue;
        }
        let outcome = running.finish();
        let words = match recording.case.as_str() {
            "admin-missing-type" => {
                "bad client request: {\"message\":\"query must provide at least one envelope type\""
            }
            "post" => "status 405",
            _ => "not found",
        };
        outcome.exits(status_of(recording)).stdout_is("").stderr_has(words);
    }
}

#[test]
fn answers_of_the_real_log_cache_are_understood() {
    for file in ["cf/v2-logcache-raw.jsonl", "cf/v2-authproxy-raw.jsonl"] {
        for recording in &recordings(file) {
            match recording.case.as_str() {
                "meta" => continue,
                // Not a page, but the beginning of every request.
                "info" | "info-no-token" => {
                    let server = Playback::new(recording.turns.clone());
                    let args = ["--via", "log-cache", "--recent", "s", "-a"];
                    Tool::new("cf-tail").args(args).arg(format!("http://{}", server.addr)).run();
                    assert!(server.requests()[1].starts_with("GET /api/v1/read/s?"));
                    continue;
                }
                _ => {}
            }
            let mut version = recording.turns.clone();
            version.insert(0, info());
            let server = Playback::new(version);
            let outcome = Tool::new("cf-tail")
                .args(["--via", "log-cache", "--recent", "-j", "--type", "any", "s", "-a"])
                .arg(format!("http://{}", server.addr))
                .env("CF_ACCESS_TOKEN", TOKEN)
                .run();
            let ok = String::from_utf8_lossy(&recording.printed).starts_with("HTTP/1.1 200");
            outcome.exits(status_of(recording));
            let logs = outcome.out().matches("\"event_type\":\"log\"").count();
            assert_eq!(
                logs,
                if ok { logs_in(recording) } else { 0 },
                "{}\n{outcome}",
                recording.case
            );
        }
    }
}

#[test]
fn what_log_cache_keeps_is_a_table() {
    let recordings = recordings("cf/v2-logcache-raw.jsonl");
    let mut turns = recordings.iter().find(|one| one.case == "meta").expect("meta").turns.clone();
    turns.insert(0, info());
    let server = Playback::new(turns);
    let outcome = Tool::new("cf-tail")
        .args(["--meta", "--via", "log-cache", "-a", &format!("http://{}", server.addr)])
        .env("CF_ACCESS_TOKEN", TOKEN)
        .run();
    let line = outcome.succeeds().out().lines().next().expect("a line").to_owned();
    let fields: Vec<&str> = line.split('\t').collect();
    assert_eq!(fields.len(), 7, "{line}");
    assert!(fields[1].parse::<u64>().is_ok() && fields[3].ends_with('Z'), "{line}");
    // Ten within eight milliseconds; the platform's API is unknown, and so are names.
    assert_eq!((fields[5], fields[6]), ("1125.0", ""), "{line}");
}
