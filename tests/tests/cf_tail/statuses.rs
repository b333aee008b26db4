// SPDX-License-Identifier: MIT OR Apache-2.0
//! The old client's errors in every generation where they occur: text and exit status.

use heka_tests::playback::{Playback, Turn, frame, web_socket};

use crate::platform::{Home, TOKEN, batch, cf_tail, events, frames, http, info, parts, v2, ws};

const DIALING: i32 = 3;
const UNAUTHORIZED: i32 = 5;
const NOT_FOUND: i32 = 6;
const BAD_RESPONSE: i32 = 7;
const BAD_REQUEST: i32 = 8;

fn refusal(status: &str) -> Turn {
    Turn::http(status, "", "A server's words")
}

/// The request to a generation: its flags, and the answers before the one tested.
struct Question {
    flags: &'static [&'static str],
    before: Option<fn() -> Turn>,
}

const QUESTIONS: &[Question] = &[
    Question { flags: &["--via", "legacy"], before: None },
    Question { flags: &["--via", "legacy", "--recent"], before: None },
    Question { flags: &["--via", "v1"], before: None },
    Question { flags: &["--via", "v1", "--recent"], before: None },
    Question { flags: &["--via", "v1", "--container-metrics"], before: None },
    Question { flags: &["--via", "v1", "--firehose", "sub"], before: None },
    Question { flags: &["--via", "rlp"], before: None },
    Question { flags: &["--via", "log-cache"], before: Some(info) },
    Question { flags: &["--via", "log-cache", "--recent"], before: Some(info) },
    Question { flags: &["--via", "log-cache", "--meta"], before: Some(info) },
];

/// Sends every request to a server that gives `answer`.
fn ask_all(answer: &Turn, status: i32, words: &str) {
    for question in QUESTIONS {
        let before = question.before.map(|before| before());
        // After a refused /recent, an old server is asked for a dump, which it refuses, too.
        let turns = before.into_iter().chain([answer.clone(), answer.clone()]);
        let server = Playback::new(turns.collect());
        let app: &[&str] = if question.flags.contains(&"--firehose") { &[] } else { &["app"] };
        let outcome = cf_tail(["-a", &http(&server)]).args(question.flags).args(app).run();
        outcome.exits(status).stdout_is("").stderr_has(words);
    }
}

#[test]
fn unauthorized() {
    ask_all(
        &refusal("401 Unauthorized"),
        UNAUTHORIZED,
        "Unauthorized error: A server's words\ncf-tail: hint: log in again",
    );
}

#[test]
fn not_found() {
    ask_all(&refusal("404 Not Found"), NOT_FOUND, ": not found: ");
    ask_all(&refusal("403 Forbidden"), NOT_FOUND, "A server's words");
    let server = Playback::new(vec![refusal("404 Not Found")]);
    cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)])
        .run()
        .exits(NOT_FOUND)
        .stderr_has("/recent path not found or has issues A server's words");
}

#[test]
fn bad_request() {
    ask_all(&refusal("400 Bad Request"), BAD_REQUEST, ": bad client request: ");
}

#[test]
fn bad_response() {
    let page = Turn::http("200 OK", "Content-Type: text/html\r\n", "<html>log in</html>").open();
    for question in QUESTIONS {
        let is_web_socket = matches!(question.flags, ["--via", "legacy" | "v1"])
            || question.flags.contains(&"--firehose");
        let turns = question.before.map(|before| before()).into_iter().chain([page.clone()]);
        let server = Playback::new(turns.collect());
        let app: &[&str] = if question.flags.contains(&"--firehose") { &[] } else { &["app"] };
        let outcome = cf_tail(["-a", &http(&server)]).args(question.flags).args(app).run();
        // A server that does not speak WebSocket is a failed dial, as in the old client.
        let (status, words) = match is_web_socket {
            true => (DIALING, "server: bad handshake: "),
            false => (BAD_RESPONSE, ": bad server response: "),
        };
        outcome.exits(status).stdout_is("").stderr_has(words);
    }
    // An error that the server wraps in a message.
    let upstream = parts(&[crate::platform::v1_from("no doppler", 1, crate::platform::APP)]);
    let server = Playback::new(vec![upstream]);
    cf_tail(["--via", "v1", "--container-metrics", "app", "-a", &ws(&server)])
        .run()
        .exits(BAD_RESPONSE)
        .stderr_has("Upstream error: no doppler");
}

