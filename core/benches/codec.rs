// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes per second of what heka-decode does with each message, deframing included:
//! `cargo bench -p heka-core --features regex --bench codec`.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use heka_core::codec::{Encoder, Form, Matcher, Settings};
use heka_core::wire::{
    Deframer, Field, Frame, Header, Message, More, Step, Template, ValueType, put_frame,
    put_message,
};

const COUNT: usize = 1000;

fn main() {
    divan::main();
}

/// Messages of about 500 bytes with an access-log line in them.
fn frames() -> Vec<u8> {
    let message = Message {
        r#type: Some("access".into()),
        logger: Some("access.log".into()),
        hostname: Some("host.example.org".into()),
        severity: Some(6),
        ..Message::default()
    };
    let mut template = Template::new(&message, None);
    let line = format!("10.0.0.1 - - [10/Oct/2000:13:55:36 -0700] \"GET /x\" 200 {:380}", "-");
    let mut out = Vec::new();
    for time in 0..1000 {
        let _fits = template.put_frame(
            &mut out,
            Header::default(),
            [0x55; 16],
            (1 << 60) + time,
            line.as_bytes(),
        );
    }
    out
}

/// Messages of about 150 bytes, five fields among them.
fn small_frames() -> Vec<u8> {
    let mut out = Vec::new();
    for number in 0..1000_i64 {
        let message = Message {
            uuid: Some([0x55; 16].to_vec().into()),
            timestamp: Some((1 << 60) + number * 1000),
            r#type: Some("nginx.access".into()),
            logger: Some("nginx".into()),
            severity: Some(6),
            payload: Some("GET /x".into()),
            hostname: Some("web00".into()),
            fields: vec![
                Field::integer("status", 404),
                Field::integer("bytes", number),
                Field::string("user", "someone"),
                Field::string("method", "GET"),
                Field { value_double: vec![0.25], ..Field::empty("took", ValueType::Double) },
            ],
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        let _fits = put_frame(&mut out, Header::default(), &bytes);
    }
    out
}

#[divan::bench(args = [Form::Payload, Form::Json, Form::Short])]
fn encode_small(bencher: Bencher<'_, '_>, form: Form) {
    measure(bencher, &small_frames(), form);
}

fn each_frame(frames: &[u8], mut receive: impl FnMut(&Frame<'_>)) {
    let mut deframer = Deframer::new(1 << 20);
    let mut at = 0;
    while let Step::Frame(done, frame) = deframer.next(&frames[at..], More::Ended) {
        receive(&frame);
        at += done;
    }
}

#[divan::bench(args = [Form::Payload, Form::Json, Form::Text, Form::Short, Form::Heka])]
fn encode(bencher: Bencher<'_, '_>, form: Form) {
    measure(bencher, &frames(), form);
}

fn measure(bencher: Bencher<'_, '_>, frames: &[u8], form: Form) {
    let mut encoder = Encoder::new(form, Settings::default());
    let mut out = Vec::with_capacity(2 * frames.len());
    bencher.counter(BytesCount::new(frames.len())).bench_local(|| {
        out.clear();
        each_frame(frames, |frame| encoder.put(&mut out, frame));
        out.len()
    });
}

#[divan::bench(args = ["Severity == 6 && Payload =~ /GET/", "Fields[status] == 404", "Payload =~ 'G.T'"])]
fn matched(bencher: Bencher<'_, '_>, expression: &str) {
    let frames = frames();
    let Ok(matcher) = Matcher::new(expression) else { return };
    bencher.counter(ItemsCount::new(COUNT)).bench_local(|| {
        let mut count = 0;
        each_frame(&frames, |frame| count += usize::from(matcher.is_match(&frame.view)));
        count
    });
}
