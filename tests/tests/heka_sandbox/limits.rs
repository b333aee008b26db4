// SPDX-License-Identifier: MIT OR Apache-2.0
//! Plugins that try to run forever or to take all memory. Each must end with an error, and its
//! earlier messages are not lost.

use std::fs::File;
use std::io::{Read as _, Write as _};
use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use heka_tests::{Outcome, Running, Signal, Tool};
use nix::fcntl::{FcntlArg, fcntl};

/// Runs a plugin under the default limits, except for one second of processor time.
fn run(source: &str) -> Outcome {
    limited(source, &["--cpu-limit", "1s"])
}

fn limited(source: &str, arguments: &[&str]) -> Outcome {
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "-o", "payload"]);
    tool.args(arguments).run()
}

/// Expects a failure with exactly this text.
#[track_caller]
fn fails(source: &str, words: &str) {
    run(source).exits(1).stderr_is(&format!("heka-sandbox: {words}\n"));
}

const INSTRUCTIONS: &str = "p.lua: process_message() instruction_limit exceeded";
const MEMORY: &str = "p.lua: process_message() not enough memory";
const PROCESSOR: &str = "p.lua: cpu_limit exceeded, stopped";

#[test]
fn a_loop_ends() {
    fails("function process_message() while true do end end", INSTRUCTIONS);
}

#[test]
fn a_loop_while_loading_ends() {
    fails("while true do end", "input.p: instruction_limit exceeded");
}

#[test]
fn pcall_catches_the_limit_only_so_often() {
    // As in lua_sandbox, the first times can be caught …
    let source = "function process_message() pcall(function() while true do end end) return 0 end";
    run(source).succeeds();
    // … but not forever.
    fails(
        "local function loop() while true do end end\n\
         function process_message() while true do pcall(loop) end end",
        INSTRUCTIONS,
    );
}

#[test]
fn coroutines_are_counted_together() {
    fails(
        "local co = require 'coroutine'\n\
         function process_message() while true do\n\
         local c = co.wrap(function() while true do co.yield() end end)\n\
         pcall(function() for i = 1, 1e9 do c() end end) end end",
        INSTRUCTIONS,
    );
}

#[test]
fn coroutines_too_short_to_be_counted_meet_the_processor_limit() {
    let outcome = run("local co = require 'coroutine'\n\
         local function spawn(depth) if depth == 0 then for i = 1, 150 do end return end\n\
         for i = 1, 40 do pcall(co.resume, co.create(spawn), depth - 1) end end\n\
         function process_message() while true do pcall(spawn, 30) end end");
    outcome.exits(1).stderr_has("cpu_limit exceeded");
}

#[test]
fn one_endless_call_of_c_code_ends_and_costs_nothing_before_it() {
    let source = "require 'string'\n\
                  function process_message() inject_message({Payload = 'before'})\n\
                  string.find(string.rep('a', 60), string.rep('a-', 40) .. 'b') return 0 end";
    let outcome = run(source);
    outcome.exits(1).stdout_is("before\n").stderr_is(&format!("heka-sandbox: {PROCESSOR}\n"));
}

#[test]
fn metamethods_within_the_host_are_counted() {
    fails(
        "function process_message() while true do pcall(inject_message,\n\
         setmetatable({}, {__index = function() while true do end end})) end end",
        INSTRUCTIONS,
    );
}

#[test]
fn sorting_with_a_false_order_ends() {
    let source = "require 'table'\n\
                  function process_message() local t = {} for i = 1, 1e5 do t[i] = i % 7 end\n\
                  while true do pcall(table.sort, t, function() return true end) end end";
    fails(source, INSTRUCTIONS);
}

#[test]
fn memory_ends() {
    fails("function process_message() local t = {} while true do t = {t} end end", MEMORY);
    fails(
        "require 'string' function process_message() return -1, string.rep('x', 1e9) end",
        MEMORY,
    );
}

#[test]
fn caught_memory_errors_do_not_make_room() {
    let source = "require 'string' local t = {} local function fill()\n\
                  while true do t[#t + 1] = string.rep('x', 100000 + #t) end end\n\
                  function process_message() for i = 1, 5 do pcall(fill) end\n\
                  return -1, tostring(#t < 84) end";
    run(source).exits(1).stderr_has("-1 true");
}

#[test]
fn stream_readers_are_within_the_memory_limit() {
    fails(
        "require 'string' function process_message() local t, f = {}, string.rep('x', 60000)\n\
         while true do local r = create_stream_reader('r') t[#t + 1] = r\n\
         r:find_message('\\030\\004\\008\\160\\156\\001\\031' .. f) end end",
        "p.lua: process_message() p.lua:3: buffer reallocation failed\tname:r",
    );
}

