// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost of parsing: no allocation per record, once similar ones have been parsed.

use std::fs;
use std::path::Path;

use heka_core::codec::regular;
use heka_core::decode::time::Times;
use heka_core::decode::{Access, Captures, Decoder, Map, PRESETS, Readers, Way, preset};
use heka_core::wire::MessageView;

use super::allocations;

/// Returns the number of allocations for `records`, after some of them have been read.
fn cost(mut decoder: Decoder, records: &[&[u8]]) -> usize {
    let base = MessageView::default();
    let mut out = Vec::with_capacity(1 << 20);
    let mut read = || {
        for record in records {
            out.clear();
            let _any = decoder.read(record, 1_700_000_000_000_000_000, b"");
            decoder.draft().finish(&mut out, &base, &base);
        }
    };
    read();
    allocations(|| (0..100).for_each(|_| read()))
}

fn decoder(ways: Vec<Way>) -> Decoder {
    Decoder::new(ways, Readers::default(), 65_536)
}

#[test]
fn nothing_is_allocated_for_a_line_of_an_expression() {
    let regex = r#"^(?P<Hostname>\S+) \S+ \S+ \[(?P<Timestamp>[^\]]+)\] "(?P<request>[^"]*)" (?P<status>\d+)"#;
    let captures =
        || Way::Captures(Box::new(Captures::new(regular::compile(regex).unwrap(), &[]).unwrap()));
    let lines: &[&[u8]] = &[
        br#"192.0.2.7 - - [10/Oct/2000:13:55:36 -0700] "GET /index.html HTTP/1.0" 200 2326"#,
        br#"192.0.2.7 - - [tomorrow] "GET /index.html HTTP/1.0" 404 -"#,
        b"no match",
    ];
    assert_eq!(cost(decoder(vec![captures()]), lines), 0);
    assert_eq!(cost(decoder(vec![captures(), captures()]), lines), 0);
}

#[test]
fn nothing_is_allocated_for_an_object() {
    let map = Map::new("Timestamp=time,Severity=level,Payload=msg,Pid=pid").unwrap();
    let objects: &[&[u8]] = &[
        br#"{"time":"2016-05-24T10:00:00Z","level":"error","msg":"disk \"full\"","disk":{"free":0,"name":"\u00e9"},"pid":7}"#,
        br#"{"level":50,"msg":{"a":[1,2.5,"x",{"b":null}],"n":[1,2,3],"s":["a","b"]},"big":123456789012345678901,"t":true}"#,
        br#"{"broken":"#,
        b"no object",
    ];
    assert_eq!(cost(decoder(vec![Way::Json(map)]), objects), 0);
}

#[test]
fn nothing_is_allocated_for_pairs() {
    let map = Map::new("Severity=level,Payload=msg").unwrap();
    let lines: &[&[u8]] = &[
        br#"time=2016-05-24T10:00:00Z level=warn msg="took \"too\" long" took=1.5 n=3 retry q='a b'"#,
        b"a=\"not closed",
        b"no pairs",
    ];
    assert_eq!(cost(decoder(vec![Way::Logfmt(map)]), lines), 0);
}

#[test]
fn nothing_is_allocated_for_a_line_of_an_access_log() {
    let format = r#"%h %{%F %T}t.%{usec_frac}t "%r" %>s %b"#;
    let lines: &[&[u8]] = &[
        br#"192.0.2.7 2026-11-29 18:22:48.123456 "GET /index.html HTTP/1.0" 200 2326"#,
        br#"2001:db8::7 2026-11-29 never.123456 "GET /\"x\" HTTP/1.0" 404 -"#,
        b"no match",
    ];
    let access = Way::Access(Box::new(Access::new(format).unwrap()));
    assert_eq!(cost(decoder(vec![access]), lines), 0);
}

/// Returns lines of programs, or journal entries, for a preset.
fn recorded(preset: &str) -> Vec<Vec<u8>> {
    let files: &[&str] = match preset {
        "syslog" => &["syslog.log"],
        "nginx-combined" => &["nginx-combined.log"],
        "nginx-error" => &["nginx-error.log"],
        "apache-combined" => &["apache-combined.log", "apache-common.log"],
        "apache-error" => &["apache-error.log"],
        "journald" => &["journald.json", "journald.export"],
        "docker" => &["docker.log", "docker-daemon.log"],
        "cri" => &["cri.log", "cri-o.log"],
        "kubernetes" => &["cri.log", "docker.log"],
        "gelf" => &["gelf.json", "gelf-libraries.json"],
        "json" => &["node-libraries.json", "go-libraries.json"],
        "logfmt" => &["structlog.logfmt", "go-libraries.logfmt"],
        "klog" => &["klog.log"],
        "python" => &["python.log"],
        "java" => &["java.log", "java-util-logging.log"],
        _ => &[],
    };
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../tests/vectors/logs");
    let mut records = Vec::new();
    for file in files {
        let bytes = fs::read(folder.join(file)).unwrap();
        if file.ends_with(".export") {
            let text = String::from_utf8_lossy(&bytes);
            records.extend(text.split("\n\n").map(|entry| entry.as_bytes().to_vec()));
        } else {
            records.extend(bytes.split(|byte| *byte == b'\n').map(<[u8]>::to_vec));
        }
    }
    records
}

#[test]
fn each_preset_is_fuzzed() {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz/corpus/presets");
    let files = fs::read_dir(folder).unwrap().map(|file| file.unwrap().file_name());
    let mut files: Vec<_> = files.map(|name| name.into_string().unwrap()).collect();
    let mut names = PRESETS.map(|(name, _)| name);
    files.sort();
    names.sort();
    assert_eq!(files, names);
}

#[test]
fn nothing_is_allocated_for_what_a_preset_reads() {
    let berlin = jiff::tz::TimeZone::get("Europe/Berlin").unwrap();
    for (name, _) in PRESETS {
        let records = recorded(name);
        let records: Vec<_> = records.iter().map(Vec::as_slice).collect();
        for zone in [jiff::tz::TimeZone::UTC, berlin.clone()] {
            let times = Times::new([], zone, None).unwrap();
            let readers = Readers { times, ..Readers::default() };
            let mut decoder = Decoder::new(preset(name).unwrap(), readers, 65_536);
            let is_read = |record: &&&[u8]| decoder.read(record, 1 << 60, b"").is_ok();
            assert!(records.iter().filter(is_read).count() * 3 > records.len(), "{name}");
            assert_eq!(cost(decoder, &records), 0, "{name}");
        }
    }
}
