// SPDX-License-Identifier: MIT OR Apache-2.0
//! The headers of the opening request: user-defined ones, cookies, credentials.

use std::path::{Path, PathBuf};

use clap::Args;
use data_encoding::BASE64;
use heka_core::cli::secret;
use heka_core::net::ws::{Endpoint, Request};
use heka_core::report::{self, Stop};
use zeroize::Zeroizing;

/// Flags for the request.
#[derive(Args, Clone, Debug)]
#[command(next_help_heading = "Request options")]
pub(crate) struct RequestArgs {
    /// Send a header, NAME: VALUE, or those in @FILE (repeatable)
    #[arg(short = 'H', long, value_name = "HEADER")]
    header: Vec<String>,
    /// Send a cookie (repeatable)
    #[arg(long, value_name = "NAME=VALUE", value_parser = parse_cookie)]
    cookie: Vec<String>,
    /// Send the cookies in FILE, one a line
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    cookie_file: Option<PathBuf>,
    /// Origin header
    #[arg(long, value_name = "ORIGIN", value_parser = parse_value)]
    origin: Option<String>,
    /// Offer a subprotocol (repeatable)
    #[arg(long, value_name = "NAME", value_parser = parse_token)]
    subprotocol: Vec<String>,
    /// User-Agent header; empty omits it
    #[arg(long, value_name = "NAME", default_value = concat!("ws-source/", env!("CARGO_PKG_VERSION")), value_parser = parse_value)]
    user_agent: String,
    /// User name for basic authentication
    #[arg(long, value_name = "NAME", conflicts_with = "bearer_file")]
    user: Option<String>,
    /// File containing the password; prompts if absent
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    password_file: Option<PathBuf>,
    /// File containing a bearer token
    #[arg(long, value_name = "FILE", value_hint = clap::ValueHint::FilePath)]
    bearer_file: Option<PathBuf>,
}

/// Headers for servers.
#[derive(Clone, Debug, Default)]
pub(crate) struct Headers {
    /// For all servers.
    open: Vec<(String, Zeroizing<String>)>,
    /// Only for the server that the user named.
    secret: Vec<(String, Zeroizing<String>)>,
    host: Option<String>,
    subprotocols: Vec<String>,
}

impl Headers {
    /// Creates the request for an endpoint; a `stranger` was reached through a redirect.
    pub(crate) fn request(&self, endpoint: &Endpoint, stranger: bool) -> Request {
        let mut request = Request::new(endpoint);
        request.subprotocols.clone_from(&self.subprotocols);
        request.headers.clone_from(&self.open);
        if !stranger {
            request.headers.extend(self.secret.iter().cloned());
            if let Some(host) = &self.host {
                request.host.clone_from(host);
            }
        }
        request
    }

    fn has(&self, name: &str) -> bool {
        self.open.iter().chain(&self.secret).any(|(known, _)| known.eq_ignore_ascii_case(name))
    }

    /// Adds a header; a secret must not be `visible`, as arguments are.
    fn add(&mut self, line: &str, visible: bool) -> Result<(), String> {
        let (name, value) = line.split_once(':').ok_or("expected 'NAME: VALUE'")?;
        let name = parse_token(name)?;
        let value = Zeroizing::new(parse_value(value.trim())?);
        let lower = name.to_ascii_lowercase();
        match lower.as_str() {
            "host" => self.host = Some(value.to_string()),
            "sec-websocket-protocol" => return Err("use --subprotocol".to_owned()),
            "connection" | "upgrade" | "content-length" | "transfer-encoding" => {
                return Err(format!("{name} is the protocol's own"));
            }
            _ if lower.starts_with("sec-websocket-") => {
                return Err(format!("{name} is the protocol's own"));
            }
            "authorization" | "proxy-authorization" if visible => {
                return Err(format!(
                    "{name} is visible to other users there; use --user, --bearer-file or -H @FILE"
                ));
            }
            "cookie" if visible => return Err("use --cookie or --cookie-file".to_owned()),
            _ if visible => self.open.push((name, value)),
            _ => {
                conceal(&value);
                self.secret.push((name, value));
            }
        }
        Ok(())
    }
}

impl RequestArgs {
    /// Reads the files and validates everything.
    pub(crate) fn plan(&self, endpoint: &Endpoint) -> Result<Headers, Stop> {
        let mut headers = Headers { subprotocols: self.subprotocol.clone(), ..Headers::default() };
        for header in &self.header {
            match header.strip_prefix('@') {
                Some(path) => add_file(&mut headers, Path::new(path))?,
                None => headers
                    .add(header, true)
                    .map_err(|error| Stop::usage(format_args!("--header: {error}")))?,
            }
        }
        if let Some(origin) = &self.origin {
            if headers.has("Origin") {
                return Err(Stop::usage("--origin: -H gives an Origin too"));
            }
            headers.open.push(("Origin".to_owned(), origin.clone().into()));
        }
        if !self.user_agent.is_empty() && !headers.has("User-Agent") {
            headers.open.push(("User-Agent".to_owned(), self.user_agent.clone().into()));
        }
        let cookies = self.cookies()?;
        if !cookies.is_empty() {
            cookies.iter().filter_map(|cookie| cookie.split_once('=')).for_each(|(_, value)| {
                conceal(value.trim_matches('"'));
            });
            let all: Vec<&str> = cookies.iter().map(|cookie| cookie.as_str()).collect();
            headers.secret.push(("Cookie".to_owned(), Zeroizing::new(all.join("; "))));
        }
        if let Some(value) = self.authorization(endpoint)? {
            headers.secret.push(("Authorization".to_owned(), value));
        }
        Ok(headers)
    }

