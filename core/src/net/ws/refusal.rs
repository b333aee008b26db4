// SPDX-License-Identifier: MIT OR Apache-2.0
//! A rejecting response, and the reason in its body.

use std::time::Duration;

use serde_json::Value;

use super::answer::find;
use crate::net::retry_after;

/// Maximum number of characters of a reason.
const MAX_REASON: usize = 200;
/// JSON members that may hold the reason, the most informative first.
const KEYS: [&str; 9] = [
    "message",
    "error_description",
    "detail",
    "description",
    "reason",
    "title",
    "msg",
    "errors",
    "error",
];

/// An HTTP response other than the switch to WebSocket.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Refusal {
    /// The status code, such as 403.
    pub status: u16,
    /// The reason phrase.
    pub reason: String,
    /// All headers.
    pub headers: Vec<(String, String)>,
    /// The beginning of the body, as text.
    pub body: String,
}

impl Refusal {
    /// Returns the first header with this name.
    pub fn header(&self, name: &str) -> Option<&str> {
        find(&self.headers, name).next()
    }

    /// Returns the delay that the server asks for.
    pub fn retry_after(&self) -> Option<Duration> {
        retry_after(self.header("Retry-After")?)
    }

    /// Returns the target of a redirect.
    pub fn location(&self) -> Option<&str> {
        matches!(self.status, 301 | 302 | 303 | 307 | 308).then(|| self.header("Location"))?
    }
}

impl std::fmt::Display for Refusal {
    /// Shows the status, the redirect or delay, and the reason in the body.
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "HTTP {}", self.status)?;
        if !self.reason.is_empty() {
            write!(f, " {}", self.reason)?;
        }
        if let Some(location) = self.location() {
            // A query may contain a token.
            write!(f, ", Location: {}", location.split(['?', '#']).next().unwrap_or_default())?;
        }
        if let Some(value) = self.header("Retry-After") {
            write!(f, ", Retry-After: {value}")?;
        }
        let words = reason(&self.body);
        let is_repetition = words.eq_ignore_ascii_case(&self.reason)
            || words.eq_ignore_ascii_case(&format!("{} {}", self.status, self.reason));
        if !words.is_empty() && !is_repetition {
            write!(f, ": {}", words.chars().take(MAX_REASON).collect::<String>())?;
        }
        Ok(())
    }
}

/// Extracts the reason from a body: a text in JSON, the title of HTML, otherwise the first line.
fn reason(body: &str) -> String {
    let body = body.trim_start_matches('\u{feff}').trim();
    if body.starts_with('<') {
        return title(body).unwrap_or_default();
    }
    if body.starts_with(['{', '[']) {
        let Ok(value) = serde_json::from_str::<Value>(body) else {
            // The body may be truncated.
            return one_line(body);
        };
        return json_reason(&value).map_or_else(|| value.to_string(), one_line);
    }
    body.lines().next().unwrap_or_default().trim().to_owned()
}

fn json_reason(value: &Value) -> Option<&str> {
    match value {
        Value::String(text) => Some(text.as_str()).filter(|text| !text.trim().is_empty()),
        Value::Array(values) => values.iter().find_map(json_reason),
        Value::Object(fields) => KEYS.iter().find_map(|key| {
            let field = fields.iter().find(|(name, _)| name.eq_ignore_ascii_case(key));
            field.and_then(|(_, value)| json_reason(value))
        }),
        _ => None,
    }
}

fn title(html: &str) -> Option<String> {
    let lower = html.to_ascii_lowercase();
    let open = lower.find("<title")?;
    let start = open + lower.get(open..)?.find('>')? + 1;
    let len = lower.get(start..)?.find("</title")?;
    let text = one_line(html.get(start..start + len)?);
    let entities = [("&lt;", "<"), ("&gt;", ">"), ("&quot;", "\""), ("&#39;", "'"), ("&amp;", "&")];
    Some(entities.iter().fold(text, |text, (entity, plain)| text.replace(entity, plain)))
}

fn one_line(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_one_line() {
        let refusal = Refusal {
            status: 429,
            reason: "Too Many Requests".to_owned(),
            headers: vec![("retry-after".to_owned(), "7".to_owned())],
            body: "\n slow down\nplease".to_owned(),
        };
        assert_eq!(refusal.to_string(), "HTTP 429 Too Many Requests, Retry-After: 7: slow down");
        assert_eq!(refusal.retry_after(), Some(Duration::from_secs(7)));
        assert_eq!(refusal.location(), None);
    }

    #[test]
    fn the_reason_is_found_in_the_body() {
        for (body, expected) in [
            ("{\n  \"code\": 7,\n  \"message\": \"no such key\"\n}\n", "no such key"),
            (r#"{"error":{"code":1,"Message":"expired\n token"}}"#, "expired token"),
            (r#"{"error":"invalid_token","error_description":"expired"}"#, "expired"),
            (r#"{"errors":[{"detail":"first"},{"detail":"second"}]}"#, "first"),
            ("{ \"a\": 1 }", r#"{"a":1}"#),
            ("[\n  \"cut\",\n  {", "[ \"cut\", {"),
            (
                "<html><head>\r\n<title>400 No required SSL\r\n certificate was sent</title>",
                "400 No required SSL certificate was sent",
            ),
            ("<!DOCTYPE html><TITLE lang=\"en\">a &amp;lt; b</TITLE>", "a &lt; b"),
            ("<html><title>cut", ""),
            ("\n  slow down \nplease", "slow down"),
            ("", ""),
        ] {
            assert_eq!(reason(body), expected, "{body}");
        }
    }

    #[test]
    fn a_title_that_repeats_the_status_is_left_out() {
        let refusal = Refusal {
            status: 403,
            reason: "Forbidden".to_owned(),
            headers: Vec::new(),
            body: "<title>403 Forbidden</title>".to_owned(),
        };
        assert_eq!(refusal.to_string(), "HTTP 403 Forbidden");
    }
}
