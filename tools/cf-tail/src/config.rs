// SPDX-License-Identifier: MIT OR Apache-2.0
//! cf's own `config.json`: endpoints, tokens and targets.
//!
//! Keys are case-insensitive, as in Go; versions 3 and 4 of the file are treated alike.

use std::fs::{File, Permissions};
use std::io::Write as _;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use heka_core::cli::{SecretJson, secret};
use heka_core::os::{Exposed, Replacement, is_named, read_secret};
use heka_core::report::{Explain as _, Stop};
use serde_json::Value as Json;
use zeroize::Zeroizing;

use crate::secret::Secret;

/// The contents of the file. Empty values are treated as absent.
#[derive(Debug, Default)]
pub(crate) struct Config {
    /// The path of the file.
    pub(crate) path: PathBuf,
    pub(crate) target: Option<String>,
    pub(crate) uaa: Option<String>,
    pub(crate) loggregator: Option<String>,
    pub(crate) doppler: Option<String>,
    pub(crate) log_cache: Option<String>,
    pub(crate) access_token: Option<Secret>,
    pub(crate) refresh_token: Option<Secret>,
    pub(crate) client: Option<String>,
    pub(crate) client_secret: Option<Secret>,
    pub(crate) grant_type: Option<String>,
    pub(crate) org: Option<String>,
    pub(crate) space: Option<String>,
    pub(crate) ssl_disabled: bool,
    pub(crate) color: Option<bool>,
}

/// A client of the UAA, such as a nozzle.
#[derive(Debug)]
pub(crate) struct Client {
    pub(crate) id: String,
    pub(crate) secret: Secret,
    /// URL of the UAA, if it differs from the configuration.
    pub(crate) uaa: Option<String>,
}

impl Config {
    /// Returns the configuration for a client of its own, instead of the user who has logged in.
    pub(crate) fn for_client(self, client: Client) -> Self {
        Self {
            uaa: client.uaa.or(self.uaa),
            client: Some(client.id),
            client_secret: Some(client.secret),
            grant_type: Some("client_credentials".to_owned()),
            access_token: None,
            refresh_token: None,
            ..self
        }
    }

    /// Reads the file below `home`, if it exists.
    ///
    /// # Errors
    /// If it cannot be read, is not JSON, or others can read it too (unless `force`).
    pub(crate) fn load(home: &Path, force: bool) -> Result<Option<Self>, Stop> {
        let path = home.join(".cf/config.json");
        if !path.exists() {
            return Ok(None);
        }
        let text = read_private(&path, force)?;
        let object = parse(&text)
            .map_err(|error| Stop::usage(format_args!("{}: {error}", path.display())))?;
        Ok(Some(Self::from_object(path, &object)))
    }

    fn from_object(path: PathBuf, object: &Json) -> Self {
        let text = |name| find(object, name).and_then(Json::as_str).filter(|text| !text.is_empty());
        let owned = |name| text(name).map(str::to_owned);
        let guid = |name| {
            let target = find(object, name);
            let guid = target.and_then(|target| find(target, "GUID")).and_then(Json::as_str);
            guid.filter(|guid| !guid.is_empty()).map(str::to_owned)
        };
        Self {
            path,
            target: owned("Target"),
            uaa: owned("UaaEndpoint").or_else(|| owned("AuthorizationEndpoint")),
            loggregator: owned("LoggregatorEndPoint"),
            doppler: owned("DopplerEndPoint"),
            log_cache: owned("LogCacheEndPoint"),
            access_token: text("AccessToken").map(Secret::new),
            refresh_token: text("RefreshToken").map(Secret::new),
            client: owned("UAAOAuthClient"),
            client_secret: text("UAAOAuthClientSecret").map(Secret::new),
            grant_type: owned("UAAGrantType"),
            org: guid("OrganizationFields"),
            space: guid("SpaceFields"),
            ssl_disabled: find(object, "SSLDisabled").and_then(Json::as_bool).unwrap_or(false),
            color: text("ColorEnabled").and_then(|text| text.parse().ok()),
        }
    }

    /// Returns the refresh token currently in the file: another cf may have logged in since.
    pub(crate) fn stored_refresh_token(&self) -> Option<Secret> {
        let text = read_private(&self.path, true).ok()?;
        let object = parse(&text).ok()?;
        Self::from_object(PathBuf::new(), &object).refresh_token
    }

