// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-sandbox beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["decoder", "define", "check", "resume", "output", "path", "config"],
    examples: &[
        "heka-sandbox hello.lua -o payload",
        "heka-sandbox lines.cfg -D input_file=app.log | heka-send logs:5565",
        "heka-sandbox hello.lua --check",
    ],
};
