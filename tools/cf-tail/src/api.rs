// SPDX-License-Identifier: MIT OR Apache-2.0
//! The Cloud Controller: the servers of a platform, and the GUID of an app's name.

use heka_core::report::Stop;
use serde_json::Value as Json;
use url::Url;

use crate::config::Config;
use crate::failure::Failure;
use crate::http::{Answer, Http};
use crate::token::Token;

/// The URLs of a platform's servers, as far as it reports them.
#[derive(Clone, Debug, Default)]
pub(crate) struct Links {
    pub(crate) log_cache: Option<String>,
    pub(crate) log_stream: Option<String>,
    pub(crate) doppler: Option<String>,
    pub(crate) loggregator: Option<String>,
}

/// Path of the GUID in a response.
const FIRST_GUID: &str = "/resources/0/guid";
/// Maximum number of names per request: their GUIDs are in the URL.
const NAMES_AT_ONCE: usize = 50;

/// The platform's API.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Api<'a> {
    pub(crate) http: &'a Http,
    pub(crate) config: &'a Config,
}

/// Whether `text` is a GUID, which needs no lookup.
pub(crate) fn is_guid(text: &str) -> bool {
    let parts: Vec<usize> = text.split('-').map(str::len).collect();
    parts == [8, 4, 4, 4, 12] && text.chars().all(|c| c.is_ascii_hexdigit() || c == '-')
}

fn json(answer: Answer) -> Result<Json, Failure> {
    let body = answer.accepted()?.read()?;
    crate::json::read(&body).map_err(|error| Failure::BadResponse(format!("not JSON: {error}")))
}

impl Api<'_> {
    fn url(&self, path: &str) -> Result<Url, Failure> {
        let target = self.config.target.as_deref().ok_or_else(|| {
            Failure::from(Stop::usage("no API in config.json: run 'cf api', or use --endpoint"))
        })?;
        let wrong = |error| {
            Failure::from(Stop::usage(format_args!("config.json: Target: {target}: {error}")))
        };
        Url::parse(target).map_err(wrong)?.join(path).map_err(wrong)
    }

    /// Returns a page, or nothing if the platform does not have it; a failure of the platform is an
    /// error.
    fn json_if_any(&self, path: &str) -> Result<Json, Failure> {
        match json(self.http.get(&self.url(path)?, None, &[])?) {
            Err(Failure::NotFound(_) | Failure::NoRoute(_) | Failure::BadResponse(_)) => {
                Ok(Json::Null)
            }
            other => other,
        }
    }

    /// Asks the platform for its servers.
    ///
    /// # Errors
    /// If it does not answer.
    pub(crate) fn links(&self) -> Result<Links, Failure> {
        // Platforms of 2013 to 2016 have nothing there.
        let root = self.json_if_any("/")?;
        let href =
            |name: &str| root.pointer(&format!("/links/{name}/href"))?.as_str().map(str::to_owned);
        let mut links = Links {
            log_cache: href("log_cache"),
            log_stream: href("log_stream"),
            doppler: href("logging"),
            loggregator: None,
        };
        if links.log_cache.is_none() && links.log_stream.is_none() && links.doppler.is_none() {
            let info = self.json_if_any("/v2/info")?;
            let text = |name: &str| info.get(name)?.as_str().map(str::to_owned);
            links.doppler = text("doppler_logging_endpoint");
            links.loggregator = text("logging_endpoint");
        }
        Ok(links)
    }

    /// Looks up the GUID of an app in a space.
    ///
    /// # Errors
    /// If there is no such app.
    pub(crate) fn app_guid(
        &self,
        token: Option<&Token>,
        space: &str,
        name: &str,
    ) -> Result<String, Failure> {
        let query = [("names", name), ("space_guids", space)];
        let (answer, pointer) = match self.resources(token, "/v3/apps", &query) {
            Err(Failure::NotFound(_)) => {
                let mut v2 = self.url("/v2/spaces/")?;
                if let Ok(mut path) = v2.path_segments_mut() {
                    path.pop_if_empty().push(space).push("apps");
                }
                v2.query_pairs_mut().append_pair("q", &format!("name:{name}"));
                (json(self.http.get(&v2, token, &[])?)?, "/resources/0/metadata/guid")
            }
            other => (other?, FIRST_GUID),
        };
        let guid = answer.pointer(pointer).and_then(Json::as_str);
        guid.map(str::to_owned).ok_or_else(|| Failure::NotFound(format!("App '{name}' not found.")))
    }

    /// Looks up the GUID of a space, in a given org or in the one that cf targets.
    ///
    /// # Errors
    /// If there is no such space or org.
    pub(crate) fn space_guid(
        &self,
        token: Option<&Token>,
        org: Option<&str>,
        name: &str,
    ) -> Result<String, Failure> {
        let first = |path, query: &[(&str, &str)], what: String| {
            let answer = self.resources(token, path, query)?;
            let guid = answer.pointer(FIRST_GUID).and_then(Json::as_str).map(str::to_owned);
            guid.ok_or_else(|| Failure::NotFound(format!("{what} not found.")))
        };
        let org = match (org, &self.config.org) {
            (Some(org), _) => {
                first("/v3/organizations", &[("names", org)], format!("Organization '{org}'"))?
            }
            (None, Some(targeted)) => targeted.clone(),
            (None, None) => {
                let what = "no org is targeted: 'cf target -o' does, or give --org";
                return Err(Stop::usage(what).into());
            }
        };
        let query = [("names", name), ("organization_guids", org.as_str())];
        first("/v3/spaces", &query, format!("Space '{name}'"))
    }

    /// Returns GUIDs and names of the apps with these GUIDs, as far as the token permits.
    ///
    /// # Errors
    /// If the platform does not answer.
    pub(crate) fn app_names(
        &self,
        token: Option<&Token>,
        guids: &[&str],
    ) -> Result<Vec<(String, String)>, Failure> {
        let mut names = Vec::new();
        for guids in guids.chunks(NAMES_AT_ONCE) {
            let (guids, count) = (guids.join(","), NAMES_AT_ONCE.to_string());
            let query = [("guids", guids.as_str()), ("per_page", count.as_str())];
            let answer = self.resources(token, "/v3/apps", &query)?;
            let apps = answer.get("resources").and_then(Json::as_array);
            names.extend(apps.into_iter().flatten().filter_map(|app| {
                let text = |name: &str| app.get(name).and_then(Json::as_str).map(str::to_owned);
                Some((text("guid")?, text("name")?))
            }));
        }
        Ok(names)
    }

    fn resources(
        &self,
        token: Option<&Token>,
        path: &str,
        query: &[(&str, &str)],
    ) -> Result<Json, Failure> {
        let mut url = self.url(path)?;
        url.query_pairs_mut().extend_pairs(query);
        json(self.http.get(&url, token, &[])?)
    }
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
