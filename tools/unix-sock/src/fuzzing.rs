// SPDX-License-Identifier: MIT OR Apache-2.0
//! The inputs from peers and from the preceding program, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, reason = "the parsers alone are used")]

mod address;
mod compression;
mod envelope;
mod facts;
mod framing;

use heka_core::codec::Form;
use heka_core::os::unpack_record;
use heka_core::record::{Framing, Width};

use compression::Compression;
use framing::SideBySide as _;

const LIMIT: usize = 1 << 14;

/// Finds records in bytes that are forwarded unchanged.
pub fn framing(input: &[u8]) {
    let Some((choice, records)) = input.split_first() else { return };
    let framing = match choice % 8 {
        0 => Framing::Delimited(b'\n'),
        1 => Framing::None,
        2 => Framing::Length(Width::Bits16),
        3 => Framing::LengthLe(Width::Bits32),
        4 => Framing::OctetCount,
        5 => Framing::Docker,
        6 => Framing::Journal,
        _ => Framing::Heka,
    };
    assert!(framing.count(records) <= records.len() as u64 + 1);
    assert!(framing.last_start(records) <= records.len());
    for sent in [0, 1, records.len() / 2, records.len()] {
        let sent = sent.min(records.len());
        assert!(framing.record_start(records, sent) <= sent, "behind what was sent");
    }
}

/// Routes records with destinations; the first byte of the input selects the form.
pub fn routing(input: &[u8]) {
    let Some((choice, record)) = input.split_first() else { return };
    let forms = [Form::Tag, Form::Json, Form::Heka, Form::Payload];
    let form = forms[usize::from(choice % 4)];
    let Ok(addressed) = address::open(form, Framing::Delimited(b'\n'), record) else { return };
    assert!(addressed.data.len() <= record.len(), "more than came");
    let address::Recipients::One(number) = addressed.to else { return };
    // A record from that peer names it.
    let facts = facts::Facts {
        number,
        path: "/s".to_owned(),
        is_server: true,
        pid: None,
        uid: None,
        gid: None,
    };
    for form in [Form::Tag, Form::Json] {
        let mut out = Vec::new();
        let put =
            envelope::Envelope::new(form, &facts).put(&mut out, Framing::None, &addressed.data);
        put.expect("any bytes");
        let back = address::open(form, Framing::None, &out).expect("it was just written");
        assert_eq!(back.to, address::Recipients::One(number));
        assert_eq!(back.data, addressed.data);
    }
}

/// Decompresses records that are, or claim to be, compressed: never more than the limit; what was
/// compressed here is restored.
pub fn compression(input: &[u8]) {
    for may_be_zlib in [false, true] {
        if let Ok(record) = unpack_record(input.into(), may_be_zlib, LIMIT) {
            assert!(record.len() <= LIMIT.max(input.len()));
        }
    }
    let hows = [Compression::Gzip, Compression::Zlib, Compression::Zstd];
    let packed = hows[input.len() % 3].pack(input);
    let unpacked = unpack_record(packed.into(), true, input.len());
    assert_eq!(unpacked.as_deref(), Ok(input));
}
