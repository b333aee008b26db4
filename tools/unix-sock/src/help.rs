// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of unix-sock beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["listen", "json", "to", "mode", "echo", "exec", "retry"],
    examples: &[
        "unix-sock -l /run/app.sock --mode 660 | heka-encode | heka-send logs:5565",
        "echo status | unix-sock /run/app.sock",
        "unix-sock -l /tmp/s -c 'tr a-z A-Z'",
    ],
};
