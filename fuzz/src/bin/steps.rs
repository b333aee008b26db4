// SPDX-License-Identifier: MIT OR Apache-2.0
//! Checks that every parser's work is proportional to its input: each target runs on each input of
//! its corpus, and of `steps/`, which contains inputs made to be slow, repeated to a length and to
//! twice and four times that length. The comparisons executed are counted, not the time: the
//! compiler calls a function for each (`-sanitizer-coverage-trace-compares`; see `fuzz/run`).

use std::path::Path;
use std::process::ExitCode;
use std::sync::atomic::{AtomicU64, Ordering};

use heka_fuzz::targets::ALL;

static STEPS: AtomicU64 = AtomicU64::new(0);

fn step() {
    STEPS.fetch_add(1, Ordering::Relaxed);
}

/// Functions called by instrumented code.
mod hooks {
    use super::step;

    macro_rules! count {
        ($($name:ident($($of:ty),*))*) => { $(
            #[unsafe(no_mangle)]
            extern "C" fn $name($(_: $of),*) {
                step();
            }
        )* };
    }

    count! {
        __sanitizer_cov_trace_cmp1(u8, u8)
        __sanitizer_cov_trace_cmp2(u16, u16)
        __sanitizer_cov_trace_cmp4(u32, u32)
        __sanitizer_cov_trace_cmp8(u64, u64)
        __sanitizer_cov_trace_const_cmp1(u8, u8)
        __sanitizer_cov_trace_const_cmp2(u16, u16)
        __sanitizer_cov_trace_const_cmp4(u32, u32)
        __sanitizer_cov_trace_const_cmp8(u64, u64)
        __sanitizer_cov_trace_switch(u64, *const u64)
        __sanitizer_cov_trace_pc_indir(usize)
    }

    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_cov_8bit_counters_init(_: *const u8, _: *const u8) {}

    #[unsafe(no_mangle)]
    extern "C" fn __sanitizer_cov_pcs_init(_: *const usize, _: *const usize) {}
}

/// The smallest of the three lengths.
const LEN: usize = 8192;
/// With quadratic work, four times the input would take sixteen times the steps.
const MOST_GROWTH: u64 = 6;
/// Fewer steps per byte than this are not quadratic at these lengths; the steps also grow if an
/// input is cut off and refused early at one length and read at another.
const FEW: u64 = 200;

fn steps(run: fn(&[u8]), input: &[u8]) -> u64 {
    let before = STEPS.load(Ordering::Relaxed);
    run(input);
    STEPS.load(Ordering::Relaxed) - before
}

/// Encloses the part of an input to repeat, for inputs that need a valid end.
const MARK: &[u8] = b"<REPEAT>";

/// Repeats the second half of an input, whose first bytes may control the target; or the part
/// between two marks.
fn grown(input: &[u8], len: usize) -> Vec<u8> {
    let marks: Vec<usize> = input
        .windows(MARK.len())
        .enumerate()
        .filter(|(_, window)| *window == MARK)
        .map(|(at, _)| at)
        .collect();
    let (head, body, tail) = if let [first, second] = marks[..] {
        (&input[..first], &input[first + MARK.len()..second], &input[second + MARK.len()..])
    } else {
        let (head, body) = input.split_at(input.len().min(4));
        (head, if body.is_empty() { head } else { body }, &[][..])
    };
    let room = len.saturating_sub(head.len() + tail.len());
    // Repeats whole parts if the end must fit.
    let room = if tail.is_empty() { room } else { room - room % body.len().max(1) };
    let mut grown = head.to_vec();
    grown.extend(body.iter().copied().cycle().take(room));
    grown.extend_from_slice(tail);
    grown
}

fn check(name: &str, run: fn(&[u8]), path: &Path) -> Result<u64, String> {
    let input = std::fs::read(path).map_err(|error| format!("{}: {error}", path.display()))?;
    if input.is_empty() {
        return Ok(0);
    }
    let inputs = [LEN, 2 * LEN, 4 * LEN].map(|len| grown(&input, len));
    // One-time allocation and compilation is done before counting.
    run(&inputs[0]);
    let [short, _, long] = inputs.each_ref().map(|input| steps(run, input));
    let per_byte = long / (4 * LEN as u64);
    if per_byte > FEW && long > MOST_GROWTH * short {
        let path = path.display();
        return Err(format!("{name}: {path}: {short} steps, {long} for four times as much"));
    }
    Ok(per_byte)
}

fn main() -> ExitCode {
    let wanted: Vec<String> = std::env::args().skip(1).collect();
    let mut is_failed = false;
    for (name, run) in ALL
        .iter()
        .filter(|(name, _)| wanted.is_empty() || wanted.iter().any(|wanted| wanted == name))
    {
        let (mut count, mut most) = (0, 0);
        for folder in ["corpus", "steps"] {
            let Ok(entries) = Path::new(folder).join(name).read_dir() else {
                println!("{name}: no inputs in {folder}/");
                is_failed = true;
                continue;
            };
            for entry in entries.flatten() {
                match check(name, *run, &entry.path()) {
                    Ok(per_byte) => most = most.max(per_byte),
                    Err(words) => {
                        println!("{words}");
                        is_failed = true;
                    }
                }
                count += 1;
            }
        }
        println!("{name:18} {count} inputs, at most {most} steps a byte");
    }
    ExitCode::from(u8::from(is_failed))
}
