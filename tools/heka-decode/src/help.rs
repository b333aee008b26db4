// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-decode beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["match", "output", "json", "count", "max-count", "since", "follow"],
    examples: &[
        "heka-decode -m 'Severity <= 3' -o short all.heka",
        "heka-decode -j all.heka | jq -r .Payload",
        "heka-listen :5565 | heka-decode -m 'Fields[status] == 500' >> errors.log",
    ],
};
