// SPDX-License-Identifier: MIT OR Apache-2.0
//! Statistics and metrics.

use std::fs;

use heka_tests::{Nats, Signal, Tool, eventually, lines, scratch};

#[test]
fn a_reader_tells_how_far_its_consumer_is_behind() {
    let Some(nats) = Nats::start("") else { return };
    let write = |text: String| {
        let write = Tool::new("heka-nats").args(["--stats", &nats.url("s?create=R1&stream=S")]);
        write.stdin(text).run()
    };
    write(lines(9)).succeeds().stderr_has("9 acknowledged, 0 refused, 0 resent");
    let folder = scratch();
    let metrics = folder.path().join("metrics");
    // Nothing behind it acknowledges its messages.
    let url = nats.url("S?durable=d");
    let reader = Tool::new("heka-nats")
        .args(["--read", "--ack", "--metrics", &format!("{},100ms", metrics.display()), &url])
        .stdin_open()
        .spawn();
    eventually("nothing is acknowledged", || {
        let text = fs::read_to_string(&metrics).unwrap_or_default();
        let lag = "heka_nats_lag_messages{tool=\"heka-nats\",name=\"metrics\"} 9";
        text.lines().any(|line| line == lag).then_some(())
    });
    // Unrequested messages count, too.
    write(lines(600)).succeeds();
    eventually("it hears of more", || reader.statistics().contains("609 lag").then_some(()));
    reader.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    // Without acknowledgements, a written message is finished. Those of the other reader arrive
    // again later.
    let rest = ["--read", "--no-follow", "--stats", &nats.url("S?durable=e")];
    let read = Tool::new("heka-nats").args(rest).run();
    read.succeeds().stderr_has("609 committed, 0 lag");
}