    /// Stores new tokens in the file atomically; everything else in it is kept.
    ///
    /// # Errors
    /// Any I/O error.
    pub(crate) fn save_tokens(
        &self,
        access: &Secret,
        refresh: Option<&Secret>,
    ) -> Result<(), Stop> {
        let name = self.path.display();
        let lock = lock(&self.path).at(name.to_string())?;
        let text = read_private(&self.path, true)?;
        let mut object =
            parse(&text).map_err(|error| Stop::failed(format_args!("{name}: {error}")))?;
        replace(&mut object, "AccessToken", access);
        if let Some(refresh) = refresh {
            replace(&mut object, "RefreshToken", refresh);
        }
        let text =
            object.to_pretty().map_err(|error| Stop::failed(format_args!("{name}: {error}")))?;
        write_private(&self.path, &text).at(name)?;
        drop(lock);
        Ok(())
    }
}

/// Locks the file, even if another process replaces it meanwhile.
fn lock(path: &Path) -> std::io::Result<File> {
    loop {
        let file = File::open(path)?;
        file.lock()?;
        if is_named(&file, path) {
            return Ok(file);
        }
    }
}

/// Replaces a file atomically, readable only by its owner.
fn write_private(path: &Path, text: &[u8]) -> std::io::Result<()> {
    let new = Replacement::new(path, 0o600)?;
    new.file().set_permissions(Permissions::from_mode(0o600))?;
    new.file().write_all(text)?;
    new.replace().map(drop)
}

fn parse(text: &str) -> Result<SecretJson, String> {
    match SecretJson::parse(text.as_bytes()) {
        Ok(json) if json.is_object() => Ok(json),
        Ok(_) => Err("not an object".to_owned()),
        Err(error) => Err(error.to_string()),
    }
}

/// Returns a member, ignoring case.
fn find<'a>(json: &'a Json, name: &str) -> Option<&'a Json> {
    let object = json.as_object()?;
    object.get(name).or_else(|| {
        object.iter().find(|(key, _)| key.eq_ignore_ascii_case(name)).map(|(_, value)| value)
    })
}

fn replace(json: &mut Json, name: &str, secret: &Secret) {
    let Some(object) = json.as_object_mut() else { return };
    let key = object.keys().find(|key| key.eq_ignore_ascii_case(name)).cloned();
    let key = key.unwrap_or_else(|| name.to_owned());
    drop(object.insert(key, Json::from(secret.reveal())).map(SecretJson::from));
}

/// Reads a file with a secret: a file that others can read or change is rejected, or with `force`
/// only warned of.
///
/// # Errors
/// If it is rejected, or not text.
pub(crate) fn read_private(path: &Path, force: bool) -> Result<Zeroizing<String>, Stop> {
    let exposed = if force { Exposed::Accept } else { Exposed::Refuse };
    secret::text(path, read_secret(path, exposed)?)
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::MetadataExt as _;

    use super::*;

    fn home(name: &str, text: &str, mode: u32) -> PathBuf {
        let home = std::env::temp_dir().join(format!("cf-tail-{}-{name}", std::process::id()));
        std::fs::create_dir_all(home.join(".cf")).unwrap();
        let path = home.join(".cf/config.json");
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(path, Permissions::from_mode(mode)).unwrap();
        home
    }

    #[test]
    fn keys_of_old_and_new_versions_are_read() {
        let text = r#"{"ConfigVersion": 3, "Target": "https://api.x", "LoggregatorEndpoint": "wss://l",
            "DopplerEndPoint": "", "accesstoken": "bearer t0ken", "SpaceFields": {"Guid": "sp"}}"#;
        let config = Config::load(&home("keys", text, 0o600), false).unwrap().unwrap();
        assert_eq!(config.loggregator.as_deref(), Some("wss://l"));
        assert_eq!((config.doppler, config.space.as_deref()), (None, Some("sp")));
        assert_eq!(config.access_token.unwrap().reveal(), "bearer t0ken");
    }

    #[test]
    fn a_file_that_others_can_read_is_refused_unless_forced() {
        let home = home("mode", "{}", 0o644);
        assert!(Config::load(&home, false).is_err());
        assert!(Config::load(&home, true).unwrap().is_some());
        assert!(Config::load(&home.join("nowhere"), false).unwrap().is_none());
    }

    #[test]
    fn saving_tokens_keeps_everything_else() {
        let home = home("save", r#"{"accessToken": "old", "Strange": [1]}"#, 0o600);
        let config = Config::load(&home, false).unwrap().unwrap();
        config.save_tokens(&Secret::new("bearer new1"), Some(&Secret::new("fresh"))).unwrap();
        let text = std::fs::read_to_string(&config.path).unwrap();
        let object = parse(&text).unwrap();
        assert_eq!(object["accessToken"], "bearer new1");
        assert_eq!(object["RefreshToken"], "fresh");
        assert_eq!(object["Strange"], serde_json::json!([1]));
        assert_eq!(std::fs::metadata(&config.path).unwrap().mode() & 0o777, 0o600);
    }
}
