// SPDX-License-Identifier: MIT OR Apache-2.0
//! A parsed WebSocket URL: where to connect, what to request, how to show it.

use std::borrow::Cow;

use url::Url;

use crate::net::{Addr, HostPort, UnixName};

/// A parsed `ws://`, `wss://` or `ws+unix:` URL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoint {
    /// Address to connect to: TCP, TLS or a UNIX socket.
    pub addr: Addr,
    /// Value of the Host header: with the port unless it is the scheme's default.
    pub host: String,
    /// Path and query for the request line.
    pub target: String,
    /// The URL for people and records: without user, query and fragment, which may contain secrets.
    pub shown: String,
    /// The user name in the URL.
    pub user: Option<String>,
    url: Url,
}

impl Endpoint {
    /// Parses a URL. `http` and `https` are treated as `ws` and `wss`.
    ///
    /// # Errors
    /// A description of what is wrong, without any password.
    pub fn parse(text: &str) -> Result<Self, String> {
        let schemes = [("http://", "ws://"), ("https://", "wss://")];
        for (http, ws) in schemes {
            if let Some(rest) = strip_prefix_ignoring_case(text, http) {
                return Self::parse(&format!("{ws}{rest}"));
            }
        }
        if let Some(rest) = strip_prefix_ignoring_case(text, "ws+unix:") {
            return Self::parse_unix(rest);
        }
        if !text.contains("://") {
            return Err("expected a URL such as wss://host/path".to_owned());
        }
        let (text, zone) = split_zone(text);
        let url = Url::parse(&text).map_err(|error| error.to_string())?;
        let is_tls = match url.scheme() {
            "ws" => false,
            "wss" => true,
            other => {
                return Err(format!("unknown scheme '{other}' (ws, wss, ws+unix, http, https)"));
            }
        };
        if url.password().is_some() {
            return Err(
                "a password there is visible to other users; see --password-file".to_owned()
            );
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or("the URL names no host")?;
        let host = host.trim_start_matches('[').trim_end_matches(']');
        let at = HostPort {
            host: zone.map_or_else(|| host.to_owned(), |zone| format!("{host}%{zone}")),
            port: url.port_or_known_default().unwrap_or(80),
        };
        Ok(Self::new(if is_tls { Addr::Tls(at) } else { Addr::Tcp(at) }, url))
    }

    /// Parses `//PATH:/TARGET` or `PATH:/TARGET`, as in other clients; the default target is `/`.
    fn parse_unix(rest: &str) -> Result<Self, String> {
        let rest = rest.strip_prefix("//").unwrap_or(rest);
        let (path, target) = match rest.split_once(":/") {
            Some((path, target)) => (path, format!("/{target}")),
            None => (rest, "/".to_owned()),
        };
        let addr = Addr::Unix(UnixName::parse(path)?);
        let url =
            Url::parse(&format!("ws://localhost{target}")).map_err(|error| error.to_string())?;
        Ok(Self::new(addr, url))
    }

    /// Resolves a redirect.
    ///
    /// # Errors
    /// A description of what is wrong with it.
    pub fn join(&self, location: &str) -> Result<Self, String> {
        let url = self.url.join(location).map_err(|error| error.to_string())?;
        let next = Self::parse(url.as_str())?;
        match (&self.addr, &next.addr) {
            (Addr::Unix(_), _) if next.addr == self.addr => Ok(next),
            // A server must not reach what only the local host can.
            (_, Addr::Unix(_)) => Err("it leads to a UNIX socket".to_owned()),
            (Addr::Tls(_), Addr::Tcp(_)) => Err("it leads from wss to ws".to_owned()),
            (Addr::Unix(name), Addr::Tcp(_)) if next.host == self.host => {
                Ok(Self::new(Addr::Unix(name.clone()), next.url))
            }
            // The zone of a link-local address is only known locally.
            (Addr::Tcp(from), Addr::Tcp(to)) | (Addr::Tls(from), Addr::Tls(to))
                if from.port == to.port && without_zone(&from.host) == to.host =>
            {
                Ok(Self::new(self.addr.clone(), next.url))
            }
            _ => Ok(next),
        }
    }

    /// Whether both are the same server, which may receive the same secrets.
    pub fn is_same_server(&self, other: &Self) -> bool {
        self.addr == other.addr && self.host == other.host
    }

    fn new(addr: Addr, url: Url) -> Self {
        let name = url.host_str().unwrap_or_default();
        let host = url.port().map_or_else(|| name.to_owned(), |port| format!("{name}:{port}"));
        let query = url.query().map(|query| format!("?{query}")).unwrap_or_default();
        let target = format!("{}{query}", url.path());
        let shown = match &addr {
            Addr::Unix(socket) => format!("ws+unix:{socket}:{}", url.path()),
            Addr::Tcp(at) | Addr::Tls(at) if at.host.contains('%') => {
                let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
                format!("{}://[{}]{port}{}", url.scheme(), at.host, url.path())
            }
            _ => format!("{}://{host}{}", url.scheme(), url.path()),
        };
        let user = Some(url.username()).filter(|user| !user.is_empty()).map(percent_decoded);
        Self { addr, host, target, shown, user, url }
    }
}

/// Splits the zone from an IPv6 address: `[fe80::1%25eth0]` (RFC 6874), or as people write it,
/// `[fe80::1%eth0]`. WebSocket URLs have no zones, and servers do not receive any.
fn split_zone(text: &str) -> (Cow<'_, str>, Option<&str>) {
    let start = text.find("://").map_or(0, |at| at + 3);
    let authority = text.get(start..).unwrap_or_default();
    let authority = authority.split(['/', '?', '#']).next().unwrap_or_default();
    let zoned = authority.find('[').and_then(|open| {
        let close = authority.rfind(']')?;
        let percent = open + authority.get(open..close)?.find('%')?;
        let zone = authority.get(percent + 1..close)?;
        let zone = zone.strip_prefix("25").filter(|zone| !zone.is_empty()).unwrap_or(zone);
        (!zone.is_empty()).then_some((start + percent, start + close, zone))
    });
    match zoned.and_then(|(from, to, zone)| Some((text.get(..from)?, text.get(to..)?, zone))) {
        Some((front, rest, zone)) => (Cow::Owned(format!("{front}{rest}")), Some(zone)),
        None => (Cow::Borrowed(text), None),
    }
}

fn without_zone(host: &str) -> &str {
    host.split('%').next().unwrap_or(host)
}

fn strip_prefix_ignoring_case<'a>(text: &'a str, prefix: &str) -> Option<&'a str> {
    let (head, rest) = text.split_at_checked(prefix.len())?;
    head.eq_ignore_ascii_case(prefix).then_some(rest)
}

