// SPDX-License-Identifier: MIT OR Apache-2.0
//! Decodes any text with any preset: a record may be refused, but nothing panics, and a decoded
//! record is a valid message. The first byte of the input selects the preset, unless `FUZZ_PRESET`
//! names it.

use std::env;
use std::sync::OnceLock;

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

/// The preset named by `FUZZ_PRESET`.
fn named() -> Option<u8> {
    static NAMED: OnceLock<Option<u8>> = OnceLock::new();
    *NAMED.get_or_init(|| {
        let name = env::var("FUZZ_PRESET").ok()?;
        let found = PRESETS.iter().position(|(preset, _)| *preset == name);
        Some(u8::try_from(found.expect("FUZZ_PRESET names a preset")).expect("they are few"))
    })
}

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    decode(ways(named().unwrap_or(*choice)), text);
}
