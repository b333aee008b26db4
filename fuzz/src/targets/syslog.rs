// SPDX-License-Identifier: MIT OR Apache-2.0
//! Syslog as received: datagrams and streams, by octet count or by line, then decoded.

use crate::{decode, records};
use heka_core::decode::Way;
use heka_core::record::{Framing, Limit, Oversize, Splitter};

/// See the module.
pub fn run(input: &[u8]) {
    let limit = Limit { size: 4096, oversize: Oversize::Split };
    let splitter = Splitter::new(Framing::Syslog, limit);
    let whole = records(&splitter, input, input.len().max(1));
    assert!(whole.0.iter().all(|record| record.len() <= 4096), "longer than the limit");
    assert_eq!(records(&splitter, input, 1), whole, "pieces matter");
    // A datagram is one message.
    decode(vec![Way::Syslog], input);
    for record in &whole.0 {
        decode(vec![Way::Syslog], record);
    }
    let mut stream = Vec::new();
    let message = [b"<13>", input].concat();
    Framing::Syslog.put(&mut stream, &message).expect("any bytes");
    let limit = Limit { size: 1 << 20, oversize: Oversize::Split };
    let found = records(&Splitter::new(Framing::Syslog, limit), &stream, 7);
    assert_eq!(found, (vec![message], 0));
}
