// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics and metrics.

use std::fs;

use heka_tests::{Mock, Signal, Tool, eventually, lines, scratch};

#[test]
fn a_reader_tells_how_far_it_is_behind_in_each_partition() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 2");
    for (partition, count) in [(0, 9), (1, 5)] {
        let write = Tool::new("heka-kafka").arg("--stats");
        let write = write.arg(mock.url(&format!("t?partition={partition}"))).stdin(lines(count));
        write.run().succeeds().stderr_has(&format!("{count} acknowledged, 0 refused, 0 resent"));
    }
    let folder = scratch();
    let metrics = folder.path().join("metrics");
    // Nothing behind it acknowledges its messages.
    let reader = Tool::new("heka-kafka")
        .args(["--read", "--ack", "--metrics", &format!("{},100ms", metrics.display())])
        .arg(mock.url("t?from=begin"))
        .stdin_open()
        .spawn();
    let metric = |label: &str, value: u32| {
        let text = fs::read_to_string(&metrics).unwrap_or_default();
        let is_it = |line: &str| {
            line.starts_with("heka_kafka_lag_messages{")
                && line.ends_with(&format!("partition=\"{label}\"}} {value}"))
        };
        text.lines().any(is_it).then_some(())
    };
    eventually("the lag is there", || metric("t 0", 9).and_then(|()| metric("t 1", 5)));
    let line = reader.statistics();
    assert!(line.contains("14 lag (t 0: 9, t 1: 5)"), "{line}");
    reader.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    // Without acknowledgements, a written message is finished.
    let read = Tool::new("heka-kafka").args(["--read", "--no-follow", "--stats=json"]);
    let read = read.arg(mock.url("t?from=begin")).run();
    read.succeeds().stderr_has(r#""heka_kafka_lag_messages":{"t 0":0,"t 1":0}"#);
}
