// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-kafka beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["read", "no-follow", "client-config", "user", "password-file", "sasl", "ca-file"],
    examples: &[
        "heka-tail app.log | heka-kafka 'kafka://b1/logs?key=Logger'",
        "heka-kafka -r 'kafka://b1/logs?group=archive' | heka-decode >> all.log",
        "heka-kafka -r --no-follow 'kafka://b1/logs?from=-10' | heka-decode -o short",
    ],
};
