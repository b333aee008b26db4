// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox in use: the three modes, configurations, forms, ends.

use std::path::{Path, PathBuf};

use heka_tests::{Signal, Tool, sh};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../examples")
}

/// Messages made by Heka's Go code and by lua_sandbox, see the folder's ORIGIN.md.
fn recorded(name: &str) -> Vec<u8> {
    let vectors = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tools/heka-sandbox/tests/vectors");
    std::fs::read(vectors.join(name)).unwrap()
}

fn sandbox() -> Tool {
    Tool::new("heka-sandbox").dir(examples())
}

/// A plugin in a file of its own; `$DIR` is its folder in the shell line.
fn with_plugin(source: &str) -> (tempfile::TempDir, Tool) {
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("plugin.lua"), source).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path()).arg("plugin.lua");
    (dir, tool)
}

#[test]
fn run_once_says_hello() {
    let outcome = sandbox().args(["hello.cfg", "-o", "json", "--hostname", "h", "-v"]).run();
    outcome.succeeds().stdout_has("\"Type\":\"hello\",\"Logger\":\"input.hello\"");
    outcome.stderr_is("heka-sandbox: note: hello.lua: process_message returned: 0\n");
}

#[test]
fn polling_calls_again_and_max_count_ends_it() {
    if !heka_tests::require("uptime") {
        return;
    }
    let outcome = sandbox()
        .args(["heartbeat.cfg", "--ticker-interval", "50ms", "-n", "3", "-o", "payload"])
        .run();
    outcome.succeeds().stderr_is("");
    assert_eq!(outcome.out().lines().filter(|line| line.contains("load average")).count(), 3);
}

#[test]
fn polling_ends_at_once_by_a_signal() {
    let tool = sandbox().args(["heartbeat.cfg", "-o", "payload"]).spawn();
    tool.wait_stdout("the first message", |out| out.ends_with(b"\n"));
    tool.end_by(Signal::SIGTERM).killed_by(Signal::SIGTERM);
}

#[test]
fn the_stdin_reader_passes_a_stream_on_unchanged() {
    let stream = recorded("good3.heka");
    let outcome = sandbox().args(["heka_stdin.cfg", "-v"]).stdin(stream.clone()).run();
    outcome.succeeds().stdout_is(stream).stderr_has("0 processed 3 messages");
}

#[test]
fn damage_costs_no_neighbour() {
    let outcome = sandbox().args(["heka_stdin.cfg", "-v"]).stdin(recorded("damaged.heka")).run();
    outcome.succeeds().stderr_has("0 processed 4 messages");
}

#[test]
fn the_stdin_reader_delivers_each_message_as_it_arrives() {
    let stream = recorded("good3.heka");
    let mut tool = sandbox().arg("heka_stdin.cfg").stdin_open().spawn();
    // The boundaries of the three frames.
    for pair in [0, 77, 204, 229].windows(2) {
        tool.write(&stream[pair[0]..pair[1]]);
        tool.wait_stdout_is(&stream[..pair[1]]);
    }
    // A signal is the end of the input for a reader that waits.
    tool.end_by(Signal::SIGINT).killed_by(Signal::SIGINT).stderr_is("");
}

#[test]
fn what_was_read_before_find_message_is_not_lost() {
    let (_dir, tool) = with_plugin(
        "local io = require 'io'\n\
         local hsr = create_stream_reader('x')\n\
         function process_message()\n\
         local line = io.stdin:read('*l')\n\
         local found, consumed, read\n\
         repeat repeat found, consumed, read = hsr:find_message(io.stdin)\n\
         if found then inject_message(hsr) end until not found until read == 0\n\
         return 0, line end",
    );
    let stream = recorded("good3.heka");
    let outcome = tool.arg("-v").stdin([b"a first line\n", stream.as_slice()].concat()).run();
    outcome.succeeds().stdout_is(stream).stderr_has("0 a first line");
}