#[test]
fn dialing() {
    for question in QUESTIONS {
        let via = question.flags[1];
        let name = match via {
            "legacy" => "loggregator",
            "v1" => "trafficcontroller",
            "rlp" => "log-stream",
            via => via,
        };
        let words = format!("error dialing {name} server: ");
        let app: &[&str] = if question.flags.contains(&"--firehose") { &[] } else { &["app"] };
        // No server; a server that hangs up; a server that does not speak HTTP.
        cf_tail(["-a", "ws://127.0.0.1:1"])
            .args(question.flags)
            .args(app)
            .run()
            .exits(DIALING)
            .stderr_has(&(words.clone() + "Connection refused"))
            .stderr_has("ask your Cloud Foundry operator to check the platform configuration");
        for turns in [vec![], vec![Turn::once("220 mail.example ESMTP\r\n")]] {
            let server = Playback::new(turns);
            cf_tail(["-a", &http(&server)])
                .args(question.flags)
                .args(app)
                .run()
                .exits(DIALING)
                .stderr_has(&words);
        }
    }
}

#[test]
fn a_server_in_trouble_is_worth_another_try() {
    ask_all(&refusal("502 Bad Gateway"), DIALING, "status 502: ");
    let server = Playback::new(vec![refusal("503 Service Unavailable")]);
    cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)])
        .run()
        .exits(DIALING)
        .stderr_has("status 503: /recent path not found or has issues");
}

#[test]
fn the_platform_s_own_answers_have_them_too() {
    let turns: [(Turn, i32, &str); 4] = [
        (refusal("401 Unauthorized"), UNAUTHORIZED, "the UAA gives no new token: status 401"),
        (Turn::http("200 OK", "", "<html>"), BAD_RESPONSE, "the UAA's answer has no JSON"),
        (Turn::once(""), DIALING, "error dialing api server"),
        (
            Turn::http("400 Bad Request", "", r#"{"error":"invalid_client"}"#),
            UNAUTHORIZED,
            "invalid_client",
        ),
    ];
    for (turn, status, words) in turns {
        // The UAA is asked first, because the token has expired.
        let server = Playback::new(vec![turn]);
        let outcome = Home::of(&server, crate::platform::EXPIRED).tool(&["--recent", "dora"]).run();
        outcome.exits(status).stderr_has(words);
    }
    let server = Playback::new(vec![refusal("401 Unauthorized"), refusal("401 Unauthorized")]);
    Home::of(&server, "opaque-s3cr3t").tool(&["dora"]).run().exits(UNAUTHORIZED);
    let home = Home::new(&format!(
        r#"{{"Target":"not a URL","AccessToken":"{TOKEN}","SpaceFields":{{"GUID":"s"}}}}"#
    ));
    home.tool(&["dora"]).run().exits(2).stderr_has("Target: not a URL");
}

#[test]
fn what_was_written_before_is_kept_and_the_worse_status_wins() {
    let damaged = frame(2, b"\x00");
    let end = frame(8, b"\x03\xf0bad");
    let stream = web_socket([frames(&[("one", 1)]), damaged, end].concat());
    let server = Playback::new(vec![stream]);
    cf_tail(["--via", "legacy", "-o", "payload", "app", "-a", &ws(&server)])
        .run()
        .exits(DIALING)
        .stdout_is("one\n")
        .stderr_has("skipped")
        .stderr_has("the server closed with 1008 (policy): bad");
    let server = Playback::new(vec![events(&format!("data: {}\n\n", batch(&[v2("one", 1)])))]);
    cf_tail(["--via", "rlp", "-o", "payload", "app", "-a", &http(&server)])
        .run()
        .exits(DIALING)
        .stdout_is("one\n")
        .stderr_has("the server ended the stream");
}
