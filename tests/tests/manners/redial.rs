// SPDX-License-Identifier: MIT OR Apache-2.0
//! All tools announce retries alike, and any wait can be interrupted.

use heka_tests::{Signal, Tool};

/// Arguments of each tool that connects, for an address that refuses, and the cause that is
/// reported.
const NOBODY: [(&str, &[&str], &str); 5] = [
    ("heka-send", &["127.0.0.1:1"], "127.0.0.1:1: Connection refused"),
    ("ws-source", &["ws://127.0.0.1:1/"], "ws://127.0.0.1:1/: Connection refused"),
    ("heka-nats", &["nats://127.0.0.1:1/a.b"], "nats://127.0.0.1:1/a.b: Connection refused"),
    ("unix-sock", &["nobody"], "nobody: No such file or directory"),
    (
        "cf-tail",
        &["--via", "legacy", "--recent", "-a", "ws://127.0.0.1:1", "app"],
        "ws://127.0.0.1:1: Connection refused",
    ),
];

fn tool(name: &str, args: &[&str]) -> Tool {
    Tool::new(name).args(args).args(["--retry-jitter", "0s"]).stdin("x\n")
}

#[test]
fn the_next_attempt_is_announced_alike() {
    for (name, args, cause) in NOBODY {
        let outcome =
            tool(name, args).args(["--retry=2", "--retry-delay=10ms", "--retry-growth=2"]).run();
        for delay in ["10 ms", "20 ms"] {
            outcome.stderr_has(&format!("{name}: {cause}; retrying in {delay}\n"));
        }
        outcome.exits(3);
    }
}

#[test]
fn a_signal_ends_the_wait() {
    for (name, args, cause) in NOBODY {
        let waiting = tool(name, args).args(["--retry", "1", "--retry-delay", "90s"]).spawn();
        // Longer than the longest default delay.
        waiting.wait_stderr(&format!("{name}: {cause}; retrying in "));
        waiting.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
    }
}
