// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms in which messages and records are written.

/// A form of output (`-o`). Each tool offers those that fit its output.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Framed messages.
    Heka,
    /// Payloads, one per line.
    Payload,
    /// JSON, one object per line.
    Json,
    /// Blocks of text, as heka-cat writes them.
    Text,
    /// One line per message for people, with the time of day.
    Short,
    /// Like `Short`, with the date.
    ShortIso,
    /// `name=value` pairs, one message per line.
    Logfmt,
    /// Comma-separated values after a header line.
    Csv,
    /// Tab-separated values after a header line.
    Tsv,
    /// reStructuredText, as Heka's encoder writes it.
    Rst,
    /// Blocks of text, as `lua_sandbox` writes them.
    SandboxText,
    /// Messages formatted by a template.
    Template,
    /// The input bytes, unchanged.
    Raw,
    /// Records, each prefixed with the number of its peer and a tab.
    Tag,
}

impl Form {
    /// Every form.
    pub const ALL: [Self; 14] = [
        Self::Heka,
        Self::Payload,
        Self::Json,
        Self::Text,
        Self::Short,
        Self::ShortIso,
        Self::Logfmt,
        Self::Csv,
        Self::Tsv,
        Self::Rst,
        Self::SandboxText,
        Self::Template,
        Self::Raw,
        Self::Tag,
    ];

    /// Returns the name on the command line.
    pub fn name(self) -> &'static str {
        match self {
            Self::Heka => "heka",
            Self::Payload => "payload",
            Self::Json => "json",
            Self::Text => "text",
            Self::Short => "short",
            Self::ShortIso => "short-iso",
            Self::Logfmt => "logfmt",
            Self::Csv => "csv",
            Self::Tsv => "tsv",
            Self::Rst => "rst",
            Self::SandboxText => "sandbox-text",
            Self::Template => "template",
            Self::Raw => "raw",
            Self::Tag => "tag",
        }
    }

    /// Whether the form is framed messages, which are unsuitable for a terminal.
    pub fn is_binary(self) -> bool {
        self == Self::Heka
    }

    /// Whether the form is one line per message for people.
    pub fn is_short(self) -> bool {
        matches!(self, Self::Short | Self::ShortIso)
    }
}
