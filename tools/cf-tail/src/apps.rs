// SPDX-License-Identifier: MIT OR Apache-2.0
//! The apps to read, with a GUID for each name.

use heka_core::report::{self, Stop};

use crate::api::{self, Api};
use crate::failure::Failure;
use crate::session::Session;

/// An app, or another source of logs.
#[derive(Clone, Debug)]
pub(crate) struct App {
    /// Its GUID, or the source's name.
    pub(crate) id: String,
    /// The name that the user gave.
    pub(crate) name: String,
    /// The reason why it may not exist.
    pub(crate) doubt: Option<Doubt>,
}

/// The reason why a source may not exist.
#[derive(Clone, Debug)]
pub(crate) struct Doubt {
    /// The platform's answer.
    pub(crate) words: String,
    /// Whether the platform was asked.
    pub(crate) is_lookup: bool,
}

/// Where apps are looked up, if not in the space that cf targets.
#[derive(Clone, Debug, Default)]
pub(crate) struct Place {
    pub(crate) org: Option<String>,
    pub(crate) space: Option<String>,
}

/// How names are looked up.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Lookup<'a> {
    pub(crate) place: &'a Place,
    /// Whether the platform may be asked: it is known, and may see the token.
    pub(crate) may_ask: bool,
    /// Whether a name that is not an app's may be that of another source, on servers that have
    /// other sources.
    pub(crate) may_be_source: bool,
}

impl Lookup<'_> {
    /// Looks up the apps with these names or GUIDs.
    ///
    /// # Errors
    /// If one does not exist, or the platform does not answer.
    pub(crate) fn find(&self, session: &Session, names: &[String]) -> Result<Vec<App>, Failure> {
        let Place { org, space } = self.place;
        if !self.may_ask && space.is_some() {
            return Err(Stop::usage("--space needs the platform's API ('cf api' sets it)").into());
        }
        let mut space_guid = session.config.space.clone();
        if let (Some(space), true) = (space, names.iter().any(|name| !api::is_guid(name))) {
            let org = org.as_deref();
            let api = Api { http: &session.http, config: &session.config };
            let found = session.authorized(|token| api.space_guid(token, org, space))?;
            space_guid = Some(found);
        }
        names.iter().map(|name| self.find_one(session, name, space_guid.as_deref())).collect()
    }

    fn find_one(&self, session: &Session, name: &str, space: Option<&str>) -> Result<App, Failure> {
        let app = |id: String, doubt| App { id, name: name.to_owned(), doubt };
        if api::is_guid(name) {
            return Ok(app(name.to_owned(), None));
        }
        let Some(space) = space.filter(|_| self.may_ask) else {
            let doubt = Doubt { words: String::new(), is_lookup: false };
            return Ok(app(name.to_owned(), Some(doubt)));
        };
        let api = Api { http: &session.http, config: &session.config };
        match session.authorized(|token| api.app_guid(token, space, name)) {
            Ok(guid) => {
                report::note(format_args!("{name} is {guid}"));
                Ok(app(guid, None))
            }
            Err(Failure::NotFound(words)) if self.may_be_source && self.place.space.is_none() => {
                report::announce(format_args!("{words} Taking '{name}' for the name of a source"));
                Ok(app(name.to_owned(), Some(Doubt { words, is_lookup: true })))
            }
            Err(failure) => Err(failure),
        }
    }
}
