// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framed messages in, text out.

use std::ops::ControlFlow;

use heka_core::exit::{Status, Stop};
use heka_core::io::{Input, Output};
use heka_core::stats;
use heka_core::stream::{Flow, FrameReader};
use heka_core::wire::Frame;

use crate::cli::{Form, Plan};

/// Decodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let mut out = Output::stdout()?.unbuffered(plan.writing.unbuffered);
    if plan.form != Form::Heka {
        out = out.text();
    } else if out.is_terminal() {
        return Err(Stop::usage("framed messages are not for a terminal (hint: | cat)"));
    }
    let mut status = Status::Done;
    for file in &plan.files {
        let mut reader = FrameReader::new(Input::open(file)?, plan.max_message_size, 0);
        let ended = reader.read_all(&mut out, |frame, out| put(plan, frame, out));
        // Also what was made before an error or a signal is written.
        out.flush()?;
        status = status.and(Status::failed_if(reader.damages() > 0));
        if ended?.is_break() {
            break;
        }
    }
    if plan.count {
        out.put(format!("{}\n", stats::MESSAGES.value()).as_bytes());
        out.flush()?;
    }
    Ok(status.and(plan.writing.status(stats::MESSAGES.value())))
}

fn put(plan: &Plan, frame: &Frame<'_>, out: &mut Output) -> Flow {
    stats::MESSAGES.add(1);
    if plan.count {
        return Ok(ControlFlow::Continue(()));
    }
    match plan.form {
        Form::Heka => out.put(frame.bytes),
        Form::Payload => {
            let payload = frame.view.payload.unwrap_or_default();
            out.put(payload);
            if !payload.ends_with(b"\n") {
                out.put(b"\n");
            }
        }
    }
    out.end_record()?;
    Ok(ControlFlow::Continue(()))
}
