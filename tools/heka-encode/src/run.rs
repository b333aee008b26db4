// SPDX-License-Identifier: MIT OR Apache-2.0
//! Lines in, framed messages out.

use heka_core::clock;
use heka_core::exit::{Status, Stop};
use heka_core::io::{Input, Output};
use heka_core::stats;
use heka_core::wire::{Header, Template};
use memchr::memchr_iter;

use crate::cli::{Form, Plan};

/// Encodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let mut out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
    if out.is_terminal() && plan.form == Some(Form::Heka) {
        return Err(Stop::usage("framed messages are not for a terminal (hint: | cat)"));
    }
    let is_text = out.is_terminal() || plan.form == Some(Form::Payload);
    if is_text {
        out = out.text();
    }
    let mut encoder = Encoder { template: plan.template.clone(), is_text };
    let mut status = Status::Done;
    for file in &plan.files {
        let mut input = match Input::open(file) {
            Ok(input) => input,
            Err(Stop::Error { status: failed, text }) => {
                heka_core::diag::error(text);
                status = status.and(failed);
                continue;
            }
            Err(stop) => return Err(stop),
        };
        let ended = encode(&mut input, &mut out, plan.delimiter, &mut encoder);
        // Also what was made before an error or a signal is written.
        out.flush()?;
        ended?;
    }
    Ok(status.and(plan.writing.status(stats::MESSAGES.value())))
}

fn encode(
    input: &mut Input,
    out: &mut Output,
    delimiter: u8,
    encoder: &mut Encoder,
) -> Result<(), Stop> {
    loop {
        let more = input.fill(out)?;
        let now = clock::now_ns();
        let mut done = 0;
        for end in memchr_iter(delimiter, input.data()) {
            encoder.put(&input.data()[done..end], now, out)?;
            done = end + 1;
        }
        if !more && done < input.data().len() {
            encoder.put(&input.data()[done..], now, out)?;
            done = input.data().len();
        }
        input.consume(done);
        if !more {
            return Ok(());
        }
    }
}

struct Encoder {
    template: Template,
    is_text: bool,
}

impl Encoder {
    fn put(&mut self, payload: &[u8], now: i64, out: &mut Output) -> Result<(), Stop> {
        if self.is_text {
            out.put(payload);
            out.put(b"\n");
        } else {
            let uuid = clock::random_uuid();
            self.template
                .put_frame(out.buffer(), Header::default(), uuid, now, payload)
                .map_err(Stop::failed)?;
        }
        stats::MESSAGES.add(1);
        out.end_record()
    }
}
