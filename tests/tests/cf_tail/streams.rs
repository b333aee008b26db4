// SPDX-License-Identifier: MIT OR Apache-2.0
//! Streams of the first two generations: connecting, keepalives, joining with the past, reconnects
//! and closing.

use std::fs::File;

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Running, Signal, eventually};

use crate::platform::{
    TOKEN, batch, cf_tail, client_frames, events, frames, http, legacy, parts, recent, v1_counter,
    v1_events, v1_from, v2, wait_for_lines, ws,
};

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
    // The stream is open before the kept lines are requested, so `two` arrives both ways.
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
    // 28 MB were sent; debug builds start at about 12 MB.
    assert!(peak(&running) < 26_000, "{} kB", peak(&running));
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
        "closed with 1011 (internal error): oops; retrying in 1 ms; lines may be missing",
    );
    outcome.stderr_has("status 503");
}

#[test]
fn what_will_not_change_is_not_tried_again() {
    for (answer, status) in [
        ("400 Bad Request", 8),
        ("403 Forbidden", 6),
        ("404 Not Found", 6),
        ("401 Unauthorized", 5),
    ] {
        let server = Playback::new(vec![Turn::http(answer, "", "no"), web_socket("")]);
        cf_tail(["--via", "legacy", "--retry", "forever", "app", "-a", &ws(&server)])
            .run()
            .exits(status);
        assert_eq!(server.requests().len(), 1, "{status}");
    }
    let server = Playback::new(vec![]);
    let outcome =
        cf_tail(["--via", "v1", "--retry", "2", "--retry-delay", "1ms", "app", "-a", &ws(&server)])
            .run();
    outcome.exits(3).stderr_has("maximum number of connection retries reached");
    assert!(!outcome.err().contains("lines may be missing"), "nothing was there yet\n{outcome}");
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
    // The past never arrives.
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

/// Returns its peak memory in kB.
fn peak(running: &Running) -> u64 {
    peak_if_any(running).expect("a peak")
}

/// Returns the same; a process that has just exited has none.
fn peak_if_any(running: &Running) -> Option<u64> {
    let status = std::fs::read_to_string(format!("/proc/{}/status", running.pid())).ok()?;
    let peak = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    peak.trim().trim_end_matches(" kB").parse().ok()
}

#[test]
fn memory_is_bounded_at_the_end_too() {
    let line = "x".repeat(100);
    let mut flood = Vec::new();
    for second in 0..400_000 {
        flood.extend_from_slice(&frame(2, &legacy(&line, second)));
    }
    // The server sends as long as anybody reads, and never answers a close.
    let server = Playback::new(vec![web_socket(flood)]);
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    let mut running = cf_tail(["--via", "legacy", "--buffer", "1M", "app", "-a", &ws(&server)])
        .stdout_file(File::from(writer))
        .spawn();
    running.wait_stderr("the reader is too slow: messages are dropped");
    let mut most = peak(&running);
    running.signal(Signal::SIGTERM);
    // It waits two seconds at most for the close, and then for its reader.
    let until = std::time::Instant::now() + std::time::Duration::from_secs(4);
    eventually("its end", || {
        let is_over = !running.is_running() || std::time::Instant::now() > until;
        if !is_over {
            most = most.max(peak_if_any(&running).unwrap_or(0));
        }
        is_over.then_some(())
    });
    assert!(most < 26_000, "{most} kB");
}

#[test]
fn a_gateway_is_read_on_while_nobody_reads_us() {
    let line = "x".repeat(100);
    let some: Vec<String> = (0..1000).map(|number| v2(&line, number)).collect();
    let event = format!("data: {}\n\n", batch(&some));
    // About 50 MB; the pipe and the buffer hold 1 MB of it.
    let server = Playback::new(vec![events(&event.repeat(200))]);
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    let running = cf_tail(["--via", "rlp", "--buffer", "1M", "app", "-a", &http(&server)])
        .stdout_file(File::from(writer))
        .spawn();
    running.wait_stderr("the reader is too slow: messages are dropped");
    running.wait_stderr("slow reader: ");
    assert!(peak(&running) < 40_000, "{} kB", peak(&running));
    running.end_by(Signal::SIGKILL);
}

#[test]
fn a_connection_is_told_and_quiet_keeps_it_back() {
    for (flags, is_told) in [(&[][..], true), (&["-q"], false)] {
        let server = Playback::new(vec![web_socket(frame(8, b"\x03\xe8"))]);
        let outcome = cf_tail(["--via", "v1", "app", "-a", &ws(&server)]).args(flags).run();
        let told = format!("cf-tail: {}: connected (trafficcontroller)\n", ws(&server));
        outcome.succeeds().stderr_is(if is_told { &told } else { "" });
    }
    cf_tail(["--help"]).run().succeeds().stdout_has("[default: 25s]");
}

#[test]
fn a_traffic_controller_is_sent_no_keep_alive_and_closed_in_order() {
    let line = frame(2, &v1_from("hello", 1, crate::platform::APP));
    let server = Playback::new(vec![web_socket([line, frame(9, b"there?")].concat())]);
    let running = cf_tail(["--via", "v1", "--keepalive", "1ms", "-o", "payload", "app"])
        .args(["-a", &ws(&server)])
        .spawn();
    running.wait_stdout_is("hello\n");
    eventually("the pong", || {
        client_frames(&server.heard()[0]).contains(&(10, b"there?".to_vec())).then_some(())
    });
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    let heard = eventually("the close frame", || {
        Some(client_frames(&server.heard()[0]))
            .filter(|frames| frames.last().is_some_and(|last| last.0 == 8))
    });
    assert_eq!(heard, [(10, b"there?".to_vec()), (8, vec![3, 232])]);
    let request = String::from_utf8_lossy(&server.heard()[0]).into_owned();
    assert!(request.contains(&format!("\r\nOrigin: {}\r\n", ws(&server))), "{request}");
    assert!(request.contains(&format!("\r\nAuthorization: {TOKEN}\r\n")), "{request}");
}

#[test]
fn a_firehose_is_filtered_where_it_springs() {
    for (types, query) in
        [("log", "?filter-type=logs"), ("counter,value", "?filter-type=metrics"), ("any", "")]
    {
        let envelopes =
            [frame(2, &v1_counter()), frame(2, &v1_from("line", 1, crate::platform::APP))];
        let end = frame(8, b"\x03\xe8");
        let server = Playback::new(vec![web_socket([envelopes.concat(), end].concat())]);
        let outcome = cf_tail(["--firehose", "my/sub", "--type", types, "-o", "payload", "-a"])
            .arg(ws(&server))
            .run();
        let expected = match types {
            "log" => "line\n",
            "any" => "COUNTER requests:105\nline\n",
            _ => "COUNTER requests:105\n",
        };
        outcome.succeeds().stdout_is(expected);
        assert_eq!(server.requests(), [format!("GET /firehose/my%2Fsub{query} HTTP/1.1")]);
    }
}

#[test]
fn a_traffic_controller_s_past_and_stream_are_joined() {
    let one = v1_from("one", 1, crate::platform::APP);
    let two = v1_from("two", 2, crate::platform::APP);
    let three = v1_from("three", 3, crate::platform::APP);
    let stream = [frame(2, &two), frame(2, &three), frame(8, b"\x03\xe8")].concat();
    let server = Playback::new(vec![web_socket(stream), parts(&[two, one])]);
    cf_tail(["--via", "v1", "--recent", "-f", "-o", "payload", "app", "-a", &ws(&server)])
        .run()
        .succeeds()
        .stdout_is("one\ntwo\nthree\n");
}

#[test]
fn what_cannot_be_read_is_counted() {
    let damaged = frame(2, b"\x0a\x05hello");
    let stream = [damaged.repeat(3), frames(&[("one", 1)]), frame(8, b"\x03\xe8")].concat();
    let server = Playback::new(vec![web_socket(stream)]);
    cf_tail(["--via", "legacy", "-o", "payload", "app", "-a", &ws(&server)])
        .run()
        .exits(1)
        .stdout_is("one\n")
        .stderr_has("required field \"message_type\" not set, skipped")
        .stderr_has("warning: skipped: 2 more warnings like this suppressed");
}

#[test]
fn pings_are_answered_while_the_past_waits_for_a_reader() {
    let line = "x".repeat(100);
    let many: Vec<(&str, u64)> = (0..3000).map(|second| (line.as_str(), second)).collect();
    let server = Playback::new(vec![web_socket(frame(9, b"there?")), recent(&many)]);
    let (_reader, writer) = nix::unistd::pipe().expect("a pipe");
    let running = cf_tail(["--via", "legacy", "--recent", "-f", "--buffer", "1K", "app"])
        .args(["-a", &ws(&server)])
        .stdout_file(File::from(writer))
        .spawn();
    eventually("the pong", || {
        let frames = server.heard().first().map(|heard| client_frames(heard)).unwrap_or_default();
        frames.contains(&(10, b"there?".to_vec())).then_some(())
    });
    running.end_by(Signal::SIGKILL);
}

#[test]
fn all_six_event_types_come_in_every_form() {
    let all: Vec<u8> = v1_events().iter().flat_map(|(_, event, _)| frame(2, event)).collect();
    let server = || Playback::new(vec![web_socket([all.clone(), frame(8, b"\x03\xe8")].concat())]);
    let firehose = |args: &[&str]| {
        let server = server();
        cf_tail(["--via", "v1", "--firehose", "sub", "-a", &ws(&server)]).args(args).run()
    };
    let text = firehose(&[]);
    let json = firehose(&["-j"]);
    let lines: Vec<String> = text.succeeds().out().lines().map(str::to_owned).collect();
    let objects: Vec<String> = json.succeeds().out().lines().map(str::to_owned).collect();
    assert_eq!((lines.len(), objects.len()), (6, 6), "{text}\n{json}");
    for ((name, _, line), (text, json)) in v1_events().iter().zip(lines.iter().zip(&objects)) {
        assert!(text.ends_with(&format!("] {line}")), "{text}");
        assert!(json.contains(&format!("\"event_type\":\"{name}\"")), "{json}");
        assert!(json.contains("\"origin\":\"rep\""), "{json}");
        let alone = firehose(&["--type", name]);
        alone.succeeds().stdout_is(format!("{text}\n"));
    }
    let id = "f47ac10b-58cc-4372-a567-0e02b2c3d479";
    assert!(lines[0].contains(&format!("[{id}/3] HTTP")), "{}", lines[0]);
    let server = server();
    let heka = heka_tests::sh(&format!(
        "cf-tail --via v1 --firehose sub -o heka -a {} | heka-decode -j",
        ws(&server)
    ));
    let heka = heka.run();
    for name in ["CfHttp", "CfLog", "CfValue", "CfCounter", "CfError", "CfContainer"] {
        heka.succeeds().stdout_has(&format!("\"{name}\""));
    }
}

#[test]
fn a_dump_that_breaks_off_is_told() {
    let refusal = || Turn::http("400 Bad Request", "", "Not a websocket handshake\n");
    let lines = frames(&[("two", 2), ("one", 1)]);
    let args = ["--via", "legacy", "--recent", "-o", "payload", "app", "-a"];
    let whole = web_socket([lines.clone(), frame(8, b"\x03\xe8")].concat());
    let server = Playback::new(vec![refusal(), whole]);
    let outcome = cf_tail(args).arg(ws(&server)).run();
    outcome.succeeds().stdout_is("one\ntwo\n").stderr_has("connected (loggregator)");
    assert!(client_frames(&server.heard()[1]).iter().all(|(opcode, _)| *opcode == 8), "no text");

    let mut broken = web_socket(lines);
    broken.end = heka_tests::playback::End::Eof;
    let server = Playback::new(vec![refusal(), broken]);
    let outcome = cf_tail(args).arg(ws(&server)).run();
    outcome.exits(1).stdout_is("one\ntwo\n").stderr_has("/dump: the response ended early: ");
}