fn percent_decoded(text: &str) -> String {
    // The url crate only decodes form data; `+` would become a space there.
    let form = format!("u={}", text.replace('+', "%2B"));
    let user = url::form_urlencoded::parse(form.as_bytes()).next();
    user.map(|(_, user)| user.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(text: &str) -> Endpoint {
        Endpoint::parse(text).expect(text)
    }

    #[test]
    fn the_scheme_decides_about_tls_and_the_port() {
        assert_eq!(parse("ws://h").addr.to_string(), "h:80");
        assert_eq!(parse("wss://h").addr.to_string(), "tls://h:443");
        assert_eq!(parse("WSS://h:80/").addr.to_string(), "tls://h:80");
        assert_eq!(parse("https://h/x"), parse("wss://h/x"));
        assert_eq!(parse("ws://[::1]:9/").addr.to_string(), "[::1]:9");
    }

    #[test]
    fn zones_of_addresses_are_for_us_alone() {
        for text in ["ws://[fe80::1%25eth0]:9/a", "ws://[fe80::1%eth0]:9/a"] {
            let endpoint = parse(text);
            assert_eq!(endpoint.addr.to_string(), "[fe80::1%eth0]:9");
            assert_eq!((endpoint.host.as_str(), endpoint.target.as_str()), ("[fe80::1]:9", "/a"));
            assert_eq!(endpoint.shown, "ws://[fe80::1%eth0]:9/a");
            assert_eq!(endpoint.join("/b").unwrap().addr, endpoint.addr);
        }
        assert_eq!(parse("wss://u@[fe80::1%25252]/").addr.to_string(), "tls://[fe80::1%252]:443");
        assert_eq!(parse("ws://h/[a%25b]").target, "/[a%25b]");
        for text in ["ws://[fe80::1%]/", "ws://[%eth0]/", "ws://[fe80::1%25]x/"] {
            Endpoint::parse(text).expect_err(text);
        }
    }

    #[test]
    fn the_host_header_has_only_an_unusual_port() {
        assert_eq!(parse("ws://h:80/").host, "h");
        assert_eq!(parse("ws://h:443/").host, "h:443");
        assert_eq!(parse("wss://h:443/").host, "h");
        assert_eq!(parse("ws://[::1]:9/").host, "[::1]:9");
    }

    #[test]
    fn path_and_query_are_asked_for_and_secrets_are_not_shown() {
        let endpoint = parse("ws://me%2Byou@h/a%20b?x=1&token=secret#part");
        assert_eq!(endpoint.target, "/a%20b?x=1&token=secret");
        assert_eq!(endpoint.shown, "ws://h/a%20b");
        assert_eq!(endpoint.user.as_deref(), Some("me+you"));
        assert_eq!(parse("ws://h").target, "/");
    }

    #[test]
    fn unix_sockets_are_written_as_in_other_clients() {
        let endpoint = parse("ws+unix:/run/feed.sock:/a?b");
        assert_eq!(endpoint.addr.to_string(), "unix:/run/feed.sock");
        assert_eq!((endpoint.host.as_str(), endpoint.target.as_str()), ("localhost", "/a?b"));
        assert_eq!(endpoint, parse("ws+unix:///run/feed.sock:/a?b"));
        assert_eq!(parse("ws+unix:/s").target, "/");
    }

    #[test]
    fn redirects_are_relative_and_may_change_server() {
        let endpoint = parse("wss://h:9/a/b");
        assert_eq!(endpoint.join("/c").unwrap(), parse("wss://h:9/c"));
        assert!(endpoint.is_same_server(&endpoint.join("c").unwrap()));
        assert!(endpoint.join("ws://h:9/a").is_err());
        let unix = parse("ws+unix:/s:/a");
        assert_eq!(unix.join("/b").unwrap(), parse("ws+unix:/s:/b"));
        assert_eq!(endpoint.join("https://other/x").unwrap(), parse("wss://other/x"));
    }

    #[test]
    fn no_redirect_leads_to_a_unix_socket_but_from_that_same_one() {
        for from in ["ws://h/", "wss://h/", "ws+unix:/other:/"] {
            for to in ["ws+unix:/s:/x", "WS+UNIX:///s:/x"] {
                let error = parse(from).join(to).expect_err(from);
                assert!(error.contains("a UNIX socket"), "{from} {to}: {error}");
            }
        }
        let unix = parse("ws+unix:/s:/a");
        assert_eq!(unix.join("ws+unix:/s:/b").unwrap(), parse("ws+unix:/s:/b"));
    }

    #[test]
    fn what_is_no_endpoint_is_told_why() {
        for (text, words) in [
            ("", "expected a URL"),
            ("host:80", "expected a URL"),
            ("ftp://h", "unknown scheme"),
            ("ws://", "empty host"),
            ("ws://u:secret@h", "--password-file"),
            ("ws+unix:", "path"),
        ] {
            let error = Endpoint::parse(text).expect_err(text);
            assert!(error.contains(words) && !error.contains("secret"), "{text}: {error}");
        }
    }
}
