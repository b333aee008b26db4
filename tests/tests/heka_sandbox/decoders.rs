// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox --decoder: modules in the style of `lua_sandbox_extensions`, with messages from a
//! pipe.

use heka_tests::{Outcome, TempDir, Tool, sh};

/// `key=value` becomes a field, several of them several messages, `drop` none.
const KEY_VALUE: &str = r#"
local module_name = ...
local module_cfg = require "string".gsub(module_name, "%.", "_")
local cfg = read_config(module_cfg) or {}
local copy = require "util".copy
local string, table, type = string, require "table", type
local inject_message, error = inject_message, error
local M = {}
setfenv(1, M)
function decode(data, headers, mutable)
    if data == "drop" then return end
    if data == "throw" then error("oh") end
    if data == "table" then return {} end
    for key, value in string.gmatch(data, "(%w+)=(%w+)") do
        local msg = copy(headers)
        msg.Type = cfg.type
        msg.Fields[key] = value
        inject_message(msg)
    end
    if not string.find(data, "=") or string.find(data, "bad") then
        return module_name .. " parse failed"
    end
end
return M
"#;
/// Does the work of `sub_decoder_util` of the extensions.
const UTIL: &str = "local M = {} local pairs = pairs function M.copy(msg) local copy = {} \
    for k, v in pairs(msg) do copy[k] = v end copy.Fields = {} \
    for k, v in pairs(msg.Fields) do copy.Fields[k] = v end return copy end return M";

fn folder() -> TempDir {
    let dir = heka_tests::scratch();
    std::fs::create_dir_all(dir.path().join("lua/decoders/key")).unwrap();
    std::fs::write(dir.path().join("lua/decoders/key/value.lua"), KEY_VALUE).unwrap();
    std::fs::write(dir.path().join("lua/util.lua"), UTIL).unwrap();
    dir
}

const DECODE: &str = "heka-sandbox --decoder lua/decoders/key/value.lua --path 'lua/?.lua'";

/// Decodes lines that are payloads of messages with all other headers, which must stay.
fn decode(dir: &TempDir, lines: &str, flags: &str) -> Outcome {
    let fields = "-F twice=a -F twice=b -F large:i=9223372036854775807 -F small:i=7 -F raw:b=x";
    let ids = "--uuid 30313233-3435-3637-3839-616263646566 --timestamp 1700000000123456789";
    let encode = format!("heka-encode -i lines --no-chomp -l app.log -H h {ids} {fields}");
    let line = format!("{encode} | {DECODE} -j {flags}");
    sh(&line).dir(dir.path()).stdin(lines).run()
}

