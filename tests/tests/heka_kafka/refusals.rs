// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages that a broker rejects, or no longer has.

use heka_tests::{Broker as _, Mock, Tool, lines, reports_damage, sorted};

fn write(mock: &Mock, retries: &str, options: &str) -> heka_tests::Outcome {
    let url = mock.url(&format!("t?{options}"));
    Tool::new("heka-kafka").args(["--retry", retries, "--stats", &url]).stdin(lines(10)).run()
}

#[test]
fn one_bad_record_is_refused_and_its_neighbours_are_stored() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    // A broker rejects the whole batch first, then the record that is sent alone.
    for (error, words) in [
        ("too-large", "message 1 dropped: longer than the broker allows"),
        ("invalid-record", "message 1 dropped: broker failed to validate record"),
    ] {
        mock.tell(&format!("error Produce {error} 2"));
        let written = write(&mock, "0", "partition=0");
        written.exits(1).stderr_has(words).stderr_has("9 acknowledged, 1 refused");
    }
    // Only the batch was too large.
    mock.tell("error Produce too-large 1");
    write(&mock, "0", "partition=0").succeeds().stderr_has("10 acknowledged, 0 refused");
    let all = mock.payloads("t");
    let expected: String = lines(10)
        .lines()
        .flat_map(|line| vec![line; if line == "1" { 1 } else { 3 }])
        .map(|line| format!("{line}\n"))
        .collect();
    assert_eq!(sorted(&all), expected);
}

#[test]
fn heka_send_hears_of_refusals() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    mock.tell("error Produce invalid-record 2");
    let sent = Tool::new("heka-send").args(["--stats", &mock.url("t")]).stdin(lines(10)).run();
    sent.exits(1).stderr_has("rejected by the receiver").stderr_has("9 acknowledged");
    // Longer than the limit of the tools.
    let input = format!("one\n{}\ntwo\n", "x".repeat(5_000_000));
    let sent = Tool::new("heka-send")
        .args(["-i", "lines", "--max-record=8M", "--message-limit=8M", "--stats", &mock.url("t")])
        .stdin(input)
        .run();
    sent.exits(1).stderr_has("longer than the receiver's limit").stderr_has("2 acknowledged");
}

#[test]
fn what_may_be_stored_later_is_sent_again() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    mock.tell("error Produce topic-rights 1");
    let written = write(&mock, "0", "");
    written
        .exits(3)
        .stderr_has("not permitted to use the topic")
        .stderr_has("10 messages not acknowledged");
    mock.tell("error Produce topic-rights 1");
    let written = write(&mock, "5", "");
    written.succeeds().stderr_has("not permitted to use the topic; retrying in");
    // The library does this.
    mock.tell("error Produce no-replicas 3");
    write(&mock, "0", "").succeeds();
    // A client with a fatal error is replaced.
    mock.tell("error Produce fenced 1");
    write(&mock, "5", "").succeeds().stderr_has("retrying in");
    assert_eq!(mock.payloads("t").lines().count(), 30);
}

#[test]
fn what_is_no_longer_there_is_reported() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    let url = mock.url("t?partition=0&group=g");
    let read = |url: &str| Tool::new("heka-kafka").args(["--read", "--no-follow", url]).run();
    write(&mock, "0", "").succeeds();
    read(&url).succeeds();
    // The mock keeps five megabytes of a partition.
    let long: String = (0..120).map(|_| "x".repeat(100_000) + "\n").collect();
    Tool::new("heka-kafka").arg(mock.url("t")).stdin(long).run().succeeds();
    let rest = read(&url);
    rest.exits(1).stderr_has("deleted before they were read");
    read(&url).succeeds().stdout_is("");
}

#[test]
fn text_that_looks_like_a_frame_is_damage() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    reports_damage(&mock, "t 0 1");
}

#[test]
fn a_group_that_is_forbidden_is_named() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    mock.tell("error JoinGroup group-rights 100");
    let url = mock.url("t?group=g");
    for (tool, args) in [("heka-kafka", &["-r", "--retry=0"][..]), ("heka-listen", &["--retry=0"])]
    {
        let read = Tool::new(tool).args(args).arg(&url).run();
        read.exits(3).stderr_has("not permitted to use the group");
    }
}
