// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox and modules: Lua files, C libraries, what may not be loaded.

use heka_tests::{TempDir, Tool};

/// A plugin that gives what `expression` is as its status message, with modules beside it.
fn run(expression: &str, files: &[(&str, &str)], arguments: &[&str]) -> (TempDir, Tool) {
    let dir = heka_tests::scratch();
    let source = format!("function process_message() return -2, tostring({expression}) end");
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    for (name, source) in files {
        let path = dir.path().join(name);
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, source).unwrap();
    }
    let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "-v"]).args(arguments);
    (dir, tool)
}

#[track_caller]
fn gives(expression: &str, files: &[(&str, &str)], arguments: &[&str], value: &str) {
    let (_dir, tool) = run(expression, files, arguments);
    let line = format!("heka-sandbox: note: p.lua: process_message returned: -2 {value}\n");
    tool.run().succeeds().stderr_has(&line);
}

#[track_caller]
fn fails(expression: &str, files: &[(&str, &str)], arguments: &[&str], error: &str) {
    let (_dir, tool) = run(expression, files, arguments);
    tool.run().exits(1).stderr_has(error);
}

const PATH: [&str; 2] = ["--path", "lua/?.lua;more/?.lua"];

#[test]
fn lua_modules_come_from_the_templates() {
    let module = "local M = {} function M.f() return 'found' end return M";
    gives("require('a.b').f()", &[("lua/a/b.lua", module)], &PATH, "found");
    gives("require('a').f()", &[("more/a.lua", module)], &PATH, "found");
    gives("require('a') == require('a')", &[("lua/a.lua", module)], &PATH, "true");
    gives("require('a')", &[("lua/a.lua", "x = 1")], &PATH, "true");
    // The way of Lua 5.1.
    let module = "module(..., package.seeall) function f() return 'old' end";
    gives("require('a').f()", &[("lua/a.lua", module)], &PATH, "old");
    let error = "loop or previous error loading module 'a'";
    fails("require('a')", &[("lua/a.lua", "require 'a'")], &PATH, error);
    // A configuration may name the templates as well.
    let define = ["-D", "path=lua/?.lua"];
    gives("require('a')", &[("lua/a.lua", "return 7")], &define, "7");
}

#[test]
fn modules_that_may_not_be_loaded_are_not() {
    let none = "no 'path' configuration was specified for the sandbox; \
                external modules have been disabled";
    fails("require('a')", &[("a.lua", "")], &[], &format!("process_message() {none}\n"));
    fails("require('debug')", &[], &[], none);
    fails("require('b-d')", &[], &PATH, "p.lua:1: invalid module name 'b-d'\n");
    fails("require('../x')", &[("x.lua", "")], &PATH, "invalid module name '../x'\n");
    let error = "p.lua:1: module 'a' not found:\\n\tno file 'lua/a.lua'\\n\tno file 'more/a.lua'\n";
    fails("require('a')", &[], &PATH, error);
    for key in ["disable_modules", "disabled_modules"] {
        let define = format!("{key}={{io = 1}}");
        fails("require('io')", &[], &["-D", &define], "p.lua:1: module 'io' disabled\n");
    }
}

#[test]
fn errors_of_modules_keep_their_positions() {
    let error =
        "error loading module 'a' from file 'lua/a.lua':\\n\tlua/a.lua:2: unexpected symbol";
    fails("require('a')", &[("lua/a.lua", "\n= 1")], &PATH, error);
    fails(
        "require('a')",
        &[("lua/a.lua", "error('oh')")],
        &PATH,
        "process_message() lua/a.lua:1: oh\n",
    );
    // Precompiled code could break out of any sandbox.
    fails("require('a')", &[("lua/a.lua", "\x1bLuaQ")], &PATH, "error loading module");
}

#[test]
fn modules_are_code_of_the_plugin_and_limited_with_it() {
    let files = [("lua/a.lua", "while true do end")];
    fails("require('a')", &files, &PATH, "instruction_limit exceeded");
}

