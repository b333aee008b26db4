// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox's state between runs: checkpoints kept here or committed downstream, global data.

use std::path::Path;

use heka_tests::{Outcome, Signal, TempDir, Tool, sh};

fn plugin(source: &str) -> TempDir {
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    dir
}

fn run(dir: &Path, arguments: &[&str]) -> Outcome {
    Tool::new("heka-sandbox").dir(dir).arg("p.lua").args(arguments).run()
}

/// Sends its checkpoint, and advances it.
const COUNTER: &str = "function process_message(checkpoint)\n\
                       inject_message({Payload = tostring(checkpoint)}, (checkpoint or 0) + 1.5)\n\
                       return 0 end";

const KEPT: [&str; 4] = ["-o", "payload", "--checkpoint", "pos"];

#[test]
fn a_number_comes_back_in_the_next_run() {
    let dir = plugin(COUNTER);
    for wanted in ["nil\n", "1.5\n", "3\n"] {
        run(dir.path(), &KEPT).succeeds().stdout_is(wanted);
    }
}

#[test]
fn strings_of_any_bytes_come_back() {
    let dir = plugin(
        "require 'string' require 'table' local all = {}\n\
         for i = 0, 255 do all[#all + 1] = string.char(i) end all = table.concat(all)\n\
         function process_message(checkpoint)\n\
         inject_message({Payload = checkpoint and tostring(checkpoint == all) or 'first'}, all)\n\
         return 0 end",
    );
    run(dir.path(), &KEPT).succeeds().stdout_is("first\n");
    run(dir.path(), &KEPT).succeeds().stdout_is("true\n");
}

#[test]
fn a_checkpoint_without_a_message_is_kept_too() {
    let dir = plugin(
        "function process_message(checkpoint) inject_message(nil, \"it's \\\"here\\\"\")\n\
         inject_message({Payload = tostring(checkpoint)}) return 0 end",
    );
    run(dir.path(), &KEPT).succeeds().stdout_is("nil\n");
    run(dir.path(), &KEPT).succeeds().stdout_is("it's \"here\"\n");
}

#[test]
fn the_checkpoint_of_what_was_not_written_is_not_kept() {
    let dir = plugin(COUNTER);
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).arg("p.lua").args(KEPT);
    tool.stdout_file(full).run().exits(1);
    run(dir.path(), &KEPT).succeeds().stdout_is("nil\n");
}

#[test]
fn too_long_a_checkpoint_is_refused_with_its_message() {
    let dir = plugin(
        "require 'string' function process_message()\n\
         inject_message({Payload = 'p'}, string.rep('x', read_config('n'))) return 0 end",
    );
    run(dir.path(), &["-o", "payload", "-D", "n=8000"]).succeeds().stdout_is("p\n");
    let outcome = run(dir.path(), &["-o", "payload", "-D", "n=8192"]);
    outcome.exits(1).stdout_is("").stderr_has("inject_message() failed: checkpoint update");
}

#[test]
fn there_is_one_writer() {
    let dir = plugin(
        "local io = require 'io' function process_message()\n\
                      inject_message({Payload = 'p'}) io.stdin:read('*a') return 0 end",
    );
    let first = Tool::new("heka-sandbox").dir(dir.path()).arg("p.lua").args(KEPT);
    let first = first.stdin_open().spawn();
    first.wait_stdout_is("p\n");
    let second = run(dir.path(), &KEPT);
    second.exits(1).stdout_is("").stderr_has("pos: in use by another process");
    first.finish().succeeds();
}

#[test]
fn a_killed_run_loses_at_most_what_a_second_holds() {
    let dir = plugin(
        "local io = require 'io' function process_message(checkpoint)\n\
                      inject_message({Payload = tostring(checkpoint)}, 7) io.stdin:read('*a')\n\
                      return 0 end",
    );
    let first = Tool::new("heka-sandbox").dir(dir.path()).arg("p.lua").args(KEPT);
    let first = first.stdin_open().spawn();
    first.wait_stdout_is("nil\n");
    heka_tests::eventually("the checkpoint", || {
        let text = std::fs::read_to_string(dir.path().join("pos")).unwrap();
        text.contains("n7").then_some(())
    });
    first.end_by(Signal::SIGKILL);
    run(dir.path(), &KEPT).succeeds().stdout_is("7\n");
}

