// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes per second of the functions that every message passes through: `cargo bench -p heka-core`.

use std::hint::black_box;

use bytes::Bytes;
use divan::Bencher;
use divan::counter::BytesCount;
use heka_core::wire::{
    Deframer, Field, Header, HmacHash, Keys, Message, MessageView, More, Signer, Step, Template,
    Verdict,
};
use prost::Message as _;

const COUNT: usize = 1000;
const LINE: &[u8] = &[b'x'; 183];
const UUID: [u8; 16] = [0x55; 16];

fn main() {
    divan::main();
}

fn template() -> Template {
    let message = Message {
        r#type: Some("logfile".into()),
        logger: Some("access.log".into()),
        hostname: Some("host.example.org".into()),
        severity: Some(7),
        ..Message::default()
    };
    Template::new(&message, None)
}

fn frames() -> Vec<u8> {
    let mut template = template();
    let mut out = Vec::new();
    for _ in 0..COUNT {
        let _fits = template.put_frame(&mut out, Header::default(), UUID, 1 << 60, LINE);
    }
    out
}

#[divan::bench]
fn encode(bencher: Bencher<'_, '_>) {
    let mut template = template();
    let mut out = Vec::with_capacity(1 << 20);
    bencher.counter(BytesCount::new(COUNT * LINE.len())).bench_local(|| {
        out.clear();
        for _ in 0..COUNT {
            let _fits =
                template.put_frame(&mut out, Header::default(), UUID, 1 << 60, black_box(LINE));
        }
        out.len()
    });
}

#[divan::bench]
fn deframe(bencher: Bencher<'_, '_>) {
    let frames = frames();
    bencher.counter(BytesCount::new(frames.len())).bench_local(|| {
        let mut deframer = Deframer::new(1 << 20);
        let (mut at, mut payloads) = (0, 0);
        while let Step::Frame(done, frame) = deframer.next(&frames[at..], More::Ended) {
            payloads += frame.view.payload.map_or(0, <[u8]>::len);
            at += done;
        }
        payloads
    });
}

#[divan::bench]
fn deframe_in_runs(bencher: Bencher<'_, '_>) {
    let frames = frames();
    let mut ends = Vec::with_capacity(COUNT);
    bencher.counter(BytesCount::new(frames.len())).bench_local(|| {
        ends.clear();
        Deframer::new(1 << 20).next_run(black_box(&frames), u64::MAX, &mut ends)
    });
}

fn message() -> Vec<u8> {
    let fields = (0..8).map(|i| Field::integer(format!("field{i}"), i)).collect();
    let message = Message {
        uuid: Some(Bytes::copy_from_slice(&UUID)),
        timestamp: Some(1 << 60),
        payload: Some(Bytes::from_static(LINE)),
        fields,
        ..Message::default()
    };
    message.encode_to_vec()
}

#[divan::bench]
fn view_and_its_last_field(bencher: Bencher<'_, '_>) {
    let message = message();
    bencher.counter(BytesCount::new(message.len())).bench_local(|| {
        let view = MessageView::parse(black_box(&message));
        view.ok().and_then(|view| view.field(b"field7", 0)?.values().next())
    });
}

#[divan::bench]
fn owned_message(bencher: Bencher<'_, '_>) {
    let message = Bytes::from(message());
    bencher
        .counter(BytesCount::new(message.len()))
        .bench_local(|| Message::decode(black_box(message.clone())));
}

#[divan::bench(args = ["md5", "sha1"])]
fn verify(bencher: Bencher<'_, '_>, name: &str) {
    let hash = if name == "md5" { HmacHash::Md5 } else { HmacHash::Sha1 };
    let message = message();
    let signer = Signer::new(b"ops", 1, hash, b"key");
    let digest = signer.sign(&message);
    let header = signer.stamp(Header::default(), &digest);
    let mut keys = Keys::default();
    keys.add(b"ops_1", b"key");
    bencher
        .counter(BytesCount::new(message.len()))
        .bench_local(|| keys.verify(&header, black_box(&message)) == Verdict::Signed(b"ops"));
}
