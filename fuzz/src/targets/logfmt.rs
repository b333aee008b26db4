// SPDX-License-Identifier: MIT OR Apache-2.0
//! Any pairs, with several maps: they are read or refused, within the limit.

use crate::decode;
use heka_core::decode::{Map, Way};

/// See the module.
pub fn run(input: &[u8]) {
    let Some((choice, text)) = input.split_first() else { return };
    let maps =
        ["", "Timestamp=t,Payload=a.b,Pid=p", "Severity=l,Uuid=u,*=x", "Hostname=h,Logger=a"];
    let Ok(map) = Map::new(maps[usize::from(choice % 4)]) else { return };
    decode(vec![Way::Logfmt(map)], text);
}
