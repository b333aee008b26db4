// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replays the behaviour of `lua_sandbox` 1.4.0 with 23 plugins in 53 configurations.
//!
//! `tests/vectors/manifest.jsonl` was recorded with a small C program around its library. One line
//! is one run: configuration, arguments of the recorder, and all events in order. Values that
//! differ from run to run are `"<volatile>"`. [`DIFFERENCES`] lists deliberate differences.
use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::path::{Path, PathBuf};
use std::rc::Rc;
use std::sync::Arc;

use heka_core::wire::MessageView;
use serde_json::{Value, json};

use super::read::{FieldValue, Member, members};
use super::strict::walk;
use super::{Cause, Limits, Sandbox, Script, State};
use crate::config::Config;
use crate::host::{Checkpoint, Host};

/// Cases whose recorded events differ from ours, and why. All other events must be equal.
const DIFFERENCES: [(&str, &str); 3] = [
    ("08_output_limit", "a message may take all of output_limit: the C encoder keeps 8 bytes back"),
    ("10_stale_error", "each refusal names its own reason: the C code repeats an earlier one"),
    ("32_return_types@18", "an error that says 'shutting down' is no end in order"),
];

struct Recorder {
    events: Vec<Value>,
    answer: i32,
    calls: u64,
    limits: Arc<Limits>,
    stop_at: Option<u64>,
    stop_after: Option<u64>,
    checkpoint: Option<Checkpoint>,
}

impl Host for Recorder {
    fn inject(&mut self, message: Option<&[u8]>, checkpoint: Option<&Checkpoint>) -> i32 {
        self.calls += 1;
        if self.stop_at == Some(self.calls) {
            self.limits.stop(Cause::Shutdown);
        }
        if let (Some(after), limits) = (self.stop_after, Arc::clone(&self.limits)) {
            std::thread::spawn(move || {
                std::thread::park_timeout(std::time::Duration::from_millis(after));
                limits.stop(Cause::Shutdown);
            });
        }
        if message.is_none() && checkpoint.is_none() {
            self.events.push(json!({"event": "sync", "rv": self.answer}));
            return self.answer;
        }
        let mut event = json!({"event": "inject", "cp": shown(checkpoint), "rv": self.answer});
        match message {
            None => event["msg"] = Value::Null,
            Some(message) => {
                event["len"] = json!(message.len());
                event["hex"] = json!(hex(message));
            }
        }
        self.events.push(event);
        if self.answer == 0 {
            self.checkpoint = checkpoint.cloned().or(self.checkpoint.take());
        }
        self.answer
    }

    fn log(&mut self, level: u8, component: &str, text: &str) {
        self.events
            .push(json!({"event": "log", "component": component, "level": level, "text": text}));
    }

    fn wait_readable(&mut self, _: BorrowedFd<'_>) -> bool {
        true
    }
}

fn shown(checkpoint: Option<&Checkpoint>) -> Value {
    match checkpoint {
        None => Value::Null,
        #[expect(clippy::cast_possible_truncation, reason = "recorded ones are small")]
        Some(Checkpoint::Number(number)) if number.fract() == 0.0 => json!(*number as i64),
        Some(Checkpoint::Number(number)) => json!(number),
        Some(Checkpoint::Text(text)) => json!(String::from_utf8_lossy(text)),
    }
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Vec<u8> {
    let digits: Vec<u8> =
        text.chars().map(|c| u8::try_from(c.to_digit(16).unwrap()).unwrap()).collect();
    digits.chunks(2).map(|pair| pair[0] << 4 | pair[1]).collect()
}

fn vectors() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors")
}

fn argument<'a>(case: &'a Value, flag: &str) -> Option<&'a str> {
    let arguments = case["args"].as_array().unwrap();
    let at = arguments.iter().position(|argument| argument == flag)?;
    arguments[at + 1].as_str()
}

fn number(case: &Value, flag: &str) -> Option<u64> {
    argument(case, flag).map(|text| text.parse().unwrap())
}

