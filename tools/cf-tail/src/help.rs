// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of cf-tail beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["recent", "json", "max-count", "source", "output", "org", "retry"],
    examples: &[
        "cf-tail dora",
        "cf-tail --recent -j dora | jq -r .message",
        "cf-tail --retry forever -o heka dora | heka-send logs:5565",
    ],
};
