// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any text by any preset, the first byte of the input says which: read or not, never a panic, and
//! what is made of it is a message.

use crate::decode;
use heka_core::codec::regular;
use heka_core::decode::{Access, Captures, Map, PRESETS, Way, preset};

fn ways(choice: u8) -> Vec<Way> {
    let choice = usize::from(choice);
    match PRESETS.get(choice) {
        Some((name, _)) => preset(name).expect("it is in the list"),
        None if choice % 4 == 0 => {
            vec![Way::Json(Map::new("Timestamp=t,Payload=a.b,Pid=p").unwrap())]
        }
        None if choice % 4 == 1 => vec![Way::Logfmt(Map::new("Severity=l,Uuid=u").unwrap())],
        None if choice % 4 == 2 => {
            let regex = regular::compile("(?P<Severity>.)(?P<Timestamp>.*)(?P<x>.)").unwrap();
            vec![Way::Captures(Box::new(Captures::new(regex, &[]).unwrap()))]
        }
        None => vec![Way::Access(Box::new(Access::new("%h %t.%{usec_frac}t \"%r\" %{X}o|%D").unwrap()))],
    }
}

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    decode(ways(*choice), text);
}
