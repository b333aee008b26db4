// SPDX-License-Identifier: MIT OR Apache-2.0
//! One module for each parser of untrusted bytes. Each checks invariants that hold for any input,
//! besides the absence of panics.

pub mod captures;
pub mod cf_envelopes;
pub mod checkpoint;
pub mod checkpoint_file;
pub mod cursor;
pub mod deframe;
pub mod gelf;
pub mod header;
pub mod http_answer;
pub mod journal;
pub mod json;
pub mod json_map;
pub mod key_store;
pub mod logfmt;
pub mod lua_pattern;
pub mod matcher;
pub mod message_view;
pub mod multipart;
pub mod nats;
pub mod presets;
pub mod queue;
pub mod regex;
pub mod sandbox_cfg;
pub mod sandbox_preserved;
pub mod sandbox_stream;
pub mod splitters;
pub mod sse;
pub mod syslog;
pub mod tail_position;
pub mod template;
pub mod time;
pub mod tunnel;
pub mod unix_routing;
pub mod ws_frames;
pub mod ws_handshake;

/// All targets.
pub const ALL: &[(&str, fn(&[u8]))] = &[
    ("captures", captures::run),
    ("cf_envelopes", cf_envelopes::run),
    ("checkpoint", checkpoint::run),
    ("checkpoint_file", checkpoint_file::run),
    ("cursor", cursor::run),
    ("deframe", deframe::run),
    ("gelf", gelf::run),
    ("header", header::run),
    ("http_answer", http_answer::run),
    ("journal", journal::run),
    ("json", json::run),
    ("json_map", json_map::run),
    ("key_store", key_store::run),
    ("logfmt", logfmt::run),
    ("lua_pattern", lua_pattern::run),
    ("matcher", matcher::run),
    ("message_view", message_view::run),
    ("multipart", multipart::run),
    ("nats", nats::run),
    ("presets", presets::run),
    ("queue", queue::run),
    ("regex", regex::run),
    ("sandbox_cfg", sandbox_cfg::run),
    ("sandbox_preserved", sandbox_preserved::run),
    ("sandbox_stream", sandbox_stream::run),
    ("splitters", splitters::run),
    ("sse", sse::run),
    ("syslog", syslog::run),
    ("tail_position", tail_position::run),
    ("template", template::run),
    ("time", time::run),
    ("tunnel", tunnel::run),
    ("unix_routing", unix_routing::run),
    ("ws_frames", ws_frames::run),
    ("ws_handshake", ws_handshake::run),
];
