// SPDX-License-Identifier: MIT OR Apache-2.0
//! The parsers of records, from the command line.

use heka_core::cli::{self, Given};
use heka_core::codec::severity::SeverityMap;
use heka_core::decode::time::Times;
use heka_core::decode::{self, Access, Captures, Decoder, FieldName, Map, PRESETS, Readers, Way};
use heka_core::os::clock;
use heka_core::report::Stop;

use crate::cli::{InputForm, Parsing};

impl Parsing {
    /// Returns the parsers of records, in order: JSON, logfmt, presets, formats of access logs,
    /// regular expressions. Headers and fields of a message take at most `limit` bytes.
    pub(crate) fn decoder(&self, input: InputForm, limit: usize) -> Result<Option<Decoder>, Stop> {
        let map = |flag: &str, text: &str| {
            Map::new(text).map_err(|why| Stop::usage(format_args!("--{flag}: {why}")))
        };
        let mut ways = Vec::new();
        match (&self.json_map, input) {
            // Older versions had only this flag, for both forms.
            (Some(text), InputForm::Logfmt) => ways.push(Way::Logfmt(map("json-map", text)?)),
            (Some(text), _) => ways.push(Way::Json(map("json-map", text)?)),
            _ => {}
        }
        if let Some(text) = &self.logfmt {
            ways.push(Way::Logfmt(map("logfmt", text)?));
        } else if input == InputForm::Logfmt && self.json_map.is_none() {
            ways.push(Way::Logfmt(Map::default()));
        }
        for name in &self.preset {
            ways.extend(preset(name)?);
        }
        for format in &self.access_format {
            let access = Access::new(format)
                .map_err(|why| Stop::usage(format_args!("--access-format: {why}")))?;
            ways.push(Way::Access(Box::new(access)));
        }
        for captures in self.captures()? {
            ways.push(Way::Captures(Box::new(captures)));
        }
        if ways.is_empty() {
            return Ok(None);
        }
        Ok(Some(Decoder::new(ways, self.readers()?, limit)))
    }

    /// Whether to list the presets instead of parsing.
    pub(crate) fn take_help(&mut self) -> bool {
        let is_asked = self.preset.iter().any(|name| name == "help");
        if is_asked {
            self.preset.clear();
            self.strict = false;
        }
        is_asked
    }

    fn readers(&self) -> Result<Readers, Stop> {
        // Known programs write times in the local zone.
        let is_known = !self.preset.is_empty() || !self.access_format.is_empty();
        let usual = if is_known { "local" } else { "UTC" };
        let zone = clock::time_zone(self.timestamp_zone.as_deref().unwrap_or(usual));
        let zone = zone.map_err(|why| Stop::usage(format_args!("--timestamp-zone: {why}")))?;
        let formats = self.timestamp_format.iter().map(String::as_str);
        let times = Times::new(formats, zone, self.year)
            .map_err(|why| Stop::usage(format_args!("--timestamp-format: {why}")))?;
        // Of the libraries that write JSON, only these have numeric levels.
        let is_json = self.preset.iter().any(|name| name == "json");
        let usual = || if is_json { SeverityMap::pino() } else { SeverityMap::default() };
        let severities = self.severity_map.clone().unwrap_or_else(usual);
        Ok(Readers { times, severities, types: self.field_type.clone() })
    }

    /// Returns the expressions, including those in files.
    fn expressions(&self) -> Result<Vec<Given>, Stop> {
        let each = self.regex.iter().map(|text| cli::given("--regex", text));
        Ok(each.collect::<Result<Vec<_>, _>>()?.into_iter().flatten().collect())
    }

    /// Returns each expression with the templates for which it has the groups.
    fn captures(&self) -> Result<Vec<Captures>, Stop> {
        let fields: Vec<(FieldName, String)> =
            self.regex_field.iter().map(|arg| (arg.name.clone(), arg.value.clone())).collect();
        let mut fits = vec![Err(String::new()); fields.len()];
        let mut all = Vec::new();
        for Given { place, text } in self.expressions()? {
            let regex = cli::regex(&place, &text)?;
            let mut own = Vec::new();
            for (field, fit) in fields.iter().zip(&mut fits) {
                match Captures::check(&regex, &field.1) {
                    Ok(()) => {
                        *fit = Ok(());
                        own.push(field.clone());
                    }
                    Err(why) if fit.is_err() => *fit = Err(why),
                    Err(_) => {}
                }
            }
            let captures = Captures::new(regex, &own);
            all.push(captures.map_err(|why| Stop::usage(format_args!("{place}: {why}")))?);
        }
        fits.into_iter()
            .collect::<Result<Vec<()>, _>>()
            .map_err(|why| Stop::usage(format_args!("--regex: {why}")))?;
        Ok(all)
    }
}

/// Returns the ways of a preset.
fn preset(name: &str) -> Result<Vec<Way>, Stop> {
    decode::preset(name).ok_or_else(|| {
        let names: Vec<_> = PRESETS.iter().map(|(name, _)| *name).collect();
        Stop::usage(format_args!("--preset: no preset {name}; there are {}", names.join(", ")))
    })
}