/// Runs one case as the recorder did.
fn run(case: &Value, state_file: Option<&Path>) -> Vec<Value> {
    let limits = Arc::new(Limits::default());
    let checkpoint = argument(case, "-N")
        .map(|text| Checkpoint::Number(text.parse().unwrap()))
        .or_else(|| argument(case, "-s").map(|text| Checkpoint::Text(text.into())));
    let host = Rc::new(RefCell::new(Recorder {
        events: Vec::new(),
        answer: argument(case, "-r").map_or(0, |text| text.parse().unwrap()),
        calls: 0,
        limits: Arc::clone(&limits),
        stop_at: number(case, "-F"),
        stop_after: number(case, "-T"),
        checkpoint,
    }));
    let mut config = case["cfg"].as_str().unwrap().to_owned();
    for file in ["damaged.heka", "good3.heka"] {
        config = config.replace(file, vectors().join(file).to_str().unwrap());
    }
    let config = Config::evaluate(config.as_bytes(), "=cfg").unwrap();
    let name = case["lua"].as_str().unwrap();
    let source = std::fs::read(vectors().join(name)).unwrap();
    let events = |host: &Rc<RefCell<Recorder>>| host.borrow().events.clone();
    let script = Script { name, text: &source, module: None };
    let Ok(sandbox) = Sandbox::new(script, config, &limits, &host) else {
        host.borrow_mut().events.push(json!({"event": "create", "ok": false}));
        return events(&host);
    };
    if let Some(path) = state_file {
        sandbox.restore(path).unwrap();
    }
    host.borrow_mut().events.push(json!({"event": "create", "ok": true}));
    let mut text = String::new();
    for _ in 0..number(case, "-n").unwrap_or(1) {
        let checkpoint = host.borrow().checkpoint.clone();
        host.borrow_mut().events.push(json!({"event": "call", "cp": shown(checkpoint.as_ref())}));
        let outcome = sandbox.process_message(checkpoint.as_ref());
        let state = if sandbox.state() == State::Terminated { 2 } else { 1 };
        if !outcome.text.is_empty() {
            text = String::from_utf8_lossy(&outcome.text).into_owned();
        }
        host.borrow_mut()
            .events
            .push(json!({"event": "return", "rc": outcome.status, "err": text, "state": state}));
    }
    let counts = sandbox.counts();
    host.borrow_mut().events.push(json!({
        "event": "stats", "im_cnt": counts.messages.get(), "im_bytes": counts.bytes.get(),
        "pm_cnt": counts.calls.get(), "pm_failures": counts.failures.get(),
        "mem_cur": "<volatile>", "mem_max": "<volatile>", "out_max": 0,
        "ins_max": counts.instructions.get(),
    }));
    if let Some(path) = state_file {
        sandbox.preserve(path).unwrap();
    }
    host.borrow_mut().events.push(json!({"event": "destroy", "err": null}));
    events(&host)
}

/// Whether our event is the recorded one. A message is compared by its bytes if they are recorded,
/// otherwise by its length and its parts.
fn same(recorded: &Value, ours: &Value) -> bool {
    let members = recorded.as_object().unwrap();
    members.iter().all(|(name, value)| match (name.as_str(), value) {
        (_, Value::String(text)) if text.contains("<volatile>") => true,
        ("msg", Value::Null) => ours.get("hex").is_none(),
        ("msg", message) => same_message(message, &unhex(ours["hex"].as_str().unwrap())),
        ("len", _) if recorded["msg"]["Hostname"] == "<gethostname>" => true,
        ("len", _) if is_volatile(&recorded["msg"]["Payload"]) => true,
        // lua_sandbox truncates errors after 255 bytes.
        ("err", Value::String(text)) if text.len() == 255 => {
            ours[name].as_str().is_some_and(|ours| ours.starts_with(text.as_str()))
        }
        ("text" | "err", Value::String(text)) => {
            ours[name].as_str().is_some_and(|ours| ours == text)
        }
        _ => ours.get(name) == Some(value),
    })
}

fn is_volatile(value: &Value) -> bool {
    value.as_str().is_some_and(|text| text.contains("<volatile>"))
}