    /// Joins the cookies into one header (RFC 6265 §5.4).
    fn cookies(&self) -> Result<Vec<Zeroizing<String>>, Stop> {
        let mut cookies: Vec<_> = self.cookie.iter().cloned().map(Zeroizing::new).collect();
        if let Some(path) = &self.cookie_file {
            for (number, line) in lines(path)? {
                let cookie = parse_cookie(&line).map_err(|error| wrong(path, number, &error))?;
                cookies.push(Zeroizing::new(cookie));
            }
        }
        Ok(cookies)
    }

    fn authorization(&self, endpoint: &Endpoint) -> Result<Option<Zeroizing<String>>, Stop> {
        if let Some(path) = &self.bearer_file {
            let token = secret::text(path, secret::line(path, "token")?)?;
            return Ok(Some(Zeroizing::new(["Bearer ", &token].concat())));
        }
        let Some(user) = self.user.as_ref().or(endpoint.user.as_ref()) else {
            return match self.password_file {
                Some(_) => Err(Stop::usage("--password-file needs --user")),
                None => Ok(None),
            };
        };
        if user.contains(':') {
            return Err(Stop::usage("--user: a name has no colon (see --password-file)"));
        }
        let password = match &self.password_file {
            Some(path) => secret::text(path, secret::line(path, "password")?)?,
            None => secret::ask(&format!("Password for {user}: "))?.ok_or_else(|| {
                Stop::usage("--user: needs --password-file, or a terminal to ask")
            })?,
        };
        let credentials = Zeroizing::new([user.as_str(), ":", &password].concat());
        let token = Zeroizing::new(BASE64.encode(credentials.as_bytes()));
        conceal(&token);
        Ok(Some(Zeroizing::new(["Basic ", &token].concat())))
    }
}

/// Conceals a secret on stderr, also without its scheme.
fn conceal(value: &str) {
    report::conceal(value);
    if let Some((_, token)) = value.split_once(' ') {
        report::conceal(token);
    }
}

fn add_file(headers: &mut Headers, path: &Path) -> Result<(), Stop> {
    for (number, line) in lines(path)? {
        headers.add(&line, false).map_err(|error| wrong(path, number, &error))?;
    }
    Ok(())
}

/// Returns the lines of a file of secrets, without empty lines and comments.
fn lines(path: &Path) -> Result<Vec<(usize, Zeroizing<String>)>, Stop> {
    let text = secret::text(path, secret::read(path)?)?;
    let lines = (1..).zip(text.lines().map(str::trim));
    let lines = lines.filter(|(_, line)| !line.is_empty() && !line.starts_with('#'));
    Ok(lines.map(|(number, line)| (number, Zeroizing::new(line.to_owned()))).collect())
}

fn wrong(path: &Path, number: usize, error: &str) -> Stop {
    secret::unusable(path, &format!("line {number}: {error}"))
}

/// Parses a token (RFC 9110 §5.6.2).
fn parse_token(text: &str) -> Result<String, String> {
    let text = text.trim();
    let is_token = |c: char| c.is_ascii_alphanumeric() || "!#$%&'*+-.^_`|~".contains(c);
    if text.is_empty() || !text.chars().all(is_token) {
        return Err("a name has letters, digits and !#$%&'*+-.^_`|~ only".to_owned());
    }
    Ok(text.to_owned())
}

/// Checks that a value cannot end the header and begin another one.
fn parse_value(text: &str) -> Result<String, String> {
    if text.chars().any(|c| c.is_control() && c != '\t') {
        return Err("control characters are not allowed".to_owned());
    }
    Ok(text.to_owned())
}

/// Parses a cookie (RFC 6265 §4.1.1), except that blanks, quotes and commas in the value are
/// allowed, as in browsers.
fn parse_cookie(text: &str) -> Result<String, String> {
    let (name, value) = text.split_once('=').ok_or("expected NAME=VALUE")?;
    parse_token(name)?;
    parse_value(value)?;
    if value.contains(';') {
        return Err("a ';' ends the value".to_owned());
    }
    Ok(format!("{}={value}", name.trim()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn headers(lines: &[&str], visible: bool) -> Result<Headers, String> {
        let mut headers = Headers::default();
        lines.iter().try_for_each(|line| headers.add(line, visible))?;
        Ok(headers)
    }

    #[test]
    fn headers_keep_order_case_and_repetition() {
        let found = headers(&["X-B: 2", "x-a:1", "X-B:  3"], true).unwrap();
        let endpoint = Endpoint::parse("ws://h/").unwrap();
        let expected = [("X-B", "2"), ("x-a", "1"), ("X-B", "3")];
        let expected = expected.map(|(name, value)| (name.to_owned(), value.to_owned().into()));
        assert_eq!(found.request(&endpoint, false).headers, expected);
    }

    #[test]
    fn secrets_do_not_go_to_strangers_nor_into_arguments() {
        let endpoint = Endpoint::parse("ws://h/").unwrap();
        let found = headers(&["Authorization: Basic x", "Host: other"], false).unwrap();
        assert_eq!(found.request(&endpoint, false).host, "other");
        assert_eq!(found.request(&endpoint, true).host, "h");
        assert!(found.request(&endpoint, true).headers.is_empty());
        for line in ["authorization: Basic x", "Cookie: a=b"] {
            assert!(headers(&[line], true).is_err(), "{line}");
        }
    }

    #[test]
    fn nothing_can_be_smuggled_in() {
        for line in
            ["A: b\r\nC: d", "A b: c", "no header", ": x", "Upgrade: h2c", "Sec-WebSocket-Key: x"]
        {
            assert!(headers(&[line], true).is_err(), "{line}");
        }
        assert!(parse_cookie("a=b; c").is_err() && parse_cookie("a").is_err());
        assert_eq!(parse_cookie("c1=\"Data for c1\"").unwrap(), "c1=\"Data for c1\"");
    }
}
