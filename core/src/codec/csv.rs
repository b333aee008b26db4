// SPDX-License-Identifier: MIT OR Apache-2.0
//! Messages as comma-separated values (RFC 4180, with plain line ends) or tab-separated values
//! (with `\t`, `\n`, `\r` and `\\` for characters that would break a cell), after a header line.

use super::FieldList;
use super::Selector;
use crate::wire::MessageView;

/// The default columns.
const COLUMNS: [&str; 7] =
    ["Timestamp", "Hostname", "Type", "Logger", "Severity", "Pid", "Payload"];

/// Writes one line per message.
#[derive(Clone, Debug)]
pub struct Csv {
    columns: Vec<(String, Selector)>,
    has_begun: bool,
    has_tabs: bool,
    scratch: Vec<u8>,
}

impl Csv {
    /// Creates a writer with the columns of `fields`, by names of headers and fields.
    pub fn new(fields: &FieldList) -> Self {
        let names: Vec<String> = match fields {
            FieldList::These(names) => {
                names.iter().map(|name| String::from_utf8_lossy(name).into_owned()).collect()
            }
            FieldList::All | FieldList::None => COLUMNS.map(str::to_owned).into(),
        };
        let column = |name: String| {
            let selector = Selector::parse(&name)?;
            Some((name, selector))
        };
        let columns = names.into_iter().filter_map(column).collect();
        Self { columns, has_begun: false, has_tabs: false, scratch: Vec::new() }
    }

    /// Like [`Csv::new`], with tabs between the columns.
    pub fn with_tabs(fields: &FieldList) -> Self {
        Self { has_tabs: true, ..Self::new(fields) }
    }

    /// Appends one message and a line end, and before the first message the header line.
    pub fn put(&mut self, out: &mut Vec<u8>, message: &MessageView<'_>) {
        if !self.has_begun {
            self.has_begun = true;
            for (name, _) in &self.columns {
                put_cell(out, name.as_bytes(), self.has_tabs);
            }
            end(out);
        }
        for (_, selector) in &self.columns {
            self.scratch.clear();
            selector.put(&mut self.scratch, message);
            put_cell(out, &self.scratch, self.has_tabs);
        }
        end(out);
    }
}

/// Appends a cell and the separator after it.
fn put_cell(out: &mut Vec<u8>, text: &[u8], has_tabs: bool) {
    if has_tabs {
        for byte in text {
            match byte {
                b'\t' => out.extend_from_slice(b"\\t"),
                b'\n' => out.extend_from_slice(b"\\n"),
                b'\r' => out.extend_from_slice(b"\\r"),
                b'\\' => out.extend_from_slice(b"\\\\"),
                byte => out.push(*byte),
            }
        }
        return out.push(b'\t');
    }
    let is_plain = !text.iter().any(|byte| matches!(byte, b'"' | b',' | b'\n' | b'\r'));
    if is_plain {
        out.extend_from_slice(text);
    } else {
        out.push(b'"');
        for part in text.split_inclusive(|&byte| byte == b'"') {
            out.extend_from_slice(part);
            if part.ends_with(b"\"") {
                out.push(b'"');
            }
        }
        out.push(b'"');
    }
    out.push(b',');
}

/// Replaces the separator after the last cell with a line end.
fn end(out: &mut Vec<u8>) {
    if matches!(out.last(), Some(b',' | b'\t')) {
        out.pop();
    }
    out.push(b'\n');
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::wire::{Field, Message, put_message};

    #[test]
    fn cells_are_quoted_where_they_must_be() {
        let message = Message {
            payload: Some("say \"a,b\"\n".into()),
            hostname: Some("web01".into()),
            fields: vec![Field::integer("status", 404)],
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        let mut csv = Csv::new(&FieldList::parse("Hostname,status,Fields[none],Payload"));
        let mut out = Vec::new();
        for _ in 0..2 {
            csv.put(&mut out, &MessageView::parse(&bytes).unwrap());
        }
        let line = "web01,404,,\"say \"\"a,b\"\"\n\"\n";
        let names = "Hostname,status,Fields[none],Payload\n";
        assert_eq!(String::from_utf8(out).unwrap(), format!("{names}{line}{line}"));
    }

    #[test]
    fn tabs_in_cells_are_escaped() {
        let message = Message {
            payload: Some("a\tb\\c\n".into()),
            hostname: Some("web01".into()),
            ..Message::default()
        };
        let mut bytes = Vec::new();
        put_message(&mut bytes, &message);
        let mut tsv = Csv::with_tabs(&FieldList::parse("Hostname,none,Payload"));
        let mut out = Vec::new();
        tsv.put(&mut out, &MessageView::parse(&bytes).unwrap());
        assert_eq!(out, b"Hostname\tnone\tPayload\nweb01\t\ta\\tb\\\\c\\n\n");
    }
}