#[test]
fn the_lines_example_goes_on_where_it_stopped() {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples");
    let dir = heka_tests::scratch();
    let log = dir.path().join("log");
    let define = format!("input_file={}", log.display());
    let pos = dir.path().join("pos");
    let run = || {
        let tool = Tool::new("heka-sandbox").dir(&examples).args(["lines.cfg", "-o", "payload"]);
        tool.args(["-D", &define, "--checkpoint"]).arg(&pos).run()
    };
    std::fs::write(&log, "one\ntwo\nthr").unwrap();
    run().succeeds().stdout_is("one\ntwo\n");
    run().succeeds().stdout_is("");
    std::fs::write(&log, "one\ntwo\nthree\n").unwrap();
    run().succeeds().stdout_is("three\n");
    std::fs::write(&log, "new\n").unwrap();
    run().succeeds().stdout_is("new\n");
}

#[test]
fn positions_travel_to_the_stage_that_commits() {
    let dir = plugin(COUNTER);
    let peer = heka_tests::Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let line = format!("heka-sandbox p.lua --resume pos | heka-send -q --commit pos {}", peer.addr);
    for _ in 0..3 {
        sh(&line).dir(dir.path()).run().succeeds().stderr_is("");
    }
    peer.wait_stdout_is("nil\n1.5\n3\n");
}

#[test]
fn resume_alone_writes_nothing() {
    let dir = plugin(COUNTER);
    for _ in 0..2 {
        run(dir.path(), &["-o", "payload", "--resume", "pos"]).succeeds().stdout_is("nil\n");
    }
    assert!(!dir.path().join("pos").exists());
}

#[test]
fn a_checkpoint_without_a_message_travels_too() {
    let dir = plugin(
        "require 'io' function process_message(checkpoint)\n\
         local file = io.open('lines') file:seek('set', checkpoint or 0)\n\
         for line in file:lines() do inject_message({Payload = line}) end\n\
         inject_message(nil, file:seek()) return 0 end",
    );
    std::fs::write(dir.path().join("lines"), "one\ntwo\n").unwrap();
    let peer = heka_tests::Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
    let filter = "heka-decode -m 'Payload != \"two\"' -o heka | heka-encode -i heka";
    let send = format!("heka-send -q --commit pos {}", peer.addr);
    let line = format!("heka-sandbox p.lua --resume pos | {filter} | {send}");
    for _ in 0..3 {
        sh(&line).dir(dir.path()).run().succeeds().stderr_is("");
    }
    std::fs::write(dir.path().join("lines"), "one\ntwo\nthree\n").unwrap();
    sh(&line).dir(dir.path()).run().succeeds().stderr_is("");
    peer.wait_stdout_is("one\nthree\n");
}

/// Sends the length of its checkpoint, and extends it by one from `n` on.
const LONG: &str = "require 'string' function process_message(checkpoint)\n\
                    local n = checkpoint and #checkpoint or read_config('n') - 1\n\
                    inject_message({Payload = tostring(n)}, string.rep('\\30', n + 1)) return 0 end";

#[test]
fn checkpoints_of_8191_bytes_are_kept_and_travel() {
    let keep = "heka-sandbox p.lua -o payload --checkpoint kept";
    for (first, runs) in [(127, vec!["126\n", "127\n"]), (8190, vec!["8189\n", "8190\n"])] {
        let dir = plugin(LONG);
        let peer = heka_tests::Peer::new("heka-listen", ["127.0.0.1:0", "-o", "payload"]);
        let stages = "heka-decode -o heka | heka-encode -i heka | heka-encode -i heka -o json \
                      | heka-encode -i json";
        let send = format!("heka-send -q --commit pos {}", peer.addr);
        for wanted in &runs {
            let source = format!("heka-sandbox p.lua -D n={first}");
            let line = format!("{source} --resume pos | {stages} | {send}");
            sh(&line).dir(dir.path()).run().succeeds().stderr_is("");
            let line = format!("{keep} -D n={first}");
            sh(&line).dir(dir.path()).run().succeeds().stdout_is(wanted).stderr_is("");
        }
        peer.wait_stdout_is(runs.concat());
    }
    let dir = plugin(LONG);
    for flags in [["--resume", "pos"], ["--checkpoint", "pos"]] {
        let outcome = run(dir.path(), &[&flags[..], &["-D", "n=8192"]].concat());
        outcome.exits(1).stdout_is("").stderr_has("inject_message() failed: checkpoint update");
    }
}