/// Where Debian has the libraries for Lua 5.1, if it has them here.
fn installed(name: &str) -> Option<String> {
    let folder = std::fs::read_dir("/usr/lib").ok()?.flatten().find_map(|entry| {
        let folder = entry.path().join("lua/5.1");
        folder.join(format!("{name}.so")).is_file().then_some(folder)
    });
    if folder.is_none() {
        heka_tests::skip_anywhere(&format!("{name} for Lua 5.1 is not installed"));
    }
    Some(format!("{}/?.so", folder?.display()))
}

#[test]
fn lpeg_works() {
    let Some(cpath) = installed("lpeg") else { return };
    let arguments = ["--path", "/usr/share/lua/5.1/?.lua", "--cpath", &cpath];
    gives("require('lpeg').match(require('lpeg').P('ab')^1, 'ababx')", &[], &arguments, "5");
    gives("require('re').match('2015-11-20', '{%d+}')", &[], &arguments, "2015");
}

#[test]
fn cjson_works() {
    let Some(cpath) = installed("cjson") else { return };
    let arguments = ["--path", "?.lua", "--cpath", &cpath];
    gives("require('cjson').decode('{\"a\":[1,2,3]}').a[3]", &[], &arguments, "3");
}

/// Modules in C that Debian packages for Lua 5.1, some of several parts in one library.
#[test]
fn modules_of_debian_load() {
    let modules = [
        ("posix", "type(require('posix.unistd').getpid())", "number"),
        ("systemd", "type(require('systemd.journal.core').open)", "function"),
        ("systemd", "type(require('systemd.journal').open)", "function"),
        ("ssl", "type(require('ssl').newcontext)", "function"),
        ("ssl", "type(require('ssl.x509').load)", "function"),
        ("socket/core", "type(require('socket').tcp)", "function"),
    ];
    for (library, expression, value) in modules {
        let Some(cpath) = installed(library) else { continue };
        let arguments = ["--path", "/usr/share/lua/5.1/?.lua", "--cpath", &cpath];
        // They take the libraries that they use for granted.
        let expression = format!("require('table') and require('string') and {expression}");
        gives(&expression, &[], &arguments, value);
    }
}

/// A library in C with the modules `all` and `all.part`, as `all.so` in a folder.
fn all_in_one() -> TempDir {
    let dir = heka_tests::scratch();
    let source = "struct lua_State; void lua_pushnumber(struct lua_State *, double);\n\
                  int luaopen_all(struct lua_State *s) { lua_pushnumber(s, 1); return 1; }\n\
                  int luaopen_all_part(struct lua_State *s) { lua_pushnumber(s, 2); return 1; }\n";
    std::fs::write(dir.path().join("all.c"), source).unwrap();
    let mut cc = std::process::Command::new("cc");
    let built = cc.current_dir(&dir).args(["-shared", "-fPIC", "-o", "all.so", "all.c"]).status();
    assert!(built.unwrap().success());
    dir
}

#[test]
fn a_part_of_a_library_is_found_in_the_library() {
    let dir = all_in_one();
    let cpath = format!("{}/?.so", dir.path().display());
    // C modules need no templates for Lua's.
    for arguments in [&["--cpath", &cpath][..], &["--path", "?.lua", "--cpath", &cpath]] {
        gives("require('all')", &[], arguments, "1");
        gives("require('all.part')", &[], arguments, "2");
        let error = format!("no module 'all.other' in file '{}'", cpath.replace('?', "all"));
        fails("require('all.other')", &[], arguments, &error);
    }
    // However many places were searched, the last one is in the message.
    let path = vec!["/usr/share/a-rather-long-name-of-a-folder/?.lua"; 30].join(";");
    let arguments = ["--path", &path, "--cpath", &cpath];
    fails("require('missing')", &[], &arguments, &cpath.replace('?', "missing"));
}

