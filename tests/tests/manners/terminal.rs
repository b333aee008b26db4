// SPDX-License-Identifier: MIT OR Apache-2.0
//! On a terminal people read: text instead of frames, and nothing that harms it.

use heka_tests::{Pty, Tool};

#[test]
fn encode_shows_text() {
    let pty = Pty::open();
    let outcome = Tool::new("heka-encode").stdin("Heka, World2!\n").stdout_file(pty.end()).run();
    outcome.succeeds();
    let screen = pty.wait_screen("the line", |text| text.contains("Heka, World2!"));
    assert!(!screen.contains('\x1e'), "{screen:?}");
}

#[test]
fn frames_are_refused() {
    for tool in ["heka-encode", "heka-decode"] {
        let pty = Pty::open();
        let outcome = Tool::new(tool).args(["-o", "heka"]).stdout_file(pty.end()).run();
        outcome.exits(2).stderr_has("terminal");
    }
}

#[test]
fn control_characters_in_payloads_are_harmless() {
    let frames = Tool::new("heka-encode").stdin("a\x1b]0;owned\x07b\n").run();
    let pty = Pty::open();
    let decode = Tool::new("heka-decode").stdin(frames.stdout).stdout_file(pty.end()).run();
    decode.succeeds();
    let screen = pty.wait_screen("the line", |text| text.ends_with("b\n"));
    assert!(!screen.contains('\x1b') && !screen.contains('\x07'), "{screen:?}");
}

#[test]
fn a_line_typed_is_answered_at_once() {
    let pty = Pty::open();
    let decode_of_encode = "heka-encode | heka-decode";
    let mut running = heka_tests::sh(decode_of_encode).stdin_file(pty.end()).spawn();
    pty.type_in("typed\n");
    running.wait_stdout_is("typed\n");
    assert!(running.is_running());
    pty.type_in("\x04");
    running.finish().succeeds().stdout_is("typed\n");
}
