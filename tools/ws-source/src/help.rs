// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of ws-source beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["init-message", "header", "output", "retry-delay", "ca-file", "insecure", "max-count"],
    examples: &[
        "ws-source -o heka wss://feed.example/ | heka-send logs:5565",
        r#"ws-source -p '{"subscribe":"ticks"}' wss://feed.example/"#,
        "ws-source -H 'X-Key: abc' --max-count 1 wss://feed.example/",
    ],
};