#[test]
fn global_data_is_kept_between_runs() {
    let dir = plugin(
        "count, list = 0, {1, {x = 'y\\0\\n\"'}}\n\
         function process_message() count = count + 1\n\
         return -1, count .. tostring(list[2].x == 'y\\0\\n\"') end",
    );
    for wanted in ["-1 1true", "-1 2true", "-1 3true"] {
        run(dir.path(), &["--preserve", "state"]).exits(1).stderr_has(wanted);
    }
    let error = run(dir.path(), &["--preserve", "/nonexistent/state"]);
    error.exits(1).stderr_has("preserve_global_data /nonexistent/state: No such file");
    std::fs::write(dir.path().join("state"), "count =").unwrap();
    // A broken file is reported, kept, and affects nothing.
    let outcome = run(dir.path(), &["--preserve", "state"]);
    outcome.exits(1).stderr_has("-1 1true");
    outcome.stderr_has("warning: restore_global_data state:1: ");
    outcome.stderr_has(", starting without it, kept as state.broken\n");
    assert_eq!(std::fs::read_to_string(dir.path().join("state.broken")).unwrap(), "count =");
    run(dir.path(), &["--preserve", "state"]).exits(1).stderr_has("-1 2true");
}

#[test]
fn more_global_data_than_one_function_has_constants_is_kept() {
    let dir = plugin(
        "data = data or {}\n\
         function process_message()\n\
         local sum = 0 for i, number in ipairs(data) do sum = sum + number end\n\
         for i = 1, 300000 do data[i] = i + 0.5 end\n\
         return -1, string.format('%d %.1f', #data, sum) end\n\
         require 'string'",
    );
    let limits = ["--memory-limit", "0", "--instruction-limit", "0", "--preserve", "state"];
    run(dir.path(), &limits).exits(1).stderr_has("-1 300000 0.0");
    run(dir.path(), &limits).exits(1).stderr_has("-1 300000 45000300000.0");
}

/// 12 MB of Lua for a limit of 16 MB, and more instructions than a call may execute.
#[test]
fn restoring_what_was_kept_takes_no_more_than_the_limits_allow() {
    let dir = plugin(
        "require 'string'\n\
         data = data or {}\n\
         function process_message()\n\
         if #data > 0 then return -1, #data .. data[400000] end\n\
         for i = 1, 400000 do data[i] = i + 0.5 end\n\
         return -1, 'made' end",
    );
    let limit = ["--memory-limit", "16M", "--preserve", "state"];
    run(dir.path(), &[&limit[..], &["--instruction-limit", "0"]].concat()).stderr_has("made");
    run(dir.path(), &limit).exits(1).stderr_has("-1 400000400000.5");
    assert!(std::fs::metadata(dir.path().join("state")).unwrap().len() > 8 << 20);
}

#[test]
fn a_file_of_global_data_is_under_the_limits() {
    let dir = plugin("require 'string' function process_message() return -1, 'called' end");
    let state = dir.path().join("state");
    for (text, wanted) in [
        ("while true do end", "instruction_limit exceeded"),
        ("x = string.rep('x', 2^30)", "restore_global_data state: not enough memory"),
        ("string.find(string.rep('a', 2^18), string.rep('.-', 99) .. 'b')", "cpu_limit exceeded"),
    ] {
        std::fs::write(&state, text).unwrap();
        let outcome = run(dir.path(), &["--preserve", "state", "--cpu-limit", "200ms"]);
        outcome.exits(1).stderr_has(wanted);
        assert!(!outcome.err().contains("called"), "{outcome}");
        assert_eq!(std::fs::read_to_string(&state).unwrap(), text);
    }
    std::fs::File::create(&state).unwrap().set_len(1 << 30).unwrap();
    run(dir.path(), &["--preserve", "state"])
        .exits(1)
        .stderr_has("restore_global_data state: too large");
}

#[test]
fn global_data_is_for_its_owner_and_a_link_to_it_stays() {
    use std::os::unix::fs::{MetadataExt as _, symlink};
    let dir = plugin("count = 0 function process_message() count = count + 1 return 0 end");
    symlink("real", dir.path().join("state")).unwrap();
    for _ in 0..2 {
        run(dir.path(), &["--preserve", "state"]).succeeds();
        assert!(dir.path().join("state").symlink_metadata().unwrap().is_symlink());
    }
    assert_eq!(dir.path().join("real").metadata().unwrap().mode() & 0o7777, 0o600);
}

#[test]
fn a_failed_run_keeps_no_global_data() {
    let dir = plugin("count = 0 function process_message() count = 1 error('x') end");
    run(dir.path(), &["--preserve", "state"]).exits(1);
    assert!(!dir.path().join("state").exists());
}
