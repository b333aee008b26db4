// SPDX-License-Identifier: MIT OR Apache-2.0
//! A simulated platform: messages, answers and configurations of every generation.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;

use heka_tests::playback::{Playback, Turn, frame};
use heka_tests::{Running, TempDir, Tool};

pub(crate) const TOKEN: &str = "bearer good-s3cr3t";
pub(crate) const GUID: &str = "55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346c";
/// `{"exp":1}` and `{"exp":4102444800}` (2100): long expired, and far in the future.
pub(crate) const EXPIRED: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjF9.old-s3cr3t-old-s3cr3t";
pub(crate) const FRESH: &str = "eyJhbGciOiJub25lIn0.eyJleHAiOjQxMDI0NDQ4MDB9.new-s3cr3t-new-s3cr3t";

pub(crate) fn cf_tail<const N: usize>(args: [&str; N]) -> Tool {
    Tool::new("cf-tail").args(args).env("CF_ACCESS_TOKEN", TOKEN)
}

/// Returns a varint field of a protobuf message.
fn number(field: u8, mut value: u64) -> Vec<u8> {
    let mut bytes = vec![field << 3];
    while value >= 0x80 {
        bytes.push((value & 0x7f) as u8 | 0x80);
        value >>= 7;
    }
    bytes.push(value as u8);
    bytes
}

/// Returns a field of up to 127 bytes.
fn bytes(field: u8, value: impl AsRef<[u8]>) -> Vec<u8> {
    let value = value.as_ref();
    let len = u8::try_from(value.len()).expect("short");
    assert!(len < 0x80 && field < 16, "this would need a longer varint");
    [&[field << 3 | 2, len], value].concat()
}

