// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-send beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["ack", "commit", "queue", "to", "output", "retry", "ca-file"],
    examples: &[
        "heka-tail app.log | heka-send logs:5565",
        "heka-tail --resume pos app.log | heka-send --ack=peer --commit pos logs:5565",
        "ws-source -o heka wss://feed/ | heka-send --queue spool a:5565 b:5565",
    ],
};