fn same_message(recorded: &Value, ours: &[u8]) -> bool {
    let view = MessageView::parse(ours).unwrap();
    let text = |name: &str, ours: Option<&[u8]>| match (&recorded[name], ours) {
        (Value::Null, ours) => ours.is_none(),
        (Value::String(text), Some(_)) if text == "<gethostname>" || is_volatile(&json!(text)) => {
            true
        }
        (Value::String(text), Some(ours))
            if text.ends_with('>') && text.contains(" chars, begins ") =>
        {
            text.strip_prefix('<').unwrap().split(' ').next() == Some(&ours.len().to_string())
        }
        (Value::String(text), Some(ours)) => text.as_bytes() == ours,
        (Value::Object(bytes), Some(ours)) => bytes["hex"] == hex(ours),
        _ => false,
    };
    let number = |name: &str, ours: Option<i64>| match &recorded[name] {
        Value::String(_) => ours.is_some(),
        recorded => recorded.as_i64() == ours,
    };
    let uuid = recorded["Uuid"].as_str().unwrap();
    (is_volatile(&recorded["Uuid"]) || uuid == hex(view.uuid.unwrap()))
        && number("Timestamp", view.timestamp)
        && text("Type", view.type_)
        && text("Logger", view.logger)
        && number("Severity", view.severity.map(i64::from))
        && text("Payload", view.payload)
        && text("EnvVersion", view.env_version)
        && text("Hostname", view.hostname)
        && same_fields(&recorded["Fields"], ours)
}

/// The parts of a field.
#[derive(Default)]
struct FieldParts<'a> {
    name: Option<&'a [u8]>,
    value_type: Option<i64>,
    representation: Option<&'a [u8]>,
    values: Vec<FieldValue<'a>>,
}

fn fields(message: &[u8]) -> Vec<FieldParts<'_>> {
    let mut fields = Vec::new();
    walk(message, |bytes| {
        let mut field = FieldParts::default();
        members(bytes, |member| match member {
            Member::Name(name) => field.name = Some(name),
            Member::Type(number) => field.value_type = Some(number),
            Member::Representation(text) => field.representation = Some(text),
            Member::Value(value) => field.values.push(value),
        })?;
        fields.push(field);
        Ok(())
    })
    .unwrap();
    fields
}

fn same_fields(recorded: &Value, ours: &[u8]) -> bool {
    let recorded: &[Value] = recorded.as_array().map_or(&[], Vec::as_slice);
    let ours = fields(ours);
    recorded.len() == ours.len()
        && recorded.iter().zip(&ours).all(|(recorded, ours)| {
            let values = recorded["value"].as_array().unwrap();
            recorded["name"].as_str().map(str::as_bytes) == ours.name
                && recorded["value_type"].as_i64() == ours.value_type
                && recorded["representation"].as_str().map(str::as_bytes) == ours.representation
                && values.len() == ours.values.len()
                && values.iter().zip(&ours.values).all(|(value, ours)| match ours {
                    FieldValue::Text(ours) if value.is_object() => value["bytes"] == hex(ours),
                    FieldValue::Text(ours) => value.as_str().map(str::as_bytes) == Some(ours),
                    FieldValue::Number(ours) => value.as_f64() == Some(*ours),
                    FieldValue::Bool(ours) => value.as_bool() == Some(*ours),
                })
        })
}

#[test]
fn plugins_do_what_they_did_in_lua_sandbox() {
    let manifest = std::fs::read_to_string(vectors().join("manifest.jsonl")).unwrap();
    let state = tempfile::tempdir().unwrap();
    let state_file = state.path().join("state");
    let (mut cases, mut failures) = (0, Vec::new());
    for line in manifest.lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let id = case["id"].as_str().unwrap();
        if case["stdin"] != Value::Null {
            continue; // run as a process, in tests/tests/heka_sandbox.rs
        }
        cases += 1;
        let kept = argument(&case, "-S").map(|_| state_file.as_path());
        let ours = run(&case, kept);
        let recorded = case["events"].as_array().unwrap();
        let differs = recorded.len() != ours.len()
            || recorded.iter().zip(&ours).any(|(recorded, ours)| !same(recorded, ours));
        let wrong_state = kept
            .is_some_and(|path| case["state_file_after"] != std::fs::read_to_string(path).unwrap());
        if (differs || wrong_state) != DIFFERENCES.iter().any(|(name, _)| *name == id) {
            for (recorded, ours) in recorded.iter().zip(&ours) {
                if !same(recorded, ours) {
                    failures.push(format!("{id}:\n  recorded {recorded}\n  ours     {ours}"));
                }
            }
            if wrong_state {
                let ours = std::fs::read_to_string(&state_file).unwrap();
                failures.push(format!("{id}: state file:\n{ours}"));
            }
            if recorded.len() != ours.len() || !differs {
                failures.push(format!("{id}: {} events, ours {}", recorded.len(), ours.len()));
            }
        }
    }
    assert!(cases >= 52, "only {cases} cases");
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}