/// The stream of a line, out (1) or err (2), and its source.
pub(crate) type From = (u64, &'static str);

pub(crate) const APP: From = (1, "APP/PROC/WEB");
pub(crate) const APP_ERR: From = (2, "APP/PROC/WEB");
pub(crate) const ROUTER: From = (1, "RTR");

/// Returns a legacy message with `text` at this time, in seconds since 1970.
pub(crate) fn legacy_from(text: &str, second: u64, (stream, source): From) -> Vec<u8> {
    let zigzag = second * 1_000_000_000 * 2;
    [
        bytes(1, text),
        number(2, stream),
        number(3, zigzag),
        bytes(4, "app"),
        bytes(6, "0"),
        bytes(8, source),
    ]
    .concat()
}

pub(crate) fn legacy(text: &str, second: u64) -> Vec<u8> {
    legacy_from(text, second, (1, "App"))
}

/// Returns a v1 envelope with a line.
pub(crate) fn v1_from(text: &str, second: u64, (stream, source): From) -> Vec<u8> {
    let log = [
        bytes(1, text),
        number(2, stream),
        number(3, second * 1_000_000_000),
        bytes(4, "app"),
        bytes(5, source),
        bytes(6, "0"),
    ];
    [bytes(1, "rep"), number(2, 5), bytes(8, log.concat())].concat()
}

/// Returns a v1 envelope of this type, whose content is in this field.
fn v1_event(event_type: u64, field: u8, content: &[Vec<u8>]) -> Vec<u8> {
    [bytes(1, "rep"), number(2, event_type), bytes(field, content.concat())].concat()
}

/// Returns a v1 envelope with a count.
pub(crate) fn v1_counter() -> Vec<u8> {
    v1_event(7, 10, &[bytes(1, "requests"), number(2, 1), number(3, 105)])
}

/// Returns a v1 envelope of each of the six types, with the type's name and the line that is
/// printed.
pub(crate) fn v1_events() -> [(&'static str, Vec<u8>, &'static str); 6] {
    let quarter = [&[0x11][..], &0.25_f64.to_le_bytes()].concat();
    let quarter_of_cpu = [&[0x19][..], &0.25_f64.to_le_bytes()].concat();
    let id = || [number(1, 0x7243_cc58_0bc1_7af4), number(2, 0x79d4_c3b2_020e_67a5)].concat();
    let http = [
        vec![number(1, 1_000_000), number(2, 3_500_000), bytes(3, id()), number(4, 1)],
        vec![number(5, 1), bytes(6, "/items"), bytes(7, "10.0.0.1"), bytes(8, "curl")],
        vec![number(9, 200), number(10, 7), bytes(12, id()), number(13, 3)],
    ];
    let container =
        [bytes(1, "app"), number(2, 1), quarter_of_cpu, number(4, 1024), number(5, 2048)];
    let value = [bytes(1, "load"), quarter, bytes(3, "cpus")];
    let error = [bytes(1, "api"), number(2, 7), bytes(3, "no room")];
    [
        ("http", v1_event(4, 7, &http.concat()), "HTTP GET /items 200 Client 2.500000 ms"),
        ("log", v1_from("a line", 0, APP), "OUT a line"),
        ("value", v1_event(6, 9, &value), "VALUE load:0.250000 cpus"),
        ("counter", v1_counter(), "COUNTER requests:105"),
        ("error", v1_event(8, 11, &error), "ERROR api 7: no room"),
        (
            "container",
            v1_event(9, 12, &container),
            "CONTAINER cpu_percentage:0.250000 percentage memory_bytes:1024 bytes \
             disk_bytes:2048 bytes",
        ),
    ]
}

pub(crate) fn frames(messages: &[(&str, u64)]) -> Vec<u8> {
    messages.iter().flat_map(|(text, second)| frame(2, &legacy(text, *second))).collect()
}

/// Returns a multipart answer.
pub(crate) fn parts(parts: &[Vec<u8>]) -> Turn {
    let mut body = Vec::new();
    for part in parts {
        body.extend_from_slice(b"--B\r\n\r\n");
        body.extend_from_slice(part);
        body.extend_from_slice(b"\r\n");
    }
    body.extend_from_slice(b"--B--\r\n");
    Turn::http("200 OK", "Content-Type: multipart/x-protobuf; boundary=B\r\n", body)
}

/// Returns the answer to `/recent`.
pub(crate) fn recent(messages: &[(&str, u64)]) -> Turn {
    parts(&messages.iter().map(|(text, second)| legacy(text, *second)).collect::<Vec<_>>())
}

/// Returns a v2 envelope in JSON: a line at this time in nanoseconds.
pub(crate) fn v2_from(text: &str, nanoseconds: u64, (stream, source): From) -> String {
    let payload = data_encoding::BASE64.encode(text.as_bytes());
    let stream = if stream == 2 { "ERR" } else { "OUT" };
    format!(
        r#"{{"timestamp":"{nanoseconds}","source_id":"s","instance_id":"0","tags":{{"source_type":"{source}"}},"log":{{"payload":"{payload}","type":"{stream}"}}}}"#
    )
}

pub(crate) fn v2(text: &str, nanoseconds: u64) -> String {
    v2_from(text, nanoseconds, (1, "APP"))
}

/// Returns the current time in nanoseconds.
pub(crate) fn now_ns() -> u64 {
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    u64::try_from(now.expect("after 1970").as_nanos()).expect("before 2500")
}

/// Returns a v2 envelope with a count.
pub(crate) fn v2_counter() -> String {
    r#"{"timestamp":"9","source_id":"s","counter":{"name":"requests","delta":"1","total":"105"}}"#
        .to_owned()
}

pub(crate) fn batch(envelopes: &[String]) -> String {
    format!(r#"{{"batch":[{}]}}"#, envelopes.join(","))
}

/// Returns an answer of log-cache; the connection stays open.
pub(crate) fn page(envelopes: &[String]) -> Turn {
    let body = format!(r#"{{"envelopes":{}}}"#, batch(envelopes));
    Turn::http("200 OK", "Content-Type: application/json\r\n", body).open()
}

pub(crate) fn info() -> Turn {
    Turn::http("200 OK", "", r#"{"version":"3.0.11"}"#).open()
}

/// Returns the beginning of an event stream.
pub(crate) fn events(text: &str) -> Turn {
    let head = "HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\n\r\n";
    Turn::once(format!("{head}{text}"))
}

/// Returns the frames that a client sent after its handshake, unmasked: opcode and payload.
pub(crate) fn client_frames(heard: &[u8]) -> Vec<(u8, Vec<u8>)> {
    let head = heard.windows(4).position(|bytes| bytes == b"\r\n\r\n").expect("a head") + 4;
    let mut rest = &heard[head..];
    let mut frames = Vec::new();
    while rest.len() >= 6 {
        let len = usize::from(rest[1] & 0x7f);
        let Some(payload) = rest.get(6..6 + len) else { break };
        let payload = payload.iter().zip(rest[2..6].iter().cycle()).map(|(byte, mask)| byte ^ mask);
        frames.push((rest[0] & 0x0f, payload.collect()));
        rest = &rest[6 + len..];
    }
    frames
}

#[track_caller]
pub(crate) fn wait_for_lines(running: &Running, lines: usize) -> String {
    let out = running
        .wait_stdout("its lines", |out| out.iter().filter(|byte| **byte == b'\n').count() >= lines);
    String::from_utf8(out).expect("text")
}

pub(crate) fn ws(server: &Playback) -> String {
    format!("ws://{}", server.addr)
}

pub(crate) fn http(server: &Playback) -> String {
    format!("http://{}", server.addr)
}

/// Creates a home directory with cf's configuration, readable only by its owner.
#[derive(Debug)]
pub(crate) struct Home(TempDir);

impl Home {
    /// Creates it with `json` as the configuration.
    pub(crate) fn new(json: &str) -> Self {
        let folder = heka_tests::scratch();
        std::fs::create_dir(folder.path().join(".cf")).expect("a folder");
        let path = folder.path().join(".cf/config.json");
        let file = File::options().create_new(true).write(true).mode(0o600).open(path);
        file.expect("a file").write_all(json.as_bytes()).expect("room");
        Self(folder)
    }

    /// Returns a configuration as cf 7 writes it, with `server` for all servers.
    pub(crate) fn of(server: &Playback, token: &str) -> Self {
        let url = http(server);
        let token = token.trim_start_matches("bearer ");
        Self::new(&format!(
            r#"{{"ConfigVersion":4,"Target":"{url}","UaaEndpoint":"{url}","LogCacheEndPoint":"{url}",
            "DopplerEndPoint":"{ws}","LoggregatorEndPoint":"{ws}","AccessToken":"bearer {token}",
            "RefreshToken":"refresh-s3cr3t","UAAOAuthClient":"cf","SpaceFields":{{"GUID":"space"}}}}"#,
            ws = ws(server),
        ))
    }

    /// Returns the current configuration.
    pub(crate) fn text(&self) -> String {
        std::fs::read_to_string(self.0.path().join(".cf/config.json")).expect("config.json")
    }

    /// Replaces a part of it, as cf does.
    pub(crate) fn replace(&self, from: &str, to: &str) {
        let path = self.0.path().join(".cf/config.json");
        std::fs::write(path, self.text().replace(from, to)).expect("room");
    }

    /// Creates a call of cf-tail in this home.
    pub(crate) fn tool(&self, args: &[&str]) -> Tool {
        Tool::new("cf-tail").args(args).env("CF_HOME", self.0.path())
    }

    /// Creates a shell line in this home.
    pub(crate) fn sh(&self, line: &str) -> Tool {
        heka_tests::sh(line).env("CF_HOME", self.0.path())
    }
}

pub(crate) fn grant() -> Turn {
    let body = format!(
        r#"{{"access_token":"{FRESH}","token_type":"bearer","refresh_token":"refresh2-s3cr3t"}}"#
    );
    Turn::http("200 OK", "Content-Type: application/json\r\n", body).open()
}

#[track_caller]
pub(crate) fn sent(server: &Playback, number: usize) -> String {
    String::from_utf8_lossy(&server.heard()[number]).into_owned()
}