#[test]
fn lines_of_stdin_become_messages() {
    let script = recorded("plugins/40_stdin_lines.lua");
    let (_dir, tool) = with_plugin(&String::from_utf8(script).unwrap());
    let outcome = tool.args(["-o", "payload", "-v"]).stdin(recorded("lines.txt")).run();
    outcome.succeeds().stdout_is("alpha\n\nbeta é\nno newline at end\n");
    outcome.stderr_has("0 processed 4 lines");
}

#[test]
fn a_message_is_written_though_the_plugin_waits_elsewhere() {
    let (_dir, tool) = with_plugin(
        "local io = require 'io'\n\
         function process_message() inject_message({Payload = 'now'}) io.stdin:read('*l') return 0 end",
    );
    let mut tool = tool.args(["-o", "payload"]).stdin_open().spawn();
    tool.wait_stdout_is("now\n");
    tool.close_stdin();
    tool.finish().succeeds();
}

#[test]
fn settings_of_the_command_line_win() {
    let source = "function process_message() return -1, table.concat({\n\
                  read_config('a'), tostring(read_config('b')), type(read_config('c')),\n\
                  read_config('Logger'), tostring(read_config('path'))}, ' ') end require 'table'";
    let (dir, tool) = with_plugin(source);
    std::fs::write(dir.path().join("x.cfg"), "a = 'file' b = true c = {}").unwrap();
    let tool = tool.args(["--config", "x.cfg", "-D", "a=5x", "-D", "c=7", "--logger", "L"]);
    tool.run().exits(1).stderr_is(
        "heka-sandbox: warning: plugin.lua: process_message returned: -1 5x true number L nil\n",
    );
}

#[test]
fn a_configuration_names_its_plugin_as_in_hindsight() {
    let dir = heka_tests::scratch();
    let installed = dir.path().join("heka/input");
    std::fs::create_dir_all(&installed).unwrap();
    std::fs::copy(examples().join("hello.lua"), installed.join("hello.lua")).unwrap();
    let config = "filename = 'hello.lua'\nticker_interval = 0\npreserve_data = false\n\
                  output_limit = 1024\nmemory_limit = 1e6\nshutdown_on_terminate = true\n\
                  sandbox_install_path = 'heka'\n";
    std::fs::write(dir.path().join("x.cfg"), config).unwrap();
    let run = |file: &str| Tool::new("heka-sandbox").dir(dir.path()).args([file, "-j"]).run();
    run("x.cfg").succeeds().stdout_has("\"Logger\":\"input.x\"");
    for (text, error) in [
        ("", "filename must be set to a string"),
        ("filename = 'a/b.lua'", "filename must not contain a path component"),
        ("filename = 'b.txt'", "filename must have a .lua extension"),
        (
            "filename = 'b.lua'",
            "neither b.lua nor /usr/share/luasandbox/sandboxes/heka/input/b.lua is there",
        ),
    ] {
        std::fs::write(dir.path().join("y.cfg"), text).unwrap();
        let error = format!("heka-sandbox: y.cfg: config error: {error}\n");
        run("y.cfg").exits(1).stdout_is("").stderr_is(&error);
    }
    std::fs::write(dir.path().join("y.cfg"), "filename =\n= 2").unwrap();
    run("y.cfg").exits(1).stderr_is("heka-sandbox: y.cfg:2: unexpected symbol near '='\n");
}

#[test]
fn check_loads_and_tells() {
    let outcome = sandbox().args(["hello.cfg", "--check"]).run();
    outcome.succeeds().stdout_has("hello.lua: loads as input.hello, called once; ").stderr_is("");
    let outcome = sandbox().args(["lines.lua", "--check"]).run();
    outcome.exits(1).stdout_is("");
    outcome.stderr_is("heka-sandbox: input.lines: lines.lua:7: input_file must be set\n");
    let (_dir, tool) = with_plugin("inject_message({})");
    let outcome = tool.arg("--check").run();
    outcome.exits(1).stdout_is("");
    outcome.stderr_is("heka-sandbox: plugin.lua: process_message() function was not found\n");
}

