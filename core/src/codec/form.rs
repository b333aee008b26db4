// SPDX-License-Identifier: MIT OR Apache-2.0
//! The forms that messages and records are written in.

/// A form of what a tool writes (`-o`). Each tool offers those that fit what it writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// Framed messages.
    Heka,
    /// Payloads, one a line.
    Payload,
    /// JSON, one object a line.
    Json,
    /// Blocks of text, as heka-cat writes them.
    Text,
    /// One line a message for people, with the time of day.
    Short,
    /// The same with the date.
    ShortIso,
    /// `name=value` pairs, one message a line.
    Logfmt,
    /// Comma-separated values, a line of names first.
    Csv,
    /// The same separated by tabs.
    Tsv,
    /// reStructuredText, as Heka's encoder writes it.
    Rst,
    /// Blocks of text, as `lua_sandbox` writes them.
    SandboxText,
    /// What a template makes of each message.
    Template,
    /// The bytes that came.
    Raw,
    /// The record behind the number of its peer and a tab.
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

    /// Its name on the command line.
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

    /// Whether it is framed messages, which are not for a terminal.
    pub fn is_binary(self) -> bool {
        self == Self::Heka
    }

    /// Whether it is one line a message for people.
    pub fn is_short(self) -> bool {
        matches!(self, Self::Short | Self::ShortIso)
    }
}
