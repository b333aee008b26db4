// SPDX-License-Identifier: MIT OR Apache-2.0
//! Every example of the page and of the README is run.

use heka_tests::playback::{Playback, Turn, frame, recordings, web_socket};
use heka_tests::{
    Peer, Running, Signal, TempDir, Tool, eventually, put_program, require, system_path,
};

use crate::platform::{
    FRESH, GUID, Home, TOKEN, batch, events, frames, http, info, legacy, now_ns, page, parts,
    recent, v1_counter, v1_from, v2, v2_from, wait_for_lines, ws,
};

/// Returns the examples of the page.
fn examples() -> Vec<String> {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../man/cf-tail.1"));
    let page = page.expect("the page");
    let section = page.split(".Sh EXAMPLES\n").nth(1).expect("examples");
    let section = section.split("\n.Sh ").next().expect("its end");
    let lines = section.lines().filter_map(|line| line.strip_prefix(".Dl "));
    let mut examples: Vec<String> =
        lines.map(|line| line.replace("\\e", "\\").replace("\\(dq", "\"")).collect();
    let blocks = section.split(".Bd -literal -offset indent\n").skip(1);
    for block in blocks.filter_map(|text| text.split(".Ed").next()) {
        let unfolded = block.replace(" \\e\n    ", " ").replace("\\(dq", "\"");
        // A folded line is one command.
        let is_command = unfolded != block && unfolded.trim_end().lines().count() == 1;
        examples.push(if is_command { unfolded.trim_end().to_owned() } else { unfolded });
    }
    examples
}

/// The text after an example of the page.
struct Example {
    text: &'static str,
    turns: Vec<Turn>,
    /// All of its output if it exits, otherwise the beginning.
    expected: &'static str,
    ends: bool,
}