#[test]
fn fatal_ends_are_told_and_cost_status_1() {
    for (source, error) in [
        ("function process_message() error('boom') end", "process_message() plugin.lua:1: boom"),
        (
            "function process_message() return 1 end",
            "process_message() received a termination status code",
        ),
        ("function process_message() end", "process_message() must return a numeric status code"),
        ("local x", "process_message() function was not found"),
    ] {
        let (_dir, tool) = with_plugin(source);
        tool.run().exits(1).stderr_is(&format!("heka-sandbox: plugin.lua: {error}\n"));
    }
    let (_dir, tool) = with_plugin("return return");
    let error = "heka-sandbox: input.plugin: plugin.lua:1: unexpected symbol near 'return'\n";
    tool.run().exits(1).stderr_is(error);
}

#[test]
fn the_words_of_an_end_in_order_do_not_make_one() {
    let (_dir, tool) = with_plugin("function process_message() error('shutting down', 0) end");
    let outcome = tool.run();
    outcome.exits(1).stderr_is("heka-sandbox: plugin.lua: process_message() shutting down\n");
}

#[test]
fn a_read_error_is_not_an_end() {
    let (_dir, tool) = with_plugin(
        "require 'io'\n\
         function process_message()\n\
         local reader = create_stream_reader('test')\n\
         local file = assert(io.open('.'))\n\
         local found = reader:find_message(file) return 0 end",
    );
    let outcome = tool.run();
    outcome.exits(1).stderr_has("plugin.lua:5: read error: Is a directory");
}

#[test]
fn a_ticker_interval_beyond_all_time_is_no_mistake() {
    let (_dir, tool) = with_plugin("function process_message() print('up') return 0 end");
    let tool = tool.args(["-v", "-D", "ticker_interval=1e19"]).spawn();
    tool.wait_stderr("up");
    tool.end_by(heka_tests::Signal::SIGTERM).killed_by(heka_tests::Signal::SIGTERM);
}

#[test]
fn what_was_injected_before_a_fatal_end_is_written() {
    let (_dir, tool) =
        with_plugin("function process_message() inject_message({Payload = 'p'}) error('x') end");
    tool.args(["-o", "payload"]).run().exits(1).stdout_is("p\n");
}

#[test]
fn nobody_reading_ends_it_as_it_ends_cat() {
    let line = "heka-sandbox plugin.lua -o payload -D instruction_limit=0 | head -n 1; \
                echo ${PIPESTATUS[0]}";
    let (dir, _) = with_plugin(
        "function process_message() while true do inject_message({Payload = 'p'}) end end",
    );
    let outcome = Tool::at("/bin/bash").dir(dir.path()).args(["-c", line]).run();
    outcome.stdout_is("p\n141\n").stderr_is("");
    // Also while the plugin waits for something else.
    let source = "local io = require 'io' function process_message() \
                  inject_message({Payload = 'p'}) io.popen('exec sleep 5 2>/dev/null'):read('*a') return 0 end";
    let (dir, _) = with_plugin(source);
    let outcome = Tool::at("/bin/bash").dir(dir.path()).args(["-c", line]).run();
    outcome.stdout_is("p\n141\n").stderr_is("");
}

#[test]
fn a_full_disk_is_told() {
    let full = std::fs::OpenOptions::new().write(true).open("/dev/full").unwrap();
    let outcome = sandbox().args(["hello.lua"]).stdout_file(full).run();
    outcome.exits(1).stderr_is("heka-sandbox: write error: No space left on device\n");
}

#[test]
fn print_is_heard_with_v() {
    let (_dir, tool) = with_plugin("print('at load', 1) function process_message() return 0 end");
    tool.arg("-v").run().succeeds().stderr_has("heka-sandbox: input.plugin: at load\t1\n");
    let (_dir, tool) = with_plugin("print('at load', 1) function process_message() return 0 end");
    tool.run().succeeds().stderr_is("");
}