#[test]
fn hindsight_fills_in_what_a_configuration_leaves_open() {
    let read = |name: &str| format!("read_config('{name}')");
    for (name, value) in [
        ("max_message_size", "65536"),
        ("ticker_interval", "0"),
        ("preserve_data", "false"),
        ("shutdown_on_terminate", "false"),
        ("output_size", "67108864"),
        ("filename", "p.lua"),
        ("sandbox_install_path", "/usr/share/luasandbox/sandboxes/heka"),
    ] {
        gives(&read(name), &[], &[], value);
    }
    let hindsight = "output_path = 'out' sandbox_run_path = 'run' hostname = 'h1'\n\
                     analysis_lua_path = '' analysis_lua_cpath = '' io_lua_cpath = ''\n\
                     io_lua_path = 'lua/?.lua' max_message_size = 2048\n\
                     input_defaults = {memory_limit = 4194304} analysis_defaults = {}\n\
                     output_defaults = {}";
    let files = [("hindsight.cfg", hindsight), ("lua/a.lua", "return 7")];
    let arguments = ["--defaults", "hindsight.cfg"];
    for (name, value) in [
        ("output_path", "out"),
        ("Hostname", "h1"),
        ("max_message_size", "2048"),
        ("memory_limit", "4194304"),
    ] {
        gives(&read(name), &files, &arguments, value);
    }
    gives("require('a')", &files, &arguments, "7");
    // The command line and the plugin's configuration win.
    let arguments = ["--defaults", "hindsight.cfg", "--hostname", "h2"];
    gives(&read("Hostname"), &files, &arguments, "h2");
    gives("require('a')", &files, &["-D", "io_lua_path=lua/?.lua"], "7");
    let files = [("hindsight.cfg", "outputpath = 'out'")];
    let error = "hindsight.cfg: invalid option: 'outputpath'\n";
    fails("1", &files, &["--defaults", "hindsight.cfg"], error);
    let files = [("hindsight.cfg", "input_defaults = {ticker = 1}")];
    let error = "hindsight.cfg: invalid option: 'input_defaults.ticker'\n";
    fails("1", &files, &["--defaults", "hindsight.cfg"], error);
}

#[test]
fn a_c_library_that_is_none_is_told() {
    let arguments = ["--path", "?.lua", "--cpath", "?.so"];
    let error = "error loading module 'x' from file 'x.so':";
    fails("require('x')", &[("x.so", "no library")], &arguments, error);
}

/// A decoder in the manner of lua_sandbox_extensions: a module with `decode`, which injects.
#[test]
fn decoder_modules_inject_by_themselves() {
    let decoder = "require 'string' local M = {}\n\
                   function M.decode(data, headers, mutable)\n\
                   local key, value = string.match(data, '(%w+)=(%w+)')\n\
                   if not key then return 'parse failed' end\n\
                   local msg = {Fields = {[key] = value}}\n\
                   for k, v in pairs(headers) do msg[k] = v end\n\
                   inject_message(msg) end\n\
                   return M";
    let dir = heka_tests::scratch();
    std::fs::create_dir_all(dir.path().join("lua/decoders")).unwrap();
    std::fs::write(dir.path().join("lua/decoders/kv.lua"), decoder).unwrap();
    let plugin = "local decode = require(read_config('decoder_module')).decode\n\
                  function process_message()\n\
                  decode('a=b', {Type = 'kv'}) return -1, decode('nothing', {}) end";
    std::fs::write(dir.path().join("p.lua"), plugin).unwrap();
    let tool = Tool::new("heka-sandbox").dir(dir.path());
    let outcome = tool.args(["p.lua", "-j", "-D", "decoder_module=decoders.kv"]).args(PATH).run();
    outcome.exits(1).stdout_has("\"Type\":\"kv\"").stdout_has("\"a\"");
    outcome.stderr_is("heka-sandbox: warning: p.lua: process_message returned: -1 parse failed\n");
}
