// SPDX-License-Identifier: MIT OR Apache-2.0
//! Presets: named ways to parse the logs of known programs.

use super::access::{self, Access};
use super::{Map, Way, journal};
use crate::codec::HeaderName;

/// Names and purposes, in the order of the manual page.
pub const PRESETS: [(&str, &str); 15] = [
    ("syslog", "syslog messages and files (RFC 5424, RFC 3164)"),
    ("nginx-combined", "nginx's access log"),
    ("nginx-error", "nginx's error log"),
    ("apache-combined", "Apache's access log, combined or common"),
    ("apache-error", "Apache's error log"),
    ("journald", "journalctl -o json and -o export"),
    ("docker", "Docker's json-file"),
    ("cri", "containerd's and CRI-O's logs"),
    ("kubernetes", "either, with namespace, pod and container of the path"),
    ("gelf", "GELF, as Graylog takes it"),
    ("json", "JSON with the usual names of time, level and message"),
    ("logfmt", "logfmt with the usual names"),
    ("klog", "klog and glog"),
    ("python", "Python's logging, with tracebacks"),
    ("java", "log4j, logback, java.util.logging, with stack traces"),
];

/// The usual member names of headers.
const USUAL: [(HeaderName, &str); 22] = [
    (HeaderName::Timestamp, "time"),
    (HeaderName::Timestamp, "timestamp"),
    (HeaderName::Timestamp, "@timestamp"),
    (HeaderName::Timestamp, "ts"),
    (HeaderName::Timestamp, "t"),
    (HeaderName::Timestamp, "asctime"),
    (HeaderName::Timestamp, "datetime"),
    (HeaderName::Timestamp, "date"),
    (HeaderName::Severity, "level"),
    (HeaderName::Severity, "severity"),
    (HeaderName::Severity, "lvl"),
    (HeaderName::Severity, "levelname"),
    (HeaderName::Severity, "log.level"),
    (HeaderName::Severity, "loglevel"),
    (HeaderName::Payload, "msg"),
    (HeaderName::Payload, "message"),
    (HeaderName::Payload, "event"),
    (HeaderName::Hostname, "hostname"),
    (HeaderName::Hostname, "host"),
    (HeaderName::Hostname, "host.name"),
    (HeaderName::Pid, "pid"),
    (HeaderName::Pid, "process.pid"),
];

/// Matches lines that begin a record: with a time, a bracket, or a level.
const PYTHON_START: &str =
    r"^(?:\[|\d\d[-\d:/. T]|[A-Z][a-z]{2} +\d|(?:DEBUG|INFO|WARN|WARNING|ERROR|CRITICAL|FATAL)\b)";
/// Like `PYTHON_START` without levels, which `java.util.logging` writes on the second line.
const JAVA_START: &str =
    r"^(?:\[|\d\d?[-\d:/. T]|[A-Z][a-z]{2} +\d|(?:TRACE|DEBUG|INFO|WARN|ERROR|FATAL) [^:]|\d+ \[)";

/// Returns the ways of a preset, in order.
pub fn preset(name: &str) -> Option<Vec<Way>> {
    let usual = || Map::of(&USUAL);
    let access = |format| Access::new(format).ok().map(Box::new).map(Way::Access);
    Some(match name {
        "syslog" => vec![Way::Syslog],
        "nginx-combined" => {
            vec![access(access::NGINX_COMBINED)?, access(access::NGINX_MAIN)?]
        }
        "nginx-error" => vec![Way::NginxError],
        "apache-combined" => {
            vec![access(access::APACHE_COMBINED)?, access(access::APACHE_COMMON)?]
        }
        "apache-error" => vec![Way::ApacheError],
        "journald" => {
            vec![Way::Json(Map::of(&journal::HEADERS)), Way::Journal(Map::of(&journal::HEADERS))]
        }
        "docker" => vec![docker()],
        "cri" => vec![Way::Cri],
        "kubernetes" => {
            vec![Way::OnPath(Box::new(Way::Cri)), Way::OnPath(Box::new(docker()))]
        }
        "gelf" => vec![Way::Json(gelf())],
        "json" => vec![Way::Json(usual())],
        "logfmt" => vec![Way::Logfmt(usual())],
        "klog" => vec![Way::Klog],
        "python" | "java" => vec![Way::Levels],
        _ => return None,
    })
}

/// Returns the expression for the first line of a multi-line record, if a preset has such records.
pub fn start_of_records(name: &str) -> Option<&'static str> {
    match name {
        "python" => Some(PYTHON_START),
        "java" => Some(JAVA_START),
        _ => None,
    }
}

fn docker() -> Way {
    Way::Docker(Map::of(&[(HeaderName::Payload, "log"), (HeaderName::Timestamp, "time")]))
}

fn gelf() -> Map {
    let headers = [
        (HeaderName::Hostname, "host"),
        (HeaderName::Payload, "short_message"),
        (HeaderName::Timestamp, "timestamp"),
        (HeaderName::Severity, "level"),
    ];
    Map::of(&headers).without_prefix(b"_")
}
