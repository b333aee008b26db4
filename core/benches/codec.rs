// SPDX-License-Identifier: MIT OR Apache-2.0
//! Bytes per second of what heka-decode does with each message, deframing included:
//! `cargo bench -p heka-core --features regex --bench codec`.

use divan::Bencher;
use divan::counter::{BytesCount, ItemsCount};
use heka_core::codec::{Encoder, Form, Matcher, Settings};
use heka_core::wire::{Deframer, Frame, Header, Message, More, Step, Template};

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
    let frames = frames();
    let mut encoder = Encoder::new(form, Settings::default());
    let mut out = Vec::with_capacity(2 * frames.len());
    bencher.counter(BytesCount::new(frames.len())).bench_local(|| {
        out.clear();
        each_frame(&frames, |frame| encoder.put(&mut out, frame));
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
