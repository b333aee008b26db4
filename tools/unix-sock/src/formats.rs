// SPDX-License-Identifier: MIT OR Apache-2.0
//! Framing of records on the socket and on standard input and output, and their envelopes there.

use heka_core::codec::Form;
use heka_core::record::{Framing, Width};
use heka_core::report::Stop;

use crate::cli::{Cli, FramingName, Kind};

/// The result of the flags about records.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Formats {
    /// Framing of the socket.
    pub(crate) wire: Framing,
    /// Framing of standard input and output.
    pub(crate) stdio: Framing,
    pub(crate) form: Form,
    /// Whether each packet is one record, without the newline or NUL at its end.
    pub(crate) is_whole: bool,
}

impl Formats {
    /// Validates the flags.
    pub(crate) fn of(cli: &Cli) -> Result<Self, Stop> {
        let form = match (cli.json, cli.tag) {
            (true, _) => Form::Json,
            (_, true) => Form::Tag,
            _ => cli.output,
        };
        if form == Form::Tag && !cli.listen {
            return Err(Stop::usage("a tag is a peer's number: only with --listen"));
        }
        if cli.framing == Some(FramingName::Gelf) && cli.kind != Kind::Dgram {
            return Err(Stop::usage("--framing=gelf needs --type=dgram"));
        }
        let delimiter = if cli.null { Some(0) } else { cli.delimiter };
        let delimited = Framing::Delimited(delimiter.unwrap_or(b'\n'));
        let takes_any_bytes = cli.compress.is_some() && !cli.base64;
        let is_bare = cli.kind != Kind::Stream && cli.framing.is_none() && delimiter.is_none();
        let wire = match cli.framing {
            Some(name) => framing(name),
            None if is_bare && takes_any_bytes => Framing::None,
            None => delimited,
        };
        if matches!(wire, Framing::Delimited(_)) && wire != delimited && delimiter.is_some() {
            return Err(Stop::usage("--framing and --delimiter name two ways to end a record"));
        }
        let has_ends = matches!(wire, Framing::Delimited(_) | Framing::Docker | Framing::Journal);
        if takes_any_bytes && (has_ends || wire == Framing::Heka) {
            return Err(Stop::usage(
                "--compress needs a framing for arbitrary bytes, such as len32",
            ));
        }
        let stdio = cli.stdio.map_or_else(|| by_default(cli, form, delimited), framing);
        let formats = Self { wire, stdio, form, is_whole: is_bare && !takes_any_bytes };
        formats.check()?;
        Ok(formats)
    }

    /// Returns how records are found on the socket.
    pub(crate) fn on_wire(self) -> Framing {
        if self.is_whole { Framing::Whole } else { self.wire }
    }

    fn check(self) -> Result<(), Stop> {
        match (self.form, self.stdio) {
            (Form::Heka, Framing::Heka) => Ok(()),
            (Form::Heka, _) => Err(Stop::usage("-o heka has its own framing on stdio")),
            (Form::Payload, Framing::Heka) if self.wire != Framing::Heka => {
                Err(Stop::usage("--stdio=heka goes with -o heka"))
            }
            (Form::Json | Form::Tag, Framing::Heka | Framing::None) => {
                Err(Stop::usage("-o json and -o tag need records that end"))
            }
            _ => Ok(()),
        }
    }
}

/// Returns the default framing of standard input and output.
fn by_default(cli: &Cli, form: Form, delimited: Framing) -> Framing {
    match (cli.framing, form) {
        (_, Form::Heka) => Framing::Heka,
        // JSON contains no literal newline.
        (_, Form::Json) => Framing::Delimited(b'\n'),
        (_, Form::Tag) => delimited,
        (None, _) => delimited,
        (Some(FramingName::Gelf), _) => delimited,
        (Some(name), _) => match framing(name) {
            Framing::Length(_) | Framing::LengthLe(_) | Framing::OctetCount | Framing::Docker => {
                delimited
            }
            framing => framing,
        },
    }
}

fn framing(name: FramingName) -> Framing {
    match name {
        FramingName::Lines => Framing::Delimited(b'\n'),
        FramingName::Null => Framing::Delimited(0),
        FramingName::Heka => Framing::Heka,
        FramingName::Len16 => Framing::Length(Width::Bits16),
        FramingName::Len32 => Framing::Length(Width::Bits32),
        FramingName::Len64 => Framing::Length(Width::Bits64),
        FramingName::Len16Le => Framing::LengthLe(Width::Bits16),
        FramingName::Len32Le => Framing::LengthLe(Width::Bits32),
        FramingName::Len64Le => Framing::LengthLe(Width::Bits64),
        FramingName::OctetCount => Framing::OctetCount,
        FramingName::Docker => Framing::Docker,
        FramingName::Journal => Framing::Journal,
        // Records are complete after their chunks have been joined.
        FramingName::Gelf | FramingName::None => Framing::None,
    }
}
