// SPDX-License-Identifier: MIT OR Apache-2.0
//! Access: sources of tokens and their renewal; names and endpoints.

use heka_tests::playback::{Playback, Turn, frame, web_socket};
use heka_tests::{Outcome, Signal, Tool, eventually};

use crate::platform::{
    EXPIRED, FRESH, GUID, Home, TOKEN, batch, cf_tail, events, frames, grant, http, info, page,
    recent, sent, v2, ws,
};

#[test]
fn a_token_that_runs_out_is_refreshed_before_it_is_used() {
    let server = Playback::new(vec![grant(), info(), page(&[v2("x", 1)])]);
    let outcome = Home::of(&server, EXPIRED)
        .tool(&["--recent", "-o", "payload", "--save-tokens", "-vvv", "--trace", GUID])
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

/// Grants a token that has expired by our clock, but is valid for 30 s by the server's.
fn short_grant() -> Turn {
    let body = format!(r#"{{"access_token":"{EXPIRED}","token_type":"bearer","expires_in":30}}"#);
    Turn::http("200 OK", "Content-Type: application/json\r\n", body).open()
}

#[test]
fn a_token_is_good_for_as_long_as_the_uaa_says_whatever_our_clock_says() {
    let server = Playback::new(vec![
        short_grant(),
        info(),
        page(&[]),
        page(&[]),
        page(&[]),
        page(&[v2("x", 1)]),
    ]);
    let home = Home::of(&server, EXPIRED);
    let outcome =
        home.tool(&["--via", "log-cache", "-o", "payload", "--max-count", "1", GUID]).run();
    outcome.succeeds().stdout_is("x\n");
    let asked = server.requests().iter().filter(|line| line.starts_with("POST")).count();
    assert_eq!(asked, 1, "{:?}", server.requests());
}

#[test]
fn a_refresh_token_that_another_cf_has_stored_is_used() {
    let refusal = || Turn::http("401 Unauthorized", "", "no").open();
    let quiet = (0..1000).map(|_| page(&[]));
    let server = Playback::new([info()].into_iter().chain(quiet).collect());
    let home = Home::of(&server, TOKEN);
    let running =
        home.tool(&["--via", "log-cache", "-o", "payload", "--max-count", "1", "-v", GUID]).spawn();
    // By the time it connects, cf-tail has read the file.
    running.wait_stderr("connected (log-cache)");
    eventually("questions", || (server.requests().len() >= 3).then_some(()));
    home.replace("refresh-s3cr3t", "rotated-s3cr3t");
    server.play(vec![refusal(), grant(), page(&[v2("x", 1)])]);
    running.finish().succeeds().stdout_is("x\n");
    let request = (0..server.requests().len())
        .map(|number| sent(&server, number))
        .find(|request| request.starts_with("POST"));
    assert!(request.unwrap().ends_with("refresh_token=rotated-s3cr3t"));
}

#[test]
fn a_token_command_that_takes_its_time_does_not_hold_the_end() {
    let running = Tool::new("cf-tail")
        .args([
            "--token-command",
            "echo begun >&2; exec sleep 100",
            "app",
            "-a",
            "ws://127.0.0.1:1",
        ])
        .spawn();
    running.wait_stderr("begun");
    let began = std::time::Instant::now();
    running.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    assert!(began.elapsed() < std::time::Duration::from_secs(20));
}

#[test]
fn a_token_may_come_through_a_socket() {
    let server = Playback::new(vec![recent(&[("x", 1)])]);
    let (mut ours, theirs) = std::os::unix::net::UnixStream::pair().expect("sockets");
    std::io::Write::write_all(&mut ours, format!("{FRESH}\n").as_bytes()).expect("room");
    drop(ours);
    Tool::new("cf-tail")
        .args(["--via", "legacy", "--recent", "app", "-a", &ws(&server), "--token-file", "-"])
        .stdin_file(std::os::fd::OwnedFd::from(theirs).into())
        .run()
        .succeeds();
    assert!(sent(&server, 0).contains(&format!("authorization: bearer {FRESH}\r\n")));
}

#[test]
fn a_platform_in_trouble_is_no_old_platform() {
    let server = Playback::new(vec![
        Turn::http("404 Not Found", "", "").open(),
        Turn::http("503 Service Unavailable", "", "later").open(),
    ]);
    let home = Home::new(&format!(r#"{{"Target":"{}","AccessToken":"{TOKEN}"}}"#, http(&server)));
    home.tool(&[GUID]).run().exits(3).stderr_has("status 503: later");
}

#[test]
fn a_token_that_is_refused_is_refreshed_once() {
    let refusal =
        || Turn::http("401 Unauthorized", "", format!("You are not authorized: {FRESH}")).open();
    let server = Playback::new(vec![info(), refusal(), grant(), page(&[v2("x", 1)])]);
    Home::of(&server, "opaque-s3cr3t")
        .tool(&["--recent", "-o", "payload", GUID])
        .run()
        .succeeds()
        .stdout_is("x\n");

    // Also if the very first request is refused.
    let server = Playback::new(vec![refusal(), grant(), info(), page(&[v2("x", 1)])]);
    Home::of(&server, "opaque-s3cr3t").tool(&["--recent", GUID]).run().succeeds();

    let server = Playback::new(vec![info(), refusal(), grant(), refusal(), refusal()]);
    let outcome = Home::of(&server, "opaque-s3cr3t").tool(&["--recent", GUID]).run();
    outcome.exits(5).stderr_has("Unauthorized error: You are not authorized: [concealed]");
    assert_eq!(server.requests().len(), 4);
}

#[test]
fn a_404_for_a_token_that_has_run_out_is_told_as_what_it_is() {
    let server = Playback::new(vec![info(), Turn::http("404 Not Found", "", "")]);
    let outcome = Tool::new("cf-tail")
        .args(["--recent", GUID, "-a", &http(&server)])
        .env("CF_ACCESS_TOKEN", EXPIRED)
        .run();
    outcome.exits(5).stderr_has("the token has expired");
}

#[test]
fn an_app_s_name_is_looked_up_in_the_space() {
    let found = format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#);
    let server =
        Playback::new(vec![Turn::http("200 OK", "", found).open(), info(), page(&[v2("x", 1)])]);
    Home::of(&server, FRESH)
        .tool(&["--recent", "-o", "payload", "do ra"])
        .run()
        .succeeds()
        .stdout_is("x\n");
    assert_eq!(server.requests()[0], "GET /v3/apps?names=do+ra&space_guids=space HTTP/1.1");
    assert!(server.requests()[2].starts_with(&format!("GET /api/v1/read/{GUID}?")));

    let server = Playback::new(vec![Turn::http("200 OK", "", r#"{"resources":[]}"#)]);
    let outcome = Home::of(&server, FRESH).tool(&["--recent", "nosuch"]).run();
    outcome.exits(6).stderr_has("App 'nosuch' not found.");
}

#[test]
fn the_token_stays_with_its_server() {
    let other = Playback::new(vec![]);
    let away = Turn::http("302 Found", &format!("Location: {}/recent\r\n", http(&other)), "");
    let server = Playback::new(vec![away]);
    let outcome = cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)]).run();
    outcome.exits(7).stderr_has("redirects to another server");
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
    token("bearer good-s3cr3t\n", &[])
        .exits(2)
        .stderr_has("token: readable by other users (chmod 600)");
    token("bearer good-s3cr3t\n", &["--force"]).exits(3).stderr_has("Connection refused");
    token("bearer good-s3cr3t\r\nX-Evil: 1", &["--force"])
        .exits(2)
        .stderr_has("more than one line");
}

#[test]
fn a_platform_is_asked_once_where_its_servers_are() {
    let playing = Playback::new(vec![]);
    let links = format!(
        r#"{{"links":{{"log_cache":{{"href":"{url}"}},"logging":{{"href":"ws://127.0.0.1:1"}}}}}}"#,
        url = http(&playing)
    );
    // The server closes the connection after its answer, as servers do with idle connections.
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

#[test]
fn a_client_of_its_own_gets_tokens_with_its_secret() {
    let server = Playback::new(vec![grant(), info(), page(&[v2("x", 1)])]);
    let url = http(&server);
    let home = Home::new(&format!(
        r#"{{"Target":"{url}","UaaEndpoint":"{url}","LogCacheEndPoint":"{url}","AccessToken":"",
        "UAAGrantType":"client_credentials","UAAOAuthClient":"reader",
        "UAAOAuthClientSecret":"client-s3cr3t"}}"#
    ));
    let outcome = home.tool(&["--recent", "-o", "payload", "--trace", "-vvv", GUID]).run();
    outcome.succeeds().stdout_is("x\n");
    let request = sent(&server, 0);
    assert!(request.starts_with("POST /oauth/token HTTP/1.1"), "{request}");
    assert!(!request.to_lowercase().contains("authorization:"), "{request}");
    assert!(
        request.ends_with(
            "client_id=reader&client_secret=client-s3cr3t&grant_type=client_credentials"
        ),
        "{request}"
    );
    assert!(sent(&server, 2).contains(&format!("bearer {FRESH}")));
}

#[test]
fn a_refreshed_token_is_kept_only_if_asked() {
    for flags in [&[][..], &["--save-tokens"]] {
        let server = Playback::new(vec![grant(), info(), page(&[v2("x", 1)])]);
        let home = Home::of(&server, EXPIRED);
        let before = home.text();
        home.tool(&["--recent", GUID]).args(flags).run().succeeds();
        let after = home.text();
        match flags {
            [] => assert_eq!(after, before),
            _ => {
                assert!(after.contains(FRESH) && after.contains("refresh2-s3cr3t"), "{after}");
                assert!(after.contains("SpaceFields") && !after.contains(EXPIRED), "{after}");
            }
        }
    }
    cf_tail(["--save-tokens", "app"]).run().exits(2).stderr_has("--save-tokens needs");
}

#[test]
fn a_404_with_a_token_that_has_run_out_gets_another_one() {
    // Only the third output of the command is valid.
    let command = format!(
        "echo >>asked; echo a hint; [ $(wc -l <asked) -gt 2 ] && echo {FRESH} || echo {EXPIRED}"
    );
    let server = Playback::new(vec![
        Turn::http("404 Not Found", "", "").open(),
        web_socket(frame(8, b"\x03\xe8")),
    ]);
    let folder = heka_tests::scratch();
    let outcome = Tool::new("cf-tail")
        .args(["--via", "v1", "--token-command", &command, "app", "-a", &ws(&server)])
        .dir(folder.path())
        .run();
    outcome.succeeds();
    assert!(sent(&server, 0).contains(EXPIRED) && sent(&server, 1).contains(FRESH));
}

#[test]
fn a_command_gives_the_token_and_does_not_get_one() {
    let server = Playback::new(vec![recent(&[("x", 1)])]);
    let args = ["--via", "legacy", "--recent", "-o", "payload", "app", "-a"];
    let command = "echo \"bearer s3cr3t-$(printenv CF_ACCESS_TOKEN || echo none)\"";
    cf_tail(args)
        .args([&ws(&server), "--token-command", command])
        .run()
        .succeeds()
        .stdout_is("x\n");
    assert!(sent(&server, 0).contains("\r\nauthorization: bearer s3cr3t-none\r\n"));
    for (command, words) in [
        ("exit 7", "--token-command: exit status 7"),
        ("true", "--token-command: printed no token"),
        ("printf '\\377'", "--token-command: not UTF-8"),
    ] {
        let outcome = cf_tail(["--token-command", command, "app", "-a", "ws://127.0.0.1:1"]).run();
        assert!(matches!(outcome.status.code(), Some(1 | 2)), "{outcome}");
        outcome.stderr_has(words);
    }
}

#[test]
fn standard_input_and_files_give_tokens() {
    for name in ["-", "token"] {
        let server = Playback::new(vec![recent(&[("x", 1)])]);
        let folder = heka_tests::scratch();
        let path = folder.path().join("token");
        std::fs::write(&path, format!("{FRESH}\n")).expect("room");
        let private = std::os::unix::fs::PermissionsExt::from_mode(0o600);
        std::fs::set_permissions(&path, private).expect("our own file");
        let outcome = Tool::new("cf-tail")
            .args(["--via", "legacy", "--recent", "app", "-a", &ws(&server), "--token-file", name])
            .dir(folder.path())
            .stdin(format!("{FRESH}\n"))
            .run();
        outcome.succeeds();
        // A JSON web token gets its scheme.
        assert!(sent(&server, 0).contains(&format!("authorization: bearer {FRESH}\r\n")));
    }
}

#[test]
fn a_token_is_no_argument_and_no_variable_of_children() {
    cf_tail(["--token", "x"]).run().exits(2).stderr_has("unexpected argument '--token'");
    let server = Playback::new(vec![Turn::default()]);
    let running = cf_tail(["--via", "legacy", "--recent", "app", "-a", &ws(&server)]).spawn();
    heka_tests::eventually("the request", || (!server.requests().is_empty()).then_some(()));
    let line = std::fs::read_to_string(format!("/proc/{}/cmdline", running.pid())).expect("it");
    assert!(!line.contains("s3cr3t"), "{line}");
}

#[test]
fn endpoints_come_from_the_configuration() {
    let end = || frame(8, b"\x03\xe8");
    for (via, turn, request) in [
        ("legacy", web_socket(end()), format!("GET /tail/?app={GUID} HTTP/1.1")),
        ("v1", web_socket(end()), format!("GET /apps/{GUID}/stream HTTP/1.1")),
    ] {
        let server = Playback::new(vec![turn]);
        Home::of(&server, FRESH).tool(&["--via", via, GUID]).run().succeeds();
        assert_eq!(server.requests(), [request]);
    }
    // The names of the first versions of cf, in another case, and only the old server.
    let server = Playback::new(vec![
        Turn::http("404 Not Found", "", "").open(),
        Turn::http("200 OK", "", "{}").open(),
        web_socket([frames(&[("x", 1)]), end()].concat()),
    ]);
    let home = Home::new(&format!(
        r#"{{"ConfigVersion":3,"target":"{}","LoggregatorEndpoint":"{}","accesstoken":"{TOKEN}"}}"#,
        http(&server),
        ws(&server),
    ));
    home.tool(&["-o", "payload", GUID]).run().succeeds().stdout_is("x\n");
    assert_eq!(
        server.requests(),
        ["GET / HTTP/1.1", "GET /v2/info HTTP/1.1", &format!("GET /tail/?app={GUID} HTTP/1.1")]
    );
    // The gateway is not in the configuration: cf-tail asks the platform.
    let server = Playback::new(vec![]);
    let links = format!(r#"{{"links":{{"log_stream":{{"href":"{url}"}}}}}}"#, url = http(&server));
    server.play(vec![
        Turn::http("200 OK", "", links).open(),
        Turn::http("404 Not Found", "", "").open(),
    ]);
    Home::of(&server, FRESH).tool(&["--via", "rlp", GUID]).run().exits(6);
    assert_eq!(
        server.requests(),
        ["GET / HTTP/1.1", &format!("GET /v2/read?log&source_id={GUID} HTTP/1.1")]
    );
}

#[test]
fn an_old_platform_is_asked_for_the_app_in_its_own_way() {
    let found = format!(r#"{{"resources":[{{"metadata":{{"guid":"{GUID}"}}}}]}}"#);
    let server = Playback::new(vec![
        Turn::http("404 Not Found", "", "").open(),
        Turn::http("200 OK", "", found).open(),
        recent(&[("x", 1)]),
    ]);
    let home = Home::of(&server, FRESH);
    home.tool(&["--via", "legacy", "--recent", "do/ra"]).run().succeeds();
    assert_eq!(
        server.requests()[1..],
        [
            "GET /v2/spaces/space/apps?q=name%3Ado%2Fra HTTP/1.1".to_owned(),
            format!("GET /recent?app={GUID} HTTP/1.1")
        ]
    );
}

#[test]
fn an_http_server_that_is_no_log_cache_is_taken_for_a_gateway() {
    let server = Playback::new(vec![
        Turn::http("404 Not Found", "", "").open(),
        events(&format!("data: {}\n\n", batch(&[v2("x", 1)]))).open(),
    ]);
    cf_tail(["-o", "payload", "--max-count", "1", "app", "-a", &http(&server)])
        .run()
        .succeeds()
        .stdout_is("x\n");
    assert_eq!(
        server.requests(),
        ["GET /api/v1/info HTTP/1.1", "GET /v2/read?log&source_id=app HTTP/1.1"]
    );
}

#[test]
fn a_log_cache_that_is_away_gives_way_to_the_controller_until_one_has_answered() {
    let end = frame(8, b"\x03\xe8");
    let server = Playback::new(vec![web_socket([frames(&[]), end].concat())]);
    let home = Home::new(&format!(
        r#"{{"LogCacheEndPoint":"http://127.0.0.1:1","DopplerEndPoint":"{}","AccessToken":"{TOKEN}"}}"#,
        ws(&server)
    ));
    let outcome = home.tool(&["-v", GUID]).run();
    outcome.succeeds().stderr_has("(log-cache): Connection refused");
    outcome.stderr_has("connected (trafficcontroller)");
    // cf-tail waits for a server that has answered, instead of trying another one.
    let server = Playback::new(vec![info(), page(&[])]);
    let home = Home::of(&server, TOKEN);
    let outcome = home.tool(&["-v", GUID]).run();
    outcome.exits(3).stderr_has("asking again");
    assert!(!outcome.err().contains("trafficcontroller"), "{outcome}");
}

#[test]
fn a_token_that_was_given_goes_to_the_platform_that_was_named() {
    let found = format!(r#"{{"resources":[{{"guid":"{GUID}"}}]}}"#);
    for (host, is_asked) in [("127.0.0.1", true), ("localhost", false)] {
        // The API that cf targets is on the same host, or belongs to another platform.
        let api = Playback::new(vec![Turn::http("200 OK", "", &found)]);
        let server = Playback::new(vec![recent(&[("x", 1)])]);
        let named = ws(&server).replace("127.0.0.1", host);
        let outcome = Home::of(&api, FRESH)
            .tool(&["--via", "legacy", "--recent", "dora", "-a", &named])
            .env("CF_ACCESS_TOKEN", TOKEN)
            .run();
        outcome.succeeds();
        assert_eq!(!api.heard().is_empty(), is_asked, "{outcome}");
        let app = if is_asked { GUID } else { "dora" };
        assert_eq!(server.requests(), [format!("GET /recent?app={app} HTTP/1.1")]);
    }
}

/// Checks the guard of all tests here: a token in any output makes the test fail.
#[test]
#[should_panic(expected = "it shows a secret")]
fn a_test_whose_output_has_a_token_fails() {
    heka_tests::sh("echo bearer good-s3cr3t >&2").run();
}

#[test]
#[should_panic(expected = "must have s3cr3t in it")]
fn a_test_whose_token_would_not_be_found_fails() {
    Tool::new("cf-tail").env("CF_ACCESS_TOKEN", "bearer good").run();
}
