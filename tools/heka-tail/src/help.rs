// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-tail beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["lines", "no-follow", "resume", "checkpoint", "exclude", "output", "multiline-start"],
    examples: &[
        "heka-tail app.log | heka-send logs:5565",
        "heka-tail --resume app.pos app.log | heka-send --commit app.pos logs:5565",
        "heka-tail -n +1 -o short '/var/log/**/*.log'",
    ],
};
