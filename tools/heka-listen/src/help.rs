// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-listen beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["ack", "write", "fsync", "rotate", "output", "mode", "cert"],
    examples: &[
        "heka-listen :5565 | heka-decode >> all.log",
        "heka-listen --ack --fsync --write all.heka --rotate 1d :5565",
        "heka-listen -o short :5565 udp://:5565 unix:/run/heka.sock",
    ],
};
