// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox and modules: Lua files, C libraries, and forbidden modules.

use heka_tests::{TempDir, Tool, certificates, eventually};

/// A plugin that returns the value of `expression` as its status message, with modules beside it.
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
    // As in Lua 5.1.
    let module = "module(..., package.seeall) function f() return 'old' end";
    gives("require('a').f()", &[("lua/a.lua", module)], &PATH, "old");
    let error = "loop or previous error loading module 'a'";
    fails("require('a')", &[("lua/a.lua", "require 'a'")], &PATH, error);
    // A configuration may contain the templates as well.
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

/// Debian's folder of libraries for Lua 5.1, if they are installed.
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

/// Modules in C that Debian packages for Lua 5.1, some with several parts in one library.
#[test]
fn modules_of_debian_load() {
    let modules = [
        ("posix", "type(require('posix.unistd').getpid())", "number"),
        ("systemd", "type(require('systemd.journal.core').open)", "function"),
        ("systemd", "type(require('systemd.journal').open)", "function"),
        ("ssl", "type(require('ssl').newcontext)", "function"),
        ("ssl", "type(require('ssl.x509').load)", "function"),
        ("socket/core", "type(require('socket').tcp)", "function"),
        ("socket/core", "type(require('socket.http').request)", "function"),
        ("socket/core", "require('socket.url').escape('a b')", "a%20b"),
        ("socket/core", "type(require('ltn12').sink.table)", "function"),
        ("ssl", "type(require('ssl.https').request)", "function"),
    ];
    for (library, expression, value) in modules {
        let Some(cpath) = installed(library) else { continue };
        let arguments = ["--path", "/usr/share/lua/5.1/?.lua", "--cpath", &cpath];
        // They require the libraries that they use without checks.
        let expression = format!("require('table') and require('string') and {expression}");
        gives(&expression, &[], &arguments, value);
    }
}

/// Messages that arrive over TLS, as in `heka_tcp.lua` of `lua_sandbox_extensions`.
const OVER_TLS: &str = r#"
require "io" require "table" require "string" require "math"
local socket = require "socket"
local ssl = require "ssl"
local context = assert(ssl.newcontext({
    mode = "server", protocol = "any", key = "server.key", certificate = "server.pem",
    verify = {"none"}, options = {"all", "no_sslv3"}}))
local server = assert(socket.bind("127.0.0.1", 0))
local _, port = server:getsockname()
function process_message()
    local file = io.open("port", "w")
    file:write(port, "\n")
    file:close()
    local client = assert(ssl.wrap(assert(server:accept()), context))
    assert(client:dohandshake())
    client:settimeout(0.1)
    local reader = create_stream_reader("client")
    local count = 0
    while count < 3 do
        local data, cause, part = client:receive(1024)
        data = data or part
        repeat
            local found = reader:find_message(data)
            if found then inject_message(reader) count = count + 1 end
            data = nil
        until not found
        if cause == "closed" then break end
    end
    return 0
end
"#;

#[test]
fn a_plugin_receives_messages_over_tls() {
    let Some(cpath) = installed("ssl") else { return };
    if installed("socket/core").is_none() {
        return;
    }
    let Some(made) = certificates() else { return };
    let dir = heka_tests::scratch();
    for name in ["server.pem", "server.key"] {
        std::fs::copy(made.path().join(name), dir.path().join(name)).unwrap();
    }
    std::fs::write(dir.path().join("p.lua"), OVER_TLS).unwrap();
    let arguments = ["p.lua", "-o", "payload", "--path", "/usr/share/lua/5.1/?.lua", "--cpath"];
    let plugin = Tool::new("heka-sandbox").dir(dir.path()).args(arguments).arg(&cpath).spawn();
    let port = eventually("it listens", || {
        let text = std::fs::read_to_string(dir.path().join("port")).ok()?;
        Some(text.strip_suffix('\n')?.to_owned())
    });
    let address = format!("tls://localhost:{port}");
    let sender = Tool::new("heka-send").args([&address, "--ca-file"]);
    sender.arg(made.path().join("ca.pem")).stdin("one\ntwo\nthree\n").run().succeeds();
    plugin.finish().succeeds().stdout_is("one\ntwo\nthree\n");
}

/// A library in C with the modules `all` and `all.part`, as `all.so` in a folder.
fn all_in_one() -> TempDir {
    let dir = heka_tests::scratch();
    let source = "struct lua_State; void lua_pushnumber(struct lua_State *, double);\n\
                  int luaopen_all(struct lua_State *s) { lua_pushnumber(s, 1); return 1; }\n\
                  int luaopen_all_part(struct lua_State *s) { lua_pushnumber(s, 2); return 1; }\n";
    build(dir.path(), "all", source);
    dir
}

/// Builds a C module.
fn build(dir: &std::path::Path, name: &str, source: &str) {
    std::fs::write(dir.join(format!("{name}.c")), source).unwrap();
    let mut cc = std::process::Command::new("cc");
    let (so, c) = (format!("{name}.so"), format!("{name}.c"));
    let built = cc.current_dir(dir).args(["-shared", "-fPIC", "-o", &so, &c]).status();
    assert!(built.unwrap().success());
}