#[test]
fn output_is_there_while_the_file_loads_and_no_longer() {
    let source = "output('x', 1) kept, kind = output, type(output)
        function process_message()
            inject_message({Payload = kind .. ' ' .. type(output)})
            return 0
        end";
    let (_dir, tool) = with_plugin(source);
    tool.args(["-o", "payload"]).run().succeeds().stdout_is("function nil\n");
    let (_dir, tool) = with_plugin("output()");
    let words = "bad argument #0 to 'output' (must have at least one argument)";
    tool.run().exits(1).stderr_has(words);
}

#[test]
fn what_is_no_checkpoint_or_message_is_told_as_in_lua_sandbox() {
    let source = "function process_message()
            inject_message(nil, 0/0)
            local ok, words = pcall(decode_message, 12345)
            inject_message({Payload = words})
            return 0
        end";
    let (_dir, tool) = with_plugin(source);
    let words = "bad argument #1 to '?' (string or userdata expected, got number)\n";
    tool.args(["-o", "payload"]).run().succeeds().stdout_is(words);
}

#[test]
fn statistics_tell_calls_memory_and_instructions() {
    let outcome = sandbox().args(["hello.lua", "--stats"]).run();
    outcome.succeeds().stderr_has("1 messages, 0 bytes in, ");
    outcome.stderr_has(", 1 calls, 0 failures, ").stderr_has(" bytes of memory, ");
    outcome.stderr_has(" instructions, ");
}

#[test]
fn nothing_written_can_be_an_exit_status() {
    let (_dir, tool) = with_plugin("function process_message() return 0 end");
    tool.arg("-e").run().exits(4).stdout_is("").stderr_is("");
}

#[test]
fn usage_errors_have_their_status() {
    for args in [
        &["hello.lua", "-D", "x"][..],
        &["hello.lua", "-n", "0"],
        &["hello.lua", "--checkpoint", "a", "--resume", "b"],
        &["hello.cfg", "--config", "hello.cfg"],
        &[],
    ] {
        sandbox().args(args).run().exits(2).stdout_is("");
    }
    let outcome = sandbox().arg("absent.lua").run();
    outcome.exits(1).stderr_is("heka-sandbox: absent.lua: No such file or directory\n");
}

#[test]
fn a_plugin_feeds_a_pipeline() {
    let line = "heka-sandbox heka_stdin.lua -D instruction_limit=0 | heka-decode -c";
    let outcome = sh(line).dir(examples()).stdin(recorded("good3.heka")).run();
    outcome.succeeds().stdout_is("3\n").stderr_is("");
}

#[test]
fn is_running_turns_false_and_the_plugin_ends_in_order() {
    let (_dir, tool) = with_plugin(
        "function process_message() inject_message({Payload = 'up'})\n\
         while is_running() do end inject_message({Payload = 'down'}) return 0, 'bye' end",
    );
    let tool = tool.args(["-o", "payload", "-v", "-D", "instruction_limit=0"]).spawn();
    tool.wait_stdout_is("up\n");
    let outcome = tool.end_by(Signal::SIGTERM);
    outcome.killed_by(Signal::SIGTERM).stdout_is("up\ndown\n");
}

#[test]
fn a_signal_does_not_disturb_a_plugin_that_reads() {
    let (_dir, tool) = with_plugin(
        "local io = require 'io' function process_message() inject_message({Payload = 'up'})\n\
         local line, why = io.stdin:read('*l') inject_message({Payload = tostring(line or why)})\n\
         return 0 end",
    );
    let mut tool = tool.args(["-o", "payload"]).stdin_open().spawn();
    tool.wait_stdout_is("up\n");
    tool.signal(Signal::SIGUSR1);
    tool.wait_stderr("1 messages");
    tool.write("line\n");
    tool.finish().succeeds().stdout_is("up\nline\n");
}