fn messages(outcome: &Outcome) -> Vec<serde_json::Value> {
    outcome.out().lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[test]
fn what_a_decoder_leaves_stays() {
    let outcome = decode(&folder(), "a=1\r\n", "-D \"decoders_key_value={type='kv'}\"");
    outcome.succeeds().stderr_is("");
    let message = &messages(&outcome)[0];
    assert_eq!(message["Uuid"], "30313233-3435-3637-3839-616263646566");
    assert_eq!(message["TimestampNs"], 1_700_000_000_123_456_789_i64);
    for (header, value) in [("Logger", "app.log"), ("Type", "kv"), ("Hostname", "h")] {
        assert_eq!(message[header], value);
    }
    let fields = serde_json::json!({
        "a": "1", "small": 7, "large": i64::MAX, "twice": ["a", "b"], "raw": message["Fields"]["raw"]
    });
    assert_eq!(message["Fields"], fields);
    assert_eq!(message["FieldInfo"]["raw"]["type"], "bytes");
    // The decoder set neither.
    assert_eq!((message.get("Payload"), message.get("Pid")), (None, None));
}

#[test]
fn several_messages_of_one_are_told_apart() {
    let uuids = || {
        let outcome = decode(&folder(), "a=1 b=2 c=3\n", "");
        let messages = messages(outcome.succeeds());
        messages.iter().map(|it| it["Uuid"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    let first = uuids();
    assert_eq!(first[0], "30313233-3435-3637-3839-616263646566");
    assert!(first.len() == 3 && first[1] != first[0] && first[2] != first[1], "{first:?}");
    // A message that is decoded again can be recognised.
    assert_eq!(uuids(), first);
}

#[test]
fn what_cannot_be_decoded_is_told_and_costs_no_neighbour() {
    let lines = "a=1 bad=2\nthrow\ntable\na=1\n";
    let outcome = decode(&folder(), lines, "");
    let told = messages(outcome.succeeds());
    let told: Vec<_> = told.iter().map(|it| it["Fields"]["_unparsed"].as_str()).collect();
    let thrown = "lua/decoders/key/value.lua:12: oh";
    let failed = "decoders.key.value parse failed";
    assert_eq!(told, [Some(failed), Some(thrown), Some("decode returned a table"), None]);
    assert_eq!(messages(&outcome)[0]["Payload"], "a=1 bad=2\n");
    outcome.stderr_has("value.lua: offset 0: decoders.key.value parse failed, forwarded unparsed");

    let outcome = decode(&folder(), lines, "--strict --unparsed=drop");
    assert_eq!(messages(outcome.exits(1)).len(), 1);
    let dir = folder();
    let outcome = decode(&dir, lines, "--unparsed=rest");
    assert_eq!(messages(outcome.succeeds()).len(), 1);
    let rest = Tool::new("heka-decode").dir(dir.path()).arg("rest").run();
    rest.succeeds().stdout_is("a=1 bad=2\nthrow\ntable\n");
}

#[test]
fn an_endless_decoder_is_stopped_at_its_limit() {
    let dir = folder();
    let source = "return {decode = function(data) while data == 'loop' do end \
                  inject_message({Payload = data}) end}";
    std::fs::write(dir.path().join("lua/decoders/key/value.lua"), source).unwrap();
    let outcome = decode(&dir, "loop\nnext\n", "");
    outcome
        .succeeds()
        .stdout_has("\"Payload\":\"next\"")
        .stderr_has("instruction_limit exceeded, forwarded");
}

#[test]
fn positions_go_along() {
    let dir = folder();
    std::fs::write(dir.path().join("app.log"), "a=1 b=2\ndrop\nc=3\ndrop\n").unwrap();
    let pipe = format!("heka-tail --no-follow --resume pos app.log | {DECODE}");
    let outcome = sh(&format!("{pipe} -j")).dir(dir.path()).run();
    let positions = messages(outcome.succeeds());
    let positions: Vec<_> = positions.iter().map(|it| it.get("_position").is_some()).collect();
    // The last of two messages has it, and that of the last line is in a mark.
    assert_eq!(positions, [false, true, true, true]);
    let peer = heka_tests::Peer::new("heka-listen", ["127.0.0.1:0", "-j"]);
    let send = format!("{pipe} | heka-send -q --commit pos {}", peer.addr);
    sh(&send).dir(dir.path()).run().succeeds();
    let outcome = sh(&format!("{pipe} -j")).dir(dir.path()).run();
    outcome.succeeds().stdout_is("");
}

#[test]
fn a_module_without_decode_is_refused() {
    let dir = heka_tests::scratch();
    std::fs::write(dir.path().join("d.lua"), "return {}").unwrap();
    std::fs::write(dir.path().join("d.cfg"), "filename = 'd.lua'").unwrap();
    for arguments in [&["d.lua"][..], &["d.cfg"], &["d.lua", "--check"]] {
        let tool = Tool::new("heka-sandbox").dir(dir.path()).args(["--decoder"]).args(arguments);
        tool.run().exits(1).stderr_has("d.lua: no decode function defined\n");
    }
    let tool = Tool::new("heka-sandbox").args(["--decoder", "d.lua", "p.lua"]);
    tool.run().exits(2);
}