/// A module in the style of `lua_sandbox_extensions`: a number that can be preserved and be a
/// field.
const NATIVE: &str = r#"
#include <stddef.h>
typedef struct lua_State L;
typedef int (*F)(L *);
typedef struct { void *context; void (*cb)(void *, const char *, int, const char *, ...); } logger;
typedef const char *E;
void lua_createtable(L *, int, int), lua_replace(L *, int), lua_pushcclosure(L *, F, int);
void lua_setfield(L *, int, const char *), lua_getfield(L *, int, const char *);
void *lua_newuserdata(L *, size_t), *lua_touserdata(L *, int);
double lua_tonumber(L *, int);
const logger *lsb_get_logger(const void *);
void lsb_add_output_function(L *, F), lsb_add_serialize_function(L *, F);
void lsb_add_zero_copy_function(L *, F);
F lsb_get_output_function(L *, int), lsb_get_zero_copy_function(L *, int);
E lsb_outputf(void *, const char *, ...), lsb_outputd(void *, double), lsb_outputc(void *, char);
E lsb_outputs(void *, const char *, size_t), lsb_serialize_binary(void *, const void *, size_t);
E lsb_serialize_double(void *, double);
char lsb_heka_get_type(const void *);
const void *lsb_heka_get_message(const void *);
const char *lsb_pb_read_key(const char *, int *, int *);
const char *lsb_pb_read_varint(const char *, const char *, long long *);

static int output(L *s) {
    void *out = lua_touserdata(s, -1);
    double *n = lua_touserdata(s, -2);
    if (*n < 0) return 1;
    if (lua_touserdata(s, -3)) return lsb_outputs(out, "light", 5) != 0;
    lsb_outputf(out, "%s=", "n");
    lsb_outputd(out, *n);
    return lsb_outputc(out, ';') != 0;
}
static int serialize(L *s) {
    void *out = lua_touserdata(s, -1);
    const char *key = lua_touserdata(s, -2);
    double *n = lua_touserdata(s, -3);
    lsb_outputf(out, "%s = require('native').new(", key);
    lsb_serialize_double(out, *n);
    lsb_outputf(out, ") _G[\"text\"] = \"");
    lsb_serialize_binary(out, "a\"\\\n\0b", 6);
    return lsb_outputf(out, "\"\n") != 0;
}
static int make(L *s) {
    double n = lua_tonumber(s, 1);
    *(double *)lua_newuserdata(s, sizeof n) = n;
    return 1;
}
int luaopen_native(L *s) {
    lua_createtable(s, 0, 0);
    lsb_add_output_function(s, output);
    lsb_add_serialize_function(s, serialize);
    lsb_add_zero_copy_function(s, make);
    lua_replace(s, -10001); /* the environment */
    lua_getfield(s, -10000, "lsb_this_ptr");
    const logger *log = lsb_get_logger(lua_touserdata(s, -1));
    lua_getfield(s, -10000, "lsb_heka_this_ptr");
    void *heka = lua_touserdata(s, -1);
    int tag, wire;
    long long value;
    const char message[] = "\x50\xac\x02";
    const char *p = lsb_pb_read_key(message, &tag, &wire);
    if (!lsb_pb_read_varint(p, message + 3, &value)) value = -1;
    log->cb(log->context, "native", 4, "loaded %c %d %d %d", lsb_heka_get_type(heka), tag, wire,
            (int)value);
    lua_createtable(s, 0, 0);
    lua_pushcclosure(s, make, 0);
    lua_setfield(s, -2, "new");
    return lsb_heka_get_message(heka) || lsb_get_output_function(s, -1) ? 0 : 1;
}
"#;

#[test]
fn modules_of_lua_sandbox_find_its_functions() {
    let dir = heka_tests::scratch();
    build(dir.path(), "native", NATIVE);
    let source = "require 'string' local native = require 'native'\n\
                  count = count or native.new(0.5) runs = 0\n\
                  function process_message() runs = runs + 1\n\
                  local ok, err = pcall(inject_message, {Fields = {a = native.new(-1)}})\n\
                  inject_message({Fields = {count = count, text = text}})\n\
                  count = native.new(runs + 0.25)\n\
                  return -2, tostring(err) end";
    std::fs::write(dir.path().join("p.lua"), source).unwrap();
    for (count, text) in [("n=0.5;", "null"), ("n=1.25;", r#""a\"\\\n\u0000b""#)] {
        let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["p.lua", "-j", "-v"]);
        let tool = tool.args(["--cpath", "./?.so", "--preserve", "state"]).run();
        tool.succeeds().stderr_has("heka-sandbox: warning: native: loaded i 10 0 300\n");
        tool.stderr_has("userdata output callback failed: 1");
        let message: serde_json::Value = serde_json::from_str(&tool.out()).unwrap();
        let bytes = message["Fields"]["count"].to_string();
        assert!(bytes.contains(count) || bytes.contains(&base64(count)), "{bytes}");
        assert_eq!(message["Fields"]["text"].to_string(), text);
    }
}

fn base64(text: &str) -> String {
    data_encoding::BASE64.encode(text.as_bytes())
}

#[test]
fn a_part_of_a_library_is_found_in_the_library() {
    let dir = all_in_one();
    let cpath = format!("{}/?.so", dir.path().display());
    // C modules do not need the templates of Lua modules.
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
    // The command line and the plugin's configuration take precedence.
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

/// A decoder in the style of lua_sandbox_extensions: a module with `decode`, which injects.
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
