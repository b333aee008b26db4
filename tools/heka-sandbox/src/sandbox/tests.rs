// SPDX-License-Identifier: MIT OR Apache-2.0
//! Tests of a plugin's functions: plugins in `tests/lua` that assert what they observe, and single
//! frames with the results of `lsb_heka_cat`.

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use serde_json::Value;

use super::stream::StreamBuffer;
use super::{Limits, Outcome, Sandbox, Script};
use crate::config::Config;
use crate::host::{Checkpoint, Host, Sink, answer};

/// Keeps what is injected.
#[derive(Default)]
struct Keeper(Vec<(Vec<u8>, Option<Checkpoint>)>);

impl Host for Keeper {
    fn inject(&mut self, message: Option<&[u8]>, checkpoint: Option<&Checkpoint>) -> i32 {
        self.0.push((message.unwrap_or_default().to_vec(), checkpoint.cloned()));
        answer::TAKEN
    }

    fn log(&mut self, _: u8, _: &str, _: &str) {}

    fn wait_readable(&mut self, _: BorrowedFd<'_>) -> bool {
        false
    }
}

#[track_caller]
fn passes(name: &str) {
    passes_with(name, &Rc::new(RefCell::new(Sink)));
}

#[track_caller]
fn passes_with<H: Host + 'static>(name: &str, host: &Rc<RefCell<H>>) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/lua");
    let source = std::fs::read(folder.join(name)).unwrap();
    let config = Config::evaluate(b"Logger = 'L' Hostname = 'h' Pid = 42", "=cfg").unwrap();
    let limits = Arc::new(Limits::default());
    let script = Script { name, text: &source, module: None };
    let sandbox = Sandbox::new(script, config, &limits, host).unwrap();
    let outcome = sandbox.process_message(None);
    let text = String::from_utf8_lossy(&outcome.text).into_owned();
    assert_eq!(outcome, Outcome { status: 0, text: Vec::new() }, "{text}");
}

#[test]
fn the_environment_is_cut_down() {
    passes("environment.lua");
}

#[test]
fn errors_have_their_texts_and_positions() {
    passes("errors.lua");
}

#[test]
fn messages_go_there_and_back() {
    passes("messages.lua");
}

#[test]
fn readers_are_the_same_whichever_way_they_are_asked() {
    passes("readers.lua");
}

#[test]
fn tables_are_the_same_whichever_way_they_take() {
    let host = Rc::new(RefCell::new(Keeper::default()));
    passes_with("tables.lua", &host);
    let kept = &host.borrow().0;
    assert!(kept.len() > 100, "{}", kept.len());
    for pair in kept.chunks(2) {
        assert_eq!(pair[0], pair[1]);
    }
}

#[test]
fn odd_frames_are_taken_or_refused_as_by_lsb_heka_cat() {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/vectors/frames.jsonl");
    for line in std::fs::read_to_string(vectors).unwrap().lines() {
        let case: Value = serde_json::from_str(line).unwrap();
        let hex: Vec<char> = case["hex"].as_str().unwrap().chars().collect();
        let bytes: Vec<u8> = hex
            .chunks(2)
            .map(|pair| u8::from_str_radix(&pair.iter().collect::<String>(), 16).unwrap())
            .collect();
        let mut buffer = StreamBuffer::new(1 << 20);
        assert!(buffer.reserve(bytes.len()));
        buffer.push(&bytes);
        let mut found = 0;
        while buffer.find(true).found {
            found += 1;
        }
        let recorded = case["text"].as_str().unwrap().matches(":Uuid:").count();
        assert_eq!(found, recorded, "{}", case["id"]);
    }
}