/// The platform's answer to the app's name.
fn found() -> Turn {
    Turn::http("200 OK", "", format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#)).open()
}

const HELLO: &str = "1970-01-01T00:00:01.00+0000 [APP/0] OUT hello\n";
const HELLO_AGAIN: &str = "1970-01-01T00:00:01.00+0000 [APP/0] OUT hello\n\
    1970-01-01T00:00:02.00+0000 [APP/0] OUT again\n";

fn hello() -> String {
    v2("hello", 1_000_000_000)
}

fn again() -> String {
    v2("again", 2_000_000_000)
}

fn goes_on(text: &'static str, turns: Vec<Turn>, expected: &'static str) -> Example {
    Example { text, turns, expected, ends: false }
}

fn ends(text: &'static str, turns: Vec<Turn>, expected: &'static str) -> Example {
    Example { text, turns, expected, ends: true }
}

fn log_cache_examples() -> Vec<Example> {
    let past = [v2_from("bad", 2_000_000_000, (2, "APP")), v2("fine", 1_000_000_000)];
    let now = now_ns();
    let lately = [(1, "fine"), (2, "bad")]
        .map(|(stream, text)| v2_from(text, now - stream * 1_000_000, (stream, "APP")));
    let meta = r#"{"meta":{"a":{"count":"7","expired":"0"},"b":{"count":"70","expired":"1"}}}"#;
    vec![
        goes_on("cf-tail dora", vec![found(), info(), page(&[]), page(&[hello()])], HELLO),
        goes_on(
            "cf-tail --recent -f dora",
            vec![found(), info(), page(&[hello()]), page(&[hello(), again()])],
            HELLO_AGAIN,
        ),
        ends(
            "cf-tail --recent -n 100 -j dora | jq 'select(.message_type == \"ERR\")'",
            vec![found(), info(), page(&past)],
            "{\n  \"time\": \"1970-01-01T00:00:02.000000000Z\",\n  \"timestamp\": \"2000000000\",\n  \
             \"event_type\": \"log\",\n  \"message\": \"bad\",\n  \"message_type\": \"ERR\",\n  \
             \"stream\": \"err\",\n  \"severity\": 3,\n  \"app_id\": \"s\",\n  \
             \"source_type\": \"APP\",\n  \"source_instance\": \"0\",\n  \"tags\": {\n    \
             \"source_type\": \"APP\"\n  }\n}\n",
        ),
        goes_on(
            "cf-tail --retry forever -o heka dora | heka-send aggregator:5565",
            vec![found(), info(), page(&[]), page(&[hello()])],
            "",
        ),
        ends(
            "cf-tail --since 1h --stream err dora dana | wc -l",
            vec![found(), found(), info(), page(&lately), page(&lately)],
            "2\n",
        ),
        ends(
            "cf-tail --query 'cpu{source_id=\"55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346c\"}'",
            vec![info(), Turn::http("200 OK", "", r#"{"status":"success"}"#).open()],
            "{\"status\":\"success\"}\n",
        ),
        ends(
            "cf-tail --meta | sort -t \"$(printf '\\t')\" -k 2,2nr | head",
            vec![info(), Turn::http("200 OK", "", meta).open()],
            "b\t70\t1\t1970-01-01T00:00:00.000000000Z\t1970-01-01T00:00:00.000000000Z\t0.0\t\n\
             a\t7\t0\t1970-01-01T00:00:00.000000000Z\t1970-01-01T00:00:00.000000000Z\t0.0\t\n",
        ),
    ]
}

fn gateway_examples(server: &Playback) -> Vec<Example> {
    let event = |envelope| events(&format!("data: {}\n\n", batch(&[envelope]))).open();
    let links = format!(r#"{{"links":{{"log_stream":{{"href":"{}"}}}}}}"#, http(server));
    vec![
        goes_on(
            "cf-tail --via rlp -a https://log-stream.example.com --token-command 'cf oauth-token' \
             55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346c",
            vec![event(hello())],
            HELLO,
        ),
        goes_on(
            "cf-tail --via rlp --recent --follow=forever --retry forever dora",
            vec![
                found(),
                Turn::http("200 OK", "", links).open(),
                event(again()),
                info(),
                page(&[hello()]),
            ],
            HELLO_AGAIN,
        ),
    ]
}

fn older_examples() -> Vec<Example> {
    let line = || v1_from("hello", 1, (1, "APP"));
    let metric = b"\x0a\x03rep\x10\x09\x62\x14\x0a\x03app\x10\x00\x19\x00\x00\x00\x00\x00\x00\xd0\x3f\x20\x01\x28\x02";
    let stream = |frames: Vec<u8>| web_socket([frames, frame(8, b"\x03\xe8")].concat());
    vec![
        ends("cf-tail --via v1 dora", vec![found(), stream(frame(2, &line()))], HELLO),
        ends("cf-tail --via v1 --recent dora", vec![found(), parts(&[line()])], HELLO),
        ends(
            "cf-tail --container-metrics -o json dora",
            vec![found(), parts(&[metric.to_vec()])],
            "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"timestamp\":\"0\",\
             \"event_type\":\"container\",\"app_id\":\"app\",\"source_instance\":\"0\",\
             \"origin\":\"rep\",\"container\":{\"cpu_percentage\":0.25,\"memory_bytes\":\"1\",\
             \"disk_bytes\":\"2\"}}\n",
        ),
        ends(
            "cf-tail --firehose nozzle-1 --type counter,value -j -a wss://doppler.example.com:443",
            vec![stream([frame(2, &v1_counter()), frame(2, &line())].concat())],
            "{\"time\":\"1970-01-01T00:00:00.000000000Z\",\"timestamp\":\"0\",\
             \"event_type\":\"counter\",\"origin\":\"rep\",\"counter\":{\"name\":\"requests\",\
             \"delta\":\"1\",\"total\":\"105\"}}\n",
        ),
        goes_on(
            "#!/bin/sh\n# export CF_ACCESS_TOKEN=\"bearer ...\" APP_GUID=...\nexec cf-tail --via \
             legacy -a wss://loggregator.10.244.0.34.xip.io:4443 -k --recent -f\n",
            vec![
                web_socket(frame(2, &crate::platform::legacy_from("again", 2, (1, "APP")))),
                parts(&[crate::platform::legacy_from("hello", 1, (1, "APP"))]),
            ],
            HELLO_AGAIN,
        ),
        ends(
            "cf-tail --via legacy --cf-style=6 --recent dora",
            vec![found(), parts(&[legacy("hello", 1)])],
            "1970-01-01T00:00:01.00+0000 [App/0]      OUT hello\n",
        ),
    ]
}

/// Creates a folder with a program `cf` that prints a token.
fn cf() -> TempDir {
    let folder = heka_tests::scratch();
    let path = folder.path().join("cf");
    put_program(&path, format!("#!/bin/sh\necho bearer {FRESH}\n").as_bytes());
    folder
}

/// Replaces the server names in a shell line of the pages.
fn shell(line: &str, home: &Home, cf: &TempDir, server: &Playback, listener: &Peer) -> Tool {
    let line = line
        .replace("https://log-stream.example.com", &http(server))
        .replace("wss://doppler.example.com:443", &ws(server))
        .replace("wss://loggregator.10.244.0.34.xip.io:4443", &ws(server))
        .replace("aggregator:5565", &listener.addr);
    home.sh(&line).env("PATH", format!("{}:{}", cf.path().display(), system_path()))
}

fn check(example: Example, server: &Playback) {
    let home = Home::of(server, FRESH);
    let (cf, listener) = (cf(), Peer::new("heka-listen", ["127.0.0.1:0"]));
    server.play(example.turns);
    let tool = shell(example.text, &home, &cf, server, &listener);
    let tool = match example.text.starts_with("#!") {
        true => tool.env("CF_ACCESS_TOKEN", TOKEN).env("APP_GUID", GUID),
        false => tool,
    };
    if example.ends {
        tool.run().succeeds().stdout_is(example.expected);
        return;
    }
    let running = tool.spawn();
    match example.expected {
        "" => wait_for_payload(&listener, "hello"),
        expected => running.wait_stdout_is(expected),
    }
}

/// Waits until a Heka router has received a message.
fn wait_for_payload(listener: &Running, payload: &str) {
    listener.wait_stdout(payload, |bytes| {
        bytes.windows(payload.len()).any(|window| window == payload.as_bytes())
    });
}

#[test]
fn every_example_of_the_page_does_what_it_says() {
    if !require("jq") {
        return;
    }
    let server = Playback::new(vec![]);
    let all = [log_cache_examples(), gateway_examples(&server), older_examples()];
    let (mut told, mut known): (Vec<String>, Vec<String>) =
        (examples(), all.iter().flatten().map(|example| example.text.to_owned()).collect());
    told.sort();
    known.sort();
    assert_eq!(told, known, "the page's examples and the ones that are run");
    for example in all.into_iter().flatten() {
        // The gateway's links name the first server.
        let own = Playback::new(vec![]);
        let server = if example.text.contains("rlp") { &server } else { &own };
        check(example, server);
    }
}

#[test]
fn the_sample_program_is_a_shell_script_of_three_lines() {
    let examples = examples();
    let script = examples.iter().find(|text| text.starts_with("#!/bin/sh\n")).expect("a script");
    assert_eq!(script.lines().count(), 3, "{script}");
    let server = Playback::new(vec![web_socket(frames(&[("new", 2)])), recent(&[("old", 1)])]);
    let script = script.replace("wss://loggregator.10.244.0.34.xip.io:4443", &ws(&server));
    let running =
        heka_tests::sh(&script).env("CF_ACCESS_TOKEN", TOKEN).env("APP_GUID", GUID).spawn();
    let lines = wait_for_lines(&running, 2);
    assert_eq!(
        lines,
        "1970-01-01T00:00:01.00+0000 [App/0] OUT old\n1970-01-01T00:00:02.00+0000 [App/0] OUT new\n"
    );
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

/// The commands of the README's section on cf-tail, with their expected output.
fn readme() -> Vec<(String, String)> {
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let text = text.expect("README.md");
    let section =
        text.split("### Read the logs of a Cloud Foundry app\n").nth(1).expect("the section");
    let block = section.split("```text\n").nth(1).and_then(|rest| rest.split("```").next());
    let mut steps: Vec<(String, String)> = Vec::new();
    for line in block.expect("its commands").lines() {
        match (line.strip_prefix("$ "), steps.last_mut()) {
            (Some(command), _) => steps.push((command.to_owned(), String::new())),
            (None, Some((_, printed))) => *printed += &format!("{line}\n"),
            (None, None) => panic!("{line}"),
        }
    }
    steps
}

#[test]
fn the_readme_shows_what_it_prints() {
    if !require("jq") {
        return;
    }
    let recording = recordings("cf/cfcli7.jsonl")
        .into_iter()
        .find(|recording| recording.case == "recent")
        .expect("what cf 7 was given");
    let steps = readme();
    assert_eq!(steps.len(), 3);
    for (command, printed) in steps {
        let mut turns = vec![found()];
        turns.extend(recording.turns.clone());
        if !command.contains("--recent") {
            turns = vec![found(), info(), page(&[]), page(&[hello()])];
        }
        let server = Playback::new(turns);
        let home = Home::of(&server, FRESH);
        let listener = Peer::new("heka-listen", ["127.0.0.1:0"]);
        let tool = shell(&command, &home, &cf(), &server, &listener);
        if printed.is_empty() {
            let _running = tool.spawn();
            wait_for_payload(&listener, "hello");
        } else {
            tool.run().stdout_is(printed);
        }
    }
}

#[test]
fn the_readme_s_first_pipelines_have_one_of_cf_tail_s() {
    if !require("jq") {
        return;
    }
    let text = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/../README.md"));
    let text = text.expect("README.md");
    let line = text.lines().find(|line| line.starts_with("cf-tail ")).expect("a pipeline");
    let past = [v2_from("bad", 2_000_000_000, (2, "APP")), v2("fine", 1_000_000_000)];
    let server = Playback::new(vec![info(), page(&past)]);
    let home = Home::of(&server, FRESH);
    let outcome = home.sh(&line.replace(" dora ", &format!(" {GUID} "))).run();
    outcome.succeeds().stdout_has("\"message\": \"bad\"");
    assert!(!outcome.out().contains("fine"), "{outcome}");
    eventually("both questions", || (server.requests().len() == 2).then_some(()));
}
