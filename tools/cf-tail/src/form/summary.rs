// SPDX-License-Identifier: MIT OR Apache-2.0
//! Summarises an envelope other than a log in one line, as `cf tail` does for the kinds that it
//! shows.

use std::fmt::Write as _;

use crate::envelope::{Content, Envelope, Kind, Member, Value};

/// Returns `COUNTER requests:105`, `GAUGE cpu:0.250000 percentage`, `TIMER http 12.345678 ms` …
pub(super) fn of(envelope: &Envelope) -> Vec<u8> {
    let Content::Other(kind, members) = &envelope.content else { return Vec::new() };
    let text = |name| envelope.member(name).map(plain).unwrap_or_default();
    let mut line = kind.name().to_ascii_uppercase();
    match kind {
        Kind::Counter => line += &format!(" {}:{}", text("name"), total(envelope)),
        Kind::Gauge | Kind::Container => {
            members.iter().for_each(|member| put_measured(&mut line, member));
        }
        Kind::Value => {
            for member in members.iter().filter(|member| member.name == "value") {
                let name = Member { name: text("name").into(), ..member.clone() };
                put_measured(&mut line, &name);
            }
        }
        Kind::Timer => line += &format!(" {} {} ms", text("name"), milliseconds(envelope)),
        Kind::Event => line += &format!(" {}:{}", text("title"), text("body")),
        Kind::Error => {
            line += &format!(" {} {}: {}", text("source"), text("code"), text("message"));
        }
        Kind::Http => {
            let parts = [text("method"), text("uri"), text("status_code"), text("peer_type")];
            line += &format!(" {} {} ms", parts.join(" "), milliseconds(envelope));
        }
        Kind::Log | Kind::Nothing => {}
    }
    line.replace(['\r', '\n'], " ").into_bytes()
}

fn put_measured(line: &mut String, member: &Member) {
    let name = String::from_utf8_lossy(&member.name);
    let unit = String::from_utf8_lossy(&member.unit);
    let value = plain(&member.value);
    // Writing to a String cannot fail.
    let _ = write!(line, " {name}:{value}");
    if !unit.is_empty() {
        let _ = write!(line, " {unit}");
    }
}

fn plain(value: &Value) -> String {
    match value {
        Value::Text(text) => String::from_utf8_lossy(text).into_owned(),
        Value::Int(number) => number.to_string(),
        Value::Long(number) => number.to_string(),
        Value::Unsigned(number) => number.to_string(),
        Value::Double(number) => format!("{number:.6}"),
    }
}

/// Returns the total, or the increment if there is none (v1).
fn total(envelope: &Envelope) -> String {
    match (envelope.member("total"), envelope.member("delta")) {
        (Some(total), _) => plain(total),
        (None, Some(delta)) => format!("+{}", plain(delta)),
        (None, None) => String::new(),
    }
}

fn milliseconds(envelope: &Envelope) -> String {
    let nanoseconds = |name| match envelope.member(name) {
        Some(Value::Long(value)) => i128::from(*value),
        _ => 0,
    };
    let length = nanoseconds("stop") - nanoseconds("start");
    let sign = if length < 0 { "-" } else { "" };
    let length = length.unsigned_abs();
    format!("{sign}{}.{:06}", length / 1_000_000, length % 1_000_000)
}
