// SPDX-License-Identifier: MIT OR Apache-2.0
//! URLs of servers and requests.

use url::Url;

/// Parses a server's URL and converts it to the required scheme: `ws` and `http` are the same
/// place, as are `wss` and `https`.
///
/// # Errors
/// A description of what is wrong.
pub(crate) fn parse(text: &str, web_socket: bool) -> Result<Url, String> {
    let (scheme, rest) = text
        .split_once("://")
        .ok_or_else(|| "expected a URL such as wss://HOST:PORT".to_owned())?;
    let scheme = match (scheme.to_ascii_lowercase().as_str(), web_socket) {
        ("ws" | "http", true) => "ws",
        ("wss" | "https", true) => "wss",
        ("ws" | "http", false) => "http",
        ("wss" | "https", false) => "https",
        (other, _) => return Err(format!("invalid scheme '{other}' (ws, wss, http, https)")),
    };
    let mut url = Url::parse(&format!("{scheme}://{rest}")).map_err(|error| error.to_string())?;
    if url.password().is_some() || !url.username().is_empty() {
        return Err("a URL must not contain a user name or a password".to_owned());
    }
    url.set_query(None);
    url.set_fragment(None);
    Ok(url)
}

/// Whether two URLs belong to servers of one platform: the same host, or names that differ only in
/// their first label, such as `api.sys.example.com` and `doppler.sys.example.com`.
pub(crate) fn are_neighbours(one: &str, other: &str) -> bool {
    let host = |text| Some(parse(text, false).ok()?.host()?.to_owned());
    let parent = |host: &url::Host| match host {
        url::Host::Domain(name) => {
            let (_, parent) = name.split_once('.')?;
            parent.contains('.').then(|| parent.to_owned())
        }
        _ => None,
    };
    let (Some(one), Some(other)) = (host(one), host(other)) else { return false };
    one == other || parent(&one).is_some_and(|domain| Some(domain) == parent(&other))
}

/// Returns `base` with `segments` added to its path, each escaped, followed by a slash if `slash`.
pub(crate) fn at(base: &Url, segments: &[&str], slash: bool) -> Url {
    let mut url = base.clone();
    if let Ok(mut path) = url.path_segments_mut() {
        path.pop_if_empty().extend(segments);
        if slash {
            path.push("");
        }
    }
    url
}

/// Returns a URL for people, without its query.
pub(crate) fn shown(url: &Url) -> String {
    let mut url = url.clone();
    url.set_query(None);
    url.as_str().trim_end_matches('/').to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn schemes_go_in_pairs() {
        assert_eq!(parse("wss://h:4443", false).unwrap().as_str(), "https://h:4443/");
        assert_eq!(parse("http://h/prefix/?x#y", true).unwrap().as_str(), "ws://h/prefix/");
        for text in ["", "h:80", "ftp://h", "!!!bad-endpoint", "wss://me:pw@h", "ws://"] {
            assert!(parse(text, true).is_err(), "{text}");
        }
    }

    #[test]
    fn servers_of_one_platform_share_its_domain() {
        let api = "https://api.sys.example.com";
        for near in ["wss://doppler.sys.example.com:4443", "http://API.sys.example.com/x"] {
            assert!(are_neighbours(api, near), "{near}");
        }
        for far in ["wss://doppler.example.com", "https://api.sys.example.org", "no URL"] {
            assert!(!are_neighbours(api, far), "{far}");
        }
        assert!(are_neighbours("ws://127.0.0.1:1", "http://127.0.0.1:2"));
        assert!(!are_neighbours("ws://127.0.0.1", "http://127.0.0.2"));
        assert!(!are_neighbours("https://one.com", "https://two.com"));
    }

    #[test]
    fn what_is_asked_for_cannot_change_the_question() {
        let base = parse("ws://h/p/", true).unwrap();
        assert_eq!(
            at(&base, &["apps", "a/b?c d", "stream"], false).as_str(),
            "ws://h/p/apps/a%2Fb%3Fc%20d/stream"
        );
        let mut tail = at(&base, &["tail"], true);
        tail.query_pairs_mut().append_pair("app", "x&y=1 2");
        assert_eq!(tail.as_str(), "ws://h/p/tail/?app=x%26y%3D1+2");
        assert_eq!(shown(&tail), "ws://h/p/tail");
    }
}
