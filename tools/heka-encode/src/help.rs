// SPDX-License-Identifier: MIT OR Apache-2.0
//! The help of heka-encode beyond its flags.

use heka_core::cli::Help;

pub(crate) const HELP: Help = Help {
    main: &["input", "type", "field", "severity", "regex", "json-map", "output"],
    examples: &[
        "make 2>&1 | heka-encode -t build | heka-send logs:5565",
        "heka-encode -i json --json-map=Timestamp=time,Payload=msg app.json",
        "heka-encode --regex '(?P<status>[0-9]+)$' --field-type status:i access.log",
    ],
};
