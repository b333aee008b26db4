// SPDX-License-Identifier: MIT OR Apache-2.0
//! The statistics as one JSON object.

use super::{START, metric};
use crate::codec::json::put_string;
use crate::report;

/// Returns one object with the same names as the metrics file. A number with a label is an object
/// keyed by the label's values.
pub fn json() -> String {
    let mut out = b"{\"tool\":".to_vec();
    put_string(&mut out, report::program().as_bytes());
    if let Some(start) = START.get() {
        for (name, text) in [("version", start.version), ("revision", start.revision)] {
            out.extend_from_slice(format!(",\"{name}\":").as_bytes());
            put_string(&mut out, text.as_bytes());
        }
        let uptime = start.at.elapsed();
        out.extend_from_slice(format!(",\"seconds\":{:.6}", uptime.as_secs_f64()).as_bytes());
    }
    for metric in metric::all() {
        let (label, values) = metric.values();
        if label.is_none() && values.is_empty() {
            continue;
        }
        out.extend_from_slice(format!(",\"{}\":", metric.name).as_bytes());
        match (label, values.first()) {
            (None, Some((_, number))) => out.extend_from_slice(number.to_string().as_bytes()),
            _ => put_object(&mut out, &values),
        }
    }
    out.push(b'}');
    String::from_utf8_lossy(&out).into_owned()
}

fn put_object(out: &mut Vec<u8>, values: &[(String, metric::Number)]) {
    out.push(b'{');
    for (index, (of, number)) in values.iter().enumerate() {
        if index > 0 {
            out.push(b',');
        }
        put_string(out, of.as_bytes());
        out.extend_from_slice(format!(":{number}").as_bytes());
    }
    out.push(b'}');
}
