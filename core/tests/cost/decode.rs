// SPDX-License-Identifier: MIT OR Apache-2.0
//! What parsing costs: nothing is allocated for a record once there were some like it.

use heka_core::codec::regular;
use heka_core::decode::{Captures, Decoder, Map, Readers, Way};
use heka_core::wire::MessageView;

use super::allocations;

/// Allocations for so many records, after some of them have been read.
fn cost(mut decoder: Decoder, records: &[&[u8]]) -> usize {
    let base = MessageView::default();
    let mut out = Vec::with_capacity(1 << 20);
    let mut read = || {
        for record in records {
            out.clear();
            let _any = decoder.read(record, 1_700_000_000_000_000_000, b"");
            decoder.draft().finish(&mut out, &base, &base);
        }
    };
    read();
    allocations(|| (0..100).for_each(|_| read()))
}

fn decoder(ways: Vec<Way>) -> Decoder {
    Decoder::new(ways, Readers::default(), 65_536)
}

#[test]
fn nothing_is_allocated_for_a_line_of_an_expression() {
    let regex = r#"^(?P<Hostname>\S+) \S+ \S+ \[(?P<Timestamp>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d+)"#;
    let captures =
        || Way::Captures(Box::new(Captures::new(regular::compile(regex).unwrap(), &[]).unwrap()));
    let lines: &[&[u8]] = &[
        br#"192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /index.html HTTP/1.0" 200 2326"#,
        br#"192.0.2.7 - - [tomorrow] "GET /index.html HTTP/1.0" 404 -"#,
        b"no match",
    ];
    assert_eq!(cost(decoder(vec![captures()]), lines), 0);
    assert_eq!(cost(decoder(vec![captures(), captures()]), lines), 0);
}

#[test]
fn nothing_is_allocated_for_an_object() {
    let map = Map::new("Timestamp=time,Severity=level,Payload=msg,Pid=pid").unwrap();
    let objects: &[&[u8]] = &[
        br#"{"time":"2016-05-24T10:00:00Z","level":"error","msg":"disk \"full\"","disk":{"free":0,"name":"\u00e9"},"pid":7}"#,
        br#"{"level":50,"msg":{"a":[1,2.5,"x",{"b":null}],"n":[1,2,3],"s":["a","b"]},"big":123456789012345678901,"t":true}"#,
        br#"{"broken":"#,
        b"no object",
    ];
    assert_eq!(cost(decoder(vec![Way::Json(map)]), objects), 0);
}

#[test]
fn nothing_is_allocated_for_pairs() {
    let map = Map::new("Severity=level,Payload=msg").unwrap();
    let lines: &[&[u8]] = &[
        br#"time=2016-05-24T10:00:00Z level=warn msg="took \"too\" long" took=1.5 n=3 retry q='a b'"#,
        b"a=\"not closed",
        b"no pairs",
    ];
    assert_eq!(cost(decoder(vec![Way::Logfmt(map)]), lines), 0);
}