#[test]
fn messages_are_within_the_output_limit() {
    // One string of 1 MB, named 100,000 times: memory does not limit that.
    fails(
        "require 'string' function process_message() local s = string.rep('x', 1e6)\n\
         local t = {} for i = 1, 1e5 do t[i] = s end\n\
         inject_message({Fields = {x = {value = t}}}) end",
        "p.lua: process_message() p.lua:3: inject_message() failed: exceeded output_limit",
    );
    let source = "require 'string' function process_message()\n\
                  inject_message({Payload = string.rep('x', read_config('n'))}) return 0 end";
    limited(source, &["-D", "n=65000"]).succeeds();
    limited(source, &["-D", "n=65536"]).exits(1).stderr_has("exceeded output_limit");
    limited(source, &["-D", "n=65536", "--output-limit", "100K"]).succeeds();
    limited(source, &["-D", "n=65536", "--output-limit", "0"]).succeeds();
}

#[test]
fn a_value_within_itself_ends() {
    let source = "function process_message() local v = {} v.value = v\n\
                  inject_message({Fields = {x = v}}) end";
    fails(
        source,
        "p.lua: process_message() p.lua:2: inject_message() failed: value nests too deeply",
    );
}

#[test]
fn stream_readers_refuse_what_is_too_long() {
    let source = "require 'string' local r = create_stream_reader('r')\n\
                  function process_message()\n\
                  r:find_message(string.rep('x', read_config('n'))) return 0 end";
    limited(source, &["-D", "n=65794"]).succeeds();
    let outcome = limited(source, &["-D", "n=65795"]);
    outcome.exits(1).stderr_has("buffer reallocation failed\tname:r");
    limited(source, &["-D", "n=65795", "--max-message-size", "1M"]).succeeds();
}

#[test]
fn a_recursion_without_end_ends() {
    let source = "local function f() return 1 + f() end\n\
                  function process_message() f() end";
    run(source).exits(1).stderr_has("stack overflow");
    let source = "local co = require 'coroutine'\n\
                  local function f() return co.wrap(f)() end\n\
                  function process_message() f() end";
    run(source).exits(1).stderr_has("process_message() p.lua:2: p.lua:2: ");
}

#[test]
fn a_configuration_cannot_hang_the_host() {
    let dir = heka_tests::scratch();
    for text in ["while true do end", "s = 'x' while true do s = s .. s end", "t = {} t.t = t"] {
        std::fs::write(dir.path().join("p.cfg"), text).unwrap();
        Tool::new("heka-sandbox").dir(dir.path()).arg("p.cfg").run().exits(1);
    }
}

#[test]
fn a_plugin_that_waits_has_all_the_time_of_the_world() {
    // Waiting takes no processor time, so that limit does not end it.
    let dir = heka_tests::scratch();
    let source = "require 'io' function process_message() io.stdin:read('*a') return 0 end";
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "--cpu-limit", "10ms"]);
    let mut tool = tool.arg("-v").stdin_open().spawn();
    let begin = Instant::now();
    heka_tests::eventually("300 ms", || {
        (begin.elapsed() > Duration::from_millis(300)).then_some(())
    });
    tool.close_stdin();
    tool.finish().succeeds();
}

#[test]
fn checking_a_plugin_has_its_limits_too() {
    let endless = "require 'string' \
                   string.find(string.rep('a', 60), string.rep('a-', 40) .. 'b') \
                   function process_message() return 0 end";
    let outcome = limited(endless, &["--check", "--cpu-limit", "1s"]);
    outcome.exits(1).stdout_is("").stderr_is(&format!("heka-sandbox: {PROCESSOR}\n"));
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("p.lua"), format!("print('up') {endless}")).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "--check", "-v"]);
    let tool = tool.args(["--cpu-limit", "1h"]).spawn();
    tool.wait_stderr("up");
    tool.signal(Signal::SIGTERM);
    tool.finish().killed_by(Signal::SIGTERM);
}

const PAGE: usize = 4096;

/// A plugin that injects a little and then never ends, into a full pipe that is not read; and the
/// pages to be read there.
fn unread(arguments: &[&str]) -> (Running, File, usize) {
    // Less than what makes an injection wait for the reader.
    const COUNT: usize = 8;
    let (read, mut write) = std::io::pipe().unwrap();
    // Otherwise the tool would make it that large.
    let _default = fcntl(&write, FcntlArg::F_SETPIPE_SZ(1 << 20));
    let capacity = usize::try_from(fcntl(&write, FcntlArg::F_GETPIPE_SZ).unwrap()).unwrap();
    write.write_all(&vec![b'x'; capacity]).unwrap();
    let source = "require 'string' local text = string.rep('x', 4095) \
                  function process_message() \
                  for i = 1, read_config('count') do inject_message({Payload = text}) end \
                  print('up') while true do end end";
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "-v", "-o", "payload"]);
    let tool = tool.args(["-D", &format!("count={COUNT}"), "-D", "memory_limit=0"]);
    let tool = tool.args(arguments).stdout_file(File::from(OwnedFd::from(write))).spawn();
    tool.wait_stderr("up");
    (tool, File::from(OwnedFd::from(read)), capacity / PAGE + COUNT)
}

