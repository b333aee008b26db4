// SPDX-License-Identifier: MIT OR Apache-2.0
//! Flags that operators know from `cf logs`, `cf tail` and nozzles.

use heka_tests::Signal;
use heka_tests::playback::{Playback, Turn};

use crate::platform::{
    APP_ERR, EXPIRED, GUID, Home, TOKEN, batch, cf_tail, events, grant, http, info, now_ns, page,
    sent, v2, v2_counter, v2_from, wait_for_lines,
};

const OTHER: &str = "66666666-d6c9-4b8c-9b1f-9b7e7f3a346c";

fn gauge(name: &str, value: f64) -> String {
    format!(
        r#"{{"timestamp":"7","source_id":"s","instance_id":"0","gauge":{{"metrics":{{"{name}":{{"unit":"u","value":{value}}}}}}}}}"#
    )
}

fn container(instance: u32, time: u64) -> String {
    let metric = |name, value| format!(r#""{name}":{{"unit":"u","value":{value}}}"#);
    let metrics = [metric("cpu", instance), metric("memory", 2), metric("disk", 3)].join(",");
    format!(
        r#"{{"timestamp":"{time}","source_id":"s","instance_id":"{instance}","gauge":{{"metrics":{{{metrics}}}}}}}"#
    )
}

fn timer(name: &str) -> String {
    format!(
        r#"{{"timestamp":"8","source_id":"s","timer":{{"name":"{name}","start":"1","stop":"2000001"}}}}"#
    )
}

#[test]
fn the_last_lines_need_no_recent() {
    let server = Playback::new(vec![info(), page(&[v2("two", 2), v2("one", 1)])]);
    let outcome = cf_tail(["-n", "2", "-o", "payload", "app", "-a", &http(&server)]).run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    assert!(server.requests()[1].contains("limit=2&"), "{:?}", server.requests());

    let server =
        Playback::new(vec![info(), page(&[v2("one", 1)]), page(&[v2("one", 1), v2("two", 2)])]);
    let running = cf_tail(["-n", "10", "-f", "-o", "payload", "app", "-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 2), "one\ntwo\n");
    running.end_by(Signal::SIGINT);
}

#[test]
fn a_stretch_of_time_is_read_from_its_beginning() {
    let server = Playback::new(vec![info(), page(&[v2("one", 1500), v2("two", 1999)])]);
    let outcome = cf_tail(["--start-time", "1000", "--end-time", "1970-01-01T00:00:00.000002Z"])
        .args(["-o", "payload", "app", "-a", &http(&server)])
        .run();
    outcome.succeeds().stdout_is("one\ntwo\n");
    let question = &server.requests()[1];
    assert!(question.contains("start_time=1000&end_time=2000 "), "{question}");
    assert!(!question.contains("descending"), "{question}");

    let lately = v2("lately", now_ns() - 1_000_000_000);
    let server = Playback::new(vec![info(), page(&[v2("old", 1), lately])]);
    let outcome = cf_tail(["--since", "1h", "-o", "payload", "app", "-a", &http(&server)]).run();
    outcome.succeeds().stdout_is("lately\n");

    for flags in [
        &["--start-time", "2", "--end-time", "2", "app"][..],
        &["--end-time", "2", "-f", "app"],
        &["--since", "1h", "--meta"],
        &["--start-time", "yesterday", "app"],
    ] {
        cf_tail(["-a", "http://127.0.0.1:1"]).args(flags).run().exits(2);
    }
}

#[test]
fn kinds_and_classes_are_those_of_cf_tail() {
    let all = || vec![info(), page(&[v2("line", 9), timer("t"), gauge("g", 1.5), v2_counter()])];
    for (flags, types, count) in [
        (&["-t", "GAUGE"][..], "envelope_types=GAUGE&", 1),
        (&["--envelope-type", "timer,counter"], "envelope_types=COUNTER&envelope_types=TIMER&", 2),
        (
            &["-c", "metrics"],
            "envelope_types=COUNTER&envelope_types=GAUGE&envelope_types=TIMER&",
            3,
        ),
        (&["--envelope-class=logs"], "envelope_types=LOG&envelope_types=EVENT&", 1),
        (&["-c", "any"], "descending=true&limit", 4),
        (&["--name-filter", "^re|^g$"], "name_filter=%5Ere%7C%5Eg%24", 2),
    ] {
        let server = Playback::new(all());
        let outcome =
            cf_tail(["-n", "10", "--json", "app", "-a", &http(&server)]).args(flags).run();
        assert_eq!(outcome.succeeds().out().lines().count(), count, "{outcome}");
        assert!(server.requests()[1].contains(types), "{:?}", server.requests());
    }
    cf_tail(["--name-filter", "(", "app"]).run().exits(2).stderr_has("--name-filter: ");
}

#[test]
fn kinds_of_other_generations_are_mapped_or_refused() {
    let kept = || page(&[timer("http"), timer("t"), container(0, 7), gauge("g", 1.5)]);
    for (kind, question, line) in [
        ("http", "TIMER", "TIMER http 2.000000 ms"),
        ("container", "GAUGE", "GAUGE cpu:0.000000 u disk:3.000000 u memory:2.000000 u"),
        ("value", "GAUGE", "GAUGE g:1.500000 u"),
    ] {
        let server = Playback::new(vec![info(), kept()]);
        let outcome =
            cf_tail(["--recent", "-o", "text", "app", "--type", kind, "-a", &http(&server)]).run();
        let out = outcome.succeeds().out().to_owned();
        assert!(out.ends_with(&format!("{line}\n")) && out.lines().count() == 1, "{outcome}");
        assert!(server.requests()[1].contains(&format!("envelope_types={question}&")), "{kind}");
        let stream = batch(&[timer("http"), timer("t"), container(0, 7), gauge("g", 1.5)]);
        let server = Playback::new(vec![events(&format!("data: {stream}\n\n"))]);
        let outcome = cf_tail(["--via", "rlp", "app", "--type", kind, "-a", &http(&server)])
            .args(["--max-count", "1"])
            .run();
        outcome.succeeds().stdout_has(line);
    }
    for (flags, words) in [
        (&["--via", "v1", "--type", "event"][..], "--type event: the traffic controller has none"),
        (
            &["--via", "v1", "--recent", "--type", "log,http"],
            "--type http: the traffic controller keeps none",
        ),
        (&["--via", "legacy", "--type", "counter"], "--type counter: loggregator has none"),
        (&["--via", "legacy", "-c", "metrics"], "loggregator has none"),
    ] {
        cf_tail(["-a", "ws://127.0.0.1:1", "app"]).args(flags).run().exits(2).stderr_has(words);
    }
}

#[test]
fn log_cache_tells_what_instances_use() {
    let gauges = [container(1, 9), container(0, 8), gauge("g", 1.5), container(1, 7)];
    let server = Playback::new(vec![info(), page(&gauges)]);
    let outcome = cf_tail(["--container-metrics", "--via", "log-cache", "app", "-a"])
        .arg(http(&server))
        .run();
    let out = outcome.succeeds().out();
    let lines: Vec<&str> = out.lines().collect();
    assert!(lines.len() == 2 && lines[0].contains("[s/0] GAUGE cpu:0"), "{outcome}");
    assert!(lines[1].contains("[s/1] GAUGE cpu:1"), "{outcome}");
    assert!(server.requests()[1].contains("envelope_types=GAUGE&limit=1000"));
    // If the traffic controller no longer has messages, log-cache is asked.
    let server = Playback::new(vec![Turn::http("404 Not Found", "", ""), info(), page(&gauges)]);
    let outcome = Home::of(&server, TOKEN).tool(&["--container-metrics", GUID]).run();
    assert_eq!(outcome.succeeds().out().lines().count(), 2, "{outcome}");
}

/// A line of a source.
fn of(source: &str, text: &str, time: u64) -> String {
    v2(text, time).replace("\"source_id\":\"s\"", &format!("\"source_id\":\"{source}\""))
}

#[test]
fn several_apps_are_read_in_one_run() {
    let server = Playback::new(vec![
        info(),
        page(&[of(GUID, "three", 3), of(GUID, "one", 1)]),
        page(&[of(OTHER, "two", 2)]),
    ]);
    let outcome = cf_tail(["--recent", GUID, OTHER, "-a", &http(&server)]).run();
    let out = outcome.succeeds().out();
    let lines: Vec<&str> = out.lines().collect();
    for (line, (guid, text)) in lines.iter().zip([(GUID, "one"), (OTHER, "two"), (GUID, "three")]) {
        assert!(line.ends_with(&format!("{guid} [APP/0] OUT {text}")), "{outcome}");
    }
    assert_eq!(lines.len(), 3);

    // When following, each source's last line is printed.
    let server = Playback::new(vec![
        info(),
        page(&[of(GUID, "old", 100)]),
        page(&[of(GUID, "old", 100)]),
        page(&[]),
        page(&[of(GUID, "old", 100), of(GUID, "same", 200)]),
        page(&[of(OTHER, "same", 200)]),
        page(&[of(GUID, "same", 200)]),
        page(&[of(OTHER, "same", 200), of(OTHER, "last", 300)]),
    ]);
    let running = cf_tail(["-o", "payload", GUID, OTHER, "-a", &http(&server)]).spawn();
    assert_eq!(wait_for_lines(&running, 3), "same\nsame\nlast\n");
    running.end_by(Signal::SIGINT);

    // In one stream of the gateway.
    let lines = batch(&[of(GUID, "one", 1), of(OTHER, "two", 2)]);
    let server = Playback::new(vec![events(&format!("data: {lines}\n\n")).open()]);
    let outcome = cf_tail(["--via", "rlp", "--json", "--max-count", "2", GUID, OTHER, "-a"])
        .arg(http(&server))
        .run();
    outcome.succeeds().stdout_has(&format!("\"app\":\"{OTHER}\",\"app_id\":\"{OTHER}\""));
    let question = format!("GET /v2/read?log&source_id={GUID}&source_id={OTHER} HTTP/1.1");
    assert_eq!(server.requests(), [question]);

    let outcome = cf_tail(["--via", "v1", GUID, OTHER, "-a", "ws://127.0.0.1:1"]).run();
    outcome.exits(2).stderr_has("reads one APP");
}

#[test]
fn orgs_and_spaces_are_looked_up() {
    let found = |guid: &str| {
        Turn::http("200 OK", "", format!(r#"{{"resources":[{{"guid":"{guid}"}}]}}"#)).open()
    };
    let server = Playback::new(vec![
        found("org-guid"),
        found("space-guid"),
        found(GUID),
        info(),
        page(&[v2("one", 1)]),
    ]);
    let home = Home::of(&server, TOKEN);
    let place = ["--org", "my org", "--space", "dev", "--recent", "-o", "payload", "dora"];
    home.tool(&place).run().succeeds().stdout_is("one\n");
    let requests = server.requests();
    assert!(requests[0].starts_with("GET /v3/organizations?names=my+org "), "{requests:?}");
    assert!(requests[1].contains("/v3/spaces?names=dev&organization_guids=org-guid "));
    assert!(requests[2].contains("/v3/apps?names=dora&space_guids=space-guid "));

    let nothing = || Turn::http("200 OK", "", r#"{"resources":[]}"#).open();
    for (turns, words) in [
        (vec![nothing()], "Organization 'my org' not found."),
        (vec![found("o"), nothing()], "Space 'dev' not found."),
        (vec![found("o"), found("s"), nothing()], "App 'dora' not found."),
    ] {
        let server = Playback::new(turns);
        Home::of(&server, TOKEN).tool(&place).run().exits(6).stderr_has(words);
    }
    cf_tail(["--org", "o", "app"]).run().exits(2);
}

#[test]
fn a_mistyped_name_is_not_waited_for_in_silence() {
    let nothing = || Turn::http("200 OK", "", r#"{"resources":[]}"#).open();
    let meta = |source: &str| {
        Turn::http("200 OK", "", format!(r#"{{"meta":{{"{source}":{{"count":"1"}}}}}}"#)).open()
    };
    let args = ["--via", "log-cache", "--recent", "typo"];
    let server = Playback::new(vec![nothing(), info(), page(&[]), meta("other")]);
    let outcome = Home::of(&server, TOKEN).tool(&args).run();
    outcome.exits(6).stderr_has("App 'typo' not found. Nor does log-cache keep anything");
    let server = Playback::new(vec![nothing(), info(), page(&[]), meta("typo")]);
    Home::of(&server, TOKEN).tool(&args).run().succeeds().stderr_has("Taking 'typo' for the name");

    let server = Playback::new(vec![nothing(), info(), page(&[]), page(&[v2("one", 1)])]);
    let home = Home::of(&server, TOKEN);
    let running = home.tool(&["--via", "log-cache", "-o", "payload", "typo"]).spawn();
    running.wait_stderr("nothing is kept of a source 'typo'");
    assert_eq!(wait_for_lines(&running, 1), "one\n", "it may come");
    running.end_by(Signal::SIGINT);
}

#[test]
fn a_nozzle_gets_its_tokens_with_a_secret_from_a_file() {
    let server =
        Playback::new(vec![grant(), events(&format!("data: {}\n\n", batch(&[v2_counter()])))]);
    let (url, home) = (http(&server), Home::new("{}"));
    let outcome = home
        .sh(&format!(
            "printf 'hu5h-hush-hush\n' | cf-tail --via rlp --firehose s --uaa {url} -a {url} \
             --client-id nozzle --client-secret-file - --max-count 1 --trace"
        ))
        .run();
    outcome.succeeds().stdout_has("COUNTER requests:105");
    assert!(!outcome.err().contains("hu5h"), "{outcome}");
    let question = sent(&server, 0);
    assert!(question.starts_with("POST /oauth/token "), "{question}");
    for part in
        ["client_id=nozzle", "client_secret=hu5h-hush-hush", "grant_type=client_credentials"]
    {
        assert!(question.contains(part), "{question}");
    }
    assert!(sent(&server, 1).contains("bearer eyJ"), "{}", sent(&server, 1));
    for flags in [
        &["--client-id", "x"][..],
        &["--client-secret-file", "/dev/null"],
        &["--uaa", "http://127.0.0.1:1"],
    ] {
        cf_tail(["app"]).args(flags).run().exits(2);
    }
}

#[test]
fn promql_is_asked_for_a_moment_or_a_range() {
    let answer = || Turn::http("200 OK", "", r#"{"status":"success","data":{}}"#).open();
    for (flags, question) in [
        (&[][..], "/api/v1/query?query=cpu%7Bsource_id%3D%22s%22%7D "),
        (
            &["--end-time", "5000000000"],
            "/api/v1/query?query=cpu%7Bsource_id%3D%22s%22%7D&time=5.000 ",
        ),
        (
            &["--start-time", "1500000000", "--end-time", "5000000000", "--step", "10s"],
            "/api/v1/query_range?query=cpu%7Bsource_id%3D%22s%22%7D&start=1.500&end=5.000&step=10s ",
        ),
    ] {
        let server = Playback::new(vec![info(), answer()]);
        let outcome =
            cf_tail(["--query", r#"cpu{source_id="s"}"#, "-a", &http(&server)]).args(flags).run();
        outcome.succeeds().stdout_is("{\"status\":\"success\",\"data\":{}}\n");
        assert!(server.requests()[1].contains(question), "{:?}", server.requests());
    }
    let bad = r#"{"status":"error","errorType":"bad_data","error":"parse error"}"#;
    let server = Playback::new(vec![info(), Turn::http("400 Bad Request", "", bad)]);
    let outcome = cf_tail(["--query", "(", "-a", &http(&server)]).run();
    outcome.exits(8).stderr_has("parse error");
}

#[test]
fn the_table_of_what_is_kept_has_rates_and_names() {
    let meta = format!(
        r#"{{"meta":{{"doppler":{{"count":"1"}},"{GUID}":{{"count":"21","oldestTimestamp":"1000000000","newestTimestamp":"6000000000"}}}}}}"#
    );
    let names = format!(r#"{{"resources":[{{"guid":"{GUID}","name":"dora"}}]}}"#);
    let turns = || vec![info(), Turn::http("200 OK", "", &meta).open()];
    let server = Playback::new([turns(), vec![Turn::http("200 OK", "", names).open()]].concat());
    let outcome = Home::of(&server, TOKEN).tool(&["--meta"]).run();
    outcome.succeeds().stdout_has("1970-01-01T00:00:06.000000000Z\t4.0\tdora\n");
    assert!(server.requests()[2].contains(&format!("/v3/apps?guids={GUID}&per_page=50 ")));
    // The output is a table without the platform, too.
    let server = Playback::new(turns());
    let outcome = Home::of(&server, TOKEN).tool(&["--meta"]).run();
    outcome.succeeds().stdout_has("Z\t4.0\t\n");
}

#[test]
fn a_character_in_the_place_of_newlines_becomes_one() {
    let trace = v2_from("at a\u{2028}at b", 1, APP_ERR);
    for (flag, lines) in
        [("--new-line", "at a\nat b\n"), ("--new-line=\\u0020", "at\na\u{2028}at\nb\n")]
    {
        let server = Playback::new(vec![info(), page(std::slice::from_ref(&trace))]);
        let outcome =
            cf_tail(["--recent", "-o", "payload", flag, "app", "-a", &http(&server)]).run();
        outcome.succeeds().stdout_is(lines);
    }
}

#[test]
fn a_secret_is_not_shown_in_whatever_form_a_server_repeats_it() {
    let secret = EXPIRED.rsplit('.').next().expect("a part");
    let encoded = data_encoding::BASE64.encode(format!("bearer {EXPIRED}").as_bytes());
    let (first, second) = EXPIRED.split_at(30);
    for words in [
        format!("bad {}", EXPIRED.to_uppercase()),
        format!("bad {first}\r\n {second}"),
        format!("bad {}...", &EXPIRED[..45]),
        format!("bad {}", &secret[..20]),
        format!("bad <{encoded}>"),
    ] {
        for status in ["401 Unauthorized", "400 Bad Request", "500 Oops"] {
            let server = Playback::new(vec![Turn::http(status, "X-Echo: x\r\n", &words)]);
            let outcome = cf_tail(["--via", "legacy", "--recent", "app", "-a", &http(&server)])
                .env("CF_ACCESS_TOKEN", EXPIRED)
                .run();
            let err = outcome.err();
            let shown = err.to_lowercase();
            assert!(!shown.contains("s3cr3t") && !err.contains(&encoded[20..40]), "{outcome}");
            // cf-tail sends an old server a second request of another kind.
            assert!(status.starts_with("400") || err.contains("bad "), "{outcome}");
        }
    }
    let server = Playback::new(vec![Turn::http("502 Bad Gateway", "", b"\x1f\x8b\0\0\xff\xfe")]);
    let outcome = cf_tail(["--via", "legacy", "--recent", "app", "-a", &http(&server)]).run();
    outcome.exits(3).stderr_has("6 bytes that are not text");
}
