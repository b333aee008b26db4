// SPDX-License-Identifier: MIT OR Apache-2.0
//! New access tokens from the UAA (RFC 6749): with a refresh token, or with a client's own secret.

use heka_core::cli::SecretJson;
use heka_core::report;
use serde_json::Value as Json;
use url::Url;
use zeroize::Zeroizing;

use crate::config::Config;
use crate::failure::Failure;
use crate::http::Http;
use crate::json;
use crate::secret::Secret;
use crate::token::Token;

/// A response of the UAA.
#[derive(Debug)]
pub(crate) struct Grant {
    /// The token for the next requests.
    pub(crate) token: Token,
    /// The next refresh token, if it changed.
    pub(crate) refresh: Option<Secret>,
}

/// Whether everything needed for a refresh is known.
pub(crate) fn can_refresh(config: &Config) -> bool {
    config.uaa.is_some() && (config.refresh_token.is_some() || is_client(config))
}

fn is_client(config: &Config) -> bool {
    config.grant_type.as_deref() == Some("client_credentials")
}

/// Requests a new token. `refresh` is the latest refresh token.
///
/// # Errors
/// If there is none.
pub(crate) fn refresh(
    http: &Http,
    config: &Config,
    refresh: Option<&Secret>,
) -> Result<Grant, Failure> {
    let base = config.uaa.as_deref().unwrap_or_default();
    let url = Url::parse(base).and_then(|base| base.join("/oauth/token"));
    let url = url.map_err(|error| Failure::BadResponse(format!("UaaEndpoint: {error}")))?;
    let client = config.client.as_deref().unwrap_or("cf");
    let secret = config.client_secret.as_ref().map_or("", Secret::reveal);
    let answer = if is_client(config) {
        let fields = [
            ("client_id", client),
            ("client_secret", secret),
            ("grant_type", "client_credentials"),
        ];
        http.post_form(&url, None, &fields)?
    } else {
        let refresh = refresh.map_or("", Secret::reveal);
        let fields = [("grant_type", "refresh_token"), ("refresh_token", refresh)];
        http.post_form(&url, Some((client, secret)), &fields)?
    };
    let status = answer.status;
    let body = Zeroizing::new(answer.read()?);
    if status != 200 {
        return Err(refused(status, &body));
    }
    grant(&body)
}

fn grant(body: &[u8]) -> Result<Grant, Failure> {
    let unusable = |what: &str| Failure::BadResponse(format!("the UAA's answer has {what}"));
    // The error is not repeated: it may quote the token.
    let json = SecretJson::parse(body).map_err(|_| unusable("no JSON"))?;
    let text = |name| json.get(name).and_then(Json::as_str).filter(|text| !text.is_empty());
    let access = text("access_token").ok_or_else(|| unusable("no token"))?;
    let kind = text("token_type").unwrap_or("bearer");
    let header = Zeroizing::new([kind, " ", access].concat());
    let mut token = Token::parse(&header).map_err(|_| unusable("a bad token"))?;
    token.lifetime = json.get("expires_in").and_then(Json::as_i64).or(token.lifetime);
    Ok(Grant { token, refresh: text("refresh_token").map(Secret::new) })
}

/// Returns the failure with the UAA's description of the error, rather than its whole response.
fn refused(status: u16, body: &[u8]) -> Failure {
    let json: Json = json::read(body).unwrap_or_default();
    let words = ["error_description", "error"]
        .iter()
        .find_map(|name| json.get(*name).and_then(Json::as_str))
        .map_or_else(|| format!("status {status}"), report::without_secrets);
    match status {
        400 | 401 | 403 => Failure::NoToken(format!("the UAA gives no new token: {words}")),
        _ => Failure::of_status(status, words.as_bytes(), None),
    }
}
