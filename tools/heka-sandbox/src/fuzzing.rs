// SPDX-License-Identifier: MIT OR Apache-2.0
//! The inputs of a plugin, and the data that it leaves behind, for the fuzz targets.

#![cfg(feature = "fuzzing")]
#![expect(dead_code, unused_imports, reason = "the parsers alone are used")]

mod config;
mod host;
mod sandbox;

use std::cell::RefCell;
use std::os::fd::BorrowedFd;
use std::path::Path;
use std::rc::Rc;
use std::sync::Arc;

use config::{Config, Setting};
use host::{Checkpoint, Sink};
use sandbox::{Limits, Sandbox, Script, State};

fn sandbox(source: &str) -> Sandbox {
    let config = b"memory_limit = 8388608 instruction_limit = 1000000 max_message_size = 8192";
    let config = Config::evaluate(config, "=cfg").expect("settings");
    let host = Rc::new(RefCell::new(Sink));
    let limits = Arc::new(Limits::default());
    let script = Script { name: "p.lua", text: source.as_bytes(), module: None };
    Sandbox::new(script, config, &limits, &host).expect("a plugin")
}

/// Evaluates a configuration, and the same text as one argument, to plain values or rejects it.
pub fn configuration(input: &[u8]) {
    if let Ok(config) = Config::evaluate(input, "=cfg") {
        for name in config.names() {
            assert!(config.get(&name).is_some() || name.contains('\u{fffd}'));
        }
    }
    if let Ok(text) = std::str::from_utf8(input) {
        let quoted = Config::literal(text);
        assert!(matches!(&quoted, Setting::Text(same) if same == input) || !input.is_empty());
    }
}

/// Executes the data of an earlier run within limits; restored data can be stored again.
pub fn preserved(input: &[u8], scratch: &Path) {
    let restored = || sandbox("function process_message() return 0 end");
    std::fs::write(scratch, input).expect("a scratch file");
    let first = restored();
    if first.restore(scratch).is_err() || first.preserve(scratch).is_err() {
        return;
    }
    // A table with several names keeps any of them; the data of the second time is the same the
    // third time.
    let count = |path: &Path| {
        let text = std::fs::read(path).unwrap_or_default();
        text.iter().filter(|byte| **byte == b'\n').count()
    };
    let lines = count(scratch);
    let second = restored();
    second.restore(scratch).expect("it was just kept");
    second.preserve(scratch).expect("it was kept before");
    assert_eq!(count(scratch), lines, "other data");
}

/// Reads a stream of messages like a plugin, in pieces of the length in the first byte.
pub fn stream_reader(input: &[u8]) {
    const PLUGIN: &str = r#"
        require "string"
        local function all(text, piece)
            local reader, found, consumed = create_stream_reader("r"), 0, 0
            for start = 1, #text, piece do
                local part = string.sub(text, start, start + piece - 1)
                repeat
                    local ok, done, need = reader:find_message(part)
                    part = nil
                    consumed = consumed + done
                    if ok then
                        found = found + 1
                        reader:read_message("Payload")
                        reader:read_message("Fields[a]")
                        reader:read_message("raw")
                    end
                until not ok and done == 0 or not ok and need > 0
            end
            return found, consumed
        end
        function process_message(text)
            local found, consumed = all(text, 200)
            assert(consumed <= #text, "more than came")
            local again = all(text, string.byte(text, 1) % 64 + 8)
            assert(found == again, "pieces matter: " .. found .. ", " .. again)
            return 0
        end"#;
    if input.is_empty() {
        return;
    }
    let sandbox = sandbox(PLUGIN);
    let outcome = sandbox.process_message(Some(&Checkpoint::Text(input.to_vec())));
    let text = String::from_utf8_lossy(&outcome.text);
    let limits = ["instruction_limit", "not enough memory", "buffer reallocation failed"];
    let is_limit = limits.iter().any(|limit| text.contains(limit));
    assert!(sandbox.state() != State::Terminated || is_limit, "{text}");
}
