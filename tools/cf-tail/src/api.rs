// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Cloud Controller: which servers a platform has, and which GUID an app's name stands for.

use heka_core::report::Stop;
use serde_json::Value as Json;
use url::Url;

use crate::config::Config;
use crate::failure::Failure;
use crate::http::{Answer, Http};
use crate::token::Token;

/// Where a platform's servers are, as far as it says.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) log_cache: Option<String>,
    pub(crate) log_stream: Option<String>,
    pub(crate) doppler: Option<String>,
    pub(crate) loggregator: Option<String>,
}

/// Whether `text` is a GUID, which needs no looking up.
pub(crate) fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

/// A URL of the platform's API.
fn url(config: &Config, path: &str) -> Result<Url, Failure> {
    let target = config.target.as_deref().ok_or_else(|| {
        Failure::from(Stop::usage(
            "config.json names no API: 'cf api' sets it, --endpoint does without",
        ))
    })?;
    let wrong =
        |error| Failure::from(Stop::usage(format_args!("config.json: Target: {target}: {error}")));
    Url::parse(target).map_err(wrong)?.join(path).map_err(wrong)
}

fn json(answer: Answer) -> Result<Json, Failure> {
    let body = answer.accepted()?.read()?;
    serde_json::from_slice(&body).map_err(|error| Failure::BadResponse(format!("no JSON: {error}")))
}

/// What is there, or nothing if the platform has no such page; that it is in trouble is an error.
fn json_if_any(http: &Http, url: &Url) -> Result<Json, Failure> {
    match json(http.get(url, None, &[])?) {
        Err(Failure::NotFound(_) | Failure::BadResponse(_)) => Ok(Json::Null),
        other => other,
    }
}

/// Asks the platform where its servers are.
///
/// # Errors
/// If it does not answer.
pub(crate) fn links(http: &Http, config: &Config) -> Result<Links, Failure> {
    // Platforms of 2013 to 2016 have nothing there.
    let root = json_if_any(http, &url(config, "/")?)?;
    let href =
        |name: &str| root.pointer(&format!("/links/{name}/href"))?.as_str().map(str::to_owned);
    let mut links = Links {
        log_cache: href("log_cache"),
        log_stream: href("log_stream"),
        doppler: href("logging"),
        loggregator: None,
    };
    if links.log_cache.is_none() && links.log_stream.is_none() && links.doppler.is_none() {
        let info = json_if_any(http, &url(config, "/v2/info")?)?;
        let text = |name: &str| info.get(name)?.as_str().map(str::to_owned);
        links.doppler = text("doppler_logging_endpoint");
        links.loggregator = text("logging_endpoint");
    }
    Ok(links)
}

/// The GUID of an app in the space that is targeted.
///
/// # Errors
/// If there is no such app.
pub(crate) fn app_guid(
    http: &Http,
    config: &Config,
    token: Option<&Token>,
    name: &str,
) -> Result<String, Failure> {
    let space = config.space.as_deref().ok_or_else(|| {
        Failure::from(Stop::usage(
            "no space is targeted: 'cf target -s' does, or give the app's GUID",
        ))
    })?;
    let mut v3 = url(config, "/v3/apps")?;
    v3.query_pairs_mut().append_pair("names", name).append_pair("space_guids", space);
    let (answer, pointer) = match json(http.get(&v3, token, &[])?) {
        Err(Failure::NotFound(_)) => {
            let mut v2 = url(config, "/v2/spaces/")?;
            if let Ok(mut path) = v2.path_segments_mut() {
                path.pop_if_empty().push(space).push("apps");
            }
            v2.query_pairs_mut().append_pair("q", &format!("name:{name}"));
            (json(http.get(&v2, token, &[])?)?, "/resources/0/metadata/guid")
        }
        other => (other?, "/resources/0/guid"),
    };
    let guid = answer.pointer(pointer).and_then(Json::as_str);
    guid.map(str::to_owned).ok_or_else(|| Failure::NotFound(format!("App '{name}' not found.")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn guids_are_told_from_names() {
        assert!(is_guid("55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346c"));
        for name in [
            "dora",
            "",
            "55fdb274-d6c9-4b8c-9b1f-9b7e7f3a346",
            "zzfdb274-d6c9-4b8c-9b1f-9b7e7f3a346c",
        ] {
            assert!(!is_guid(name), "{name}");
        }
    }
}
