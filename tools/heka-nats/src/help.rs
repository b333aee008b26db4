// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-nats beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["read", "no-follow", "user", "password-file", "creds", "nkey", "ca-file"],
    examples: &[
        "heka-tail app.log | heka-nats 'nats://n1/logs?stream=LOGS'",
        "heka-nats -r 'nats://n1/LOGS?durable=archive' | heka-decode >> all.log",
        "heka-nats -r --no-follow 'nats://n1/LOGS?from=-10' | heka-decode -o short",
    ],
};
