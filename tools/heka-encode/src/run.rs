// SPDX-License-Identifier: MIT OR Apache-2.0
//! Converts records to messages.

use std::ops::ControlFlow;

use heka_core::codec::Form;
use heka_core::decode::PRESETS;
use heka_core::os::{Flow, Input, Output, unpacked};
use heka_core::report::{self, Status, Stop};

use crate::cli::InputForm;
use crate::emit::Emitter;
use crate::frames::Frames;
use crate::input::is_frames;
use crate::plan::Plan;
use crate::records::Records;
use crate::stage::Stage;

/// Encodes all files in turn.
pub(crate) fn run(plan: &Plan) -> Result<Status, Stop> {
    let mut out = Output::stdout()?;
    if plan.lists_presets {
        for (name, what) in PRESETS {
            out.put(format!("{name:16} {what}\n").as_bytes());
        }
        return out.flush().map(|()| Status::Done);
    }
    let out = out.unlike(&plan.files)?.unbuffered(plan.writing.unbuffered);
    let (encoder, mut out) = plan.showing.open(Form::Heka, plan.color, out)?;
    let mut stage = Stage::new(plan, Emitter::new(plan, encoder, &out))?;
    Input::expect(&plan.files);
    for file in &plan.files {
        let ended = encode(&mut stage, file, &mut out);
        // Output produced before an error or a signal is written too.
        if !matches!(ended, Err(Stop::BrokenPipe)) {
            out.flush()?;
        }
        match ended {
            Ok(ControlFlow::Continue(())) => {}
            Ok(ControlFlow::Break(())) => break,
            Err(Stop::Error { status, text }) => {
                report::error(text);
                stage.status = stage.status.and(status);
            }
            Err(stop) => return Err(stop),
        }
    }
    // Records cut short by -n or an error.
    stage.put_all_held(&mut out)?;
    stage.put_marks(&mut out)?;
    out.flush()?;
    let lost = stage.emitter.has_lost() || plan.strict && stage.misfits > 0;
    let status = stage.status.and(Status::failed_if(lost));
    Ok(status.and(plan.writing.status(stage.emitter.written())))
}

/// Encodes one file.
fn encode(stage: &mut Stage<'_>, file: &str, out: &mut Output) -> Flow {
    if stage.left == 0 {
        return Ok(ControlFlow::Break(()));
    }
    let input = Input::open(file)?;
    stage.emitter.name.clear();
    stage.emitter.name.push_str(input.name());
    let form = stage.plan.input;
    if form == InputForm::Whole {
        return Records::new(stage).encode_whole(input, out);
    }
    let mut input = unpacked(input, out)?;
    if form == InputForm::Heka || form == InputForm::Auto && is_frames(&mut input, out)? {
        return Frames::new(stage).encode(input, out);
    }
    if stage.plan.from.is_some() && !input.data().is_empty() {
        let text =
            format_args!("{}: not framed; --from is for framed messages", stage.emitter.name);
        return Err(Stop::usage(text));
    }
    Records::new(stage).encode(input, out)
}