#[test]
fn a_reader_that_stands_still_does_not_lift_the_limits() {
    let endless = ["-D", "instruction_limit=100000000000", "--cpu-limit", "1s"];
    let (tool, mut reader, count) = unread(&endless);
    tool.wait_stderr("cpu_limit exceeded");
    let mut all = vec![0; count * PAGE];
    reader.read_exact(&mut all).unwrap();
    tool.finish().exits(1);
}

#[test]
fn a_reader_that_stands_still_does_not_keep_it_alive() {
    let (tool, _reader, _) = unread(&["-D", "instruction_limit=0"]);
    tool.signal(Signal::SIGTERM);
    let outcome = tool.finish();
    outcome.killed_by(Signal::SIGTERM).stderr_has("the reader is stuck");
}

#[test]
fn a_plugin_that_will_not_end_is_given_ten_seconds() {
    let dir = heka_tests::scratch();
    let source =
        "function process_message() inject_message({Payload = 'up'}) while true do end end";
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path());
    let tool = tool.args(["p.lua", "-o", "payload", "-D", "instruction_limit=0"]).spawn();
    tool.wait_stdout_is("up\n");
    let begin = Instant::now();
    tool.signal(Signal::SIGTERM);
    tool.finish().killed_by(Signal::SIGTERM);
    assert!(begin.elapsed() > Duration::from_secs(9), "{:?}", begin.elapsed());
}

/// Returns how long a plugin that sleeps in a C function takes to end after one Ctrl-C, and its
/// messages.
fn end_asleep(source: &str) -> (Duration, Outcome) {
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path());
    let tool = tool.args(["p.lua", "-o", "payload", "--instruction-limit", "0"]).spawn();
    tool.wait_stdout("asleep", |out| out.starts_with(b"reading\n"));
    let since = Instant::now();
    tool.signal(Signal::SIGINT);
    let outcome = tool.finish();
    (since.elapsed(), outcome)
}

/// It ends soon, in order if the call allows it.
#[test]
fn one_signal_ends_a_call_that_sleeps_within_300_ms() {
    for (source, is_told) in [
        // The read fails, and the plugin continues after it.
        (
            "local io = require 'io' local lines = io.popen('exec sleep 60 2>&-')\n\
          function process_message() inject_message({Payload = 'reading'}) lines:read('*a')\n\
          inject_message({Payload = 'interrupted'}) return 0 end",
            true,
        ),
        // A read that is repeated forever cannot be interrupted in that way.
        (
            "local io = require 'io' local lines = io.popen('exec sleep 60 2>&-')\n\
          function process_message() inject_message({Payload = 'reading'})\n\
          while true do lines:read('*a') end end",
            false,
        ),
        (
            "local io = require 'io' local lines = io.popen('exec sleep 60 2>&-'):lines()\n\
          function process_message() inject_message({Payload = 'reading'}) lines() return 0 end",
            false,
        ),
    ] {
        // A busy machine may be late, but not each time.
        let mut best = Duration::MAX;
        for _ in 0..10 {
            let (time, outcome) = end_asleep(source);
            outcome.killed_by(Signal::SIGINT);
            assert_eq!(outcome.out().contains("interrupted"), is_told, "{source}");
            best = best.min(time);
            if best < Duration::from_millis(300) {
                break;
            }
        }
        assert!(best < Duration::from_millis(300), "{best:?}: {source}");
    }
}

#[test]
fn a_second_signal_ends_it_at_once() {
    let dir = heka_tests::scratch();
    let source =
        "function process_message() inject_message({Payload = 'up'}) while true do end end";
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path());
    let tool = tool.args(["p.lua", "-o", "payload", "-D", "instruction_limit=0"]).spawn();
    tool.wait_stdout_is("up\n");
    let begin = Instant::now();
    tool.signal(Signal::SIGINT);
    // The kernel decides which of the two kills it: both may be pending at once.
    assert_eq!(tool.end_by(Signal::SIGTERM).status.code(), None);
    assert!(begin.elapsed() < Duration::from_secs(9), "{:?}", begin.elapsed());
}
