// SPDX-License-Identifier: MIT OR Apache-2.0
//! Text that is never shown.

use heka_core::report;
use zeroize::Zeroizing;

/// A token or a password. It is overwritten when it is no longer needed, and concealed in
/// everything that goes to stderr.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(Zeroizing<String>);

impl Secret {
    /// Creates a secret.
    pub(crate) fn new(text: impl Into<String>) -> Self {
        let secret = Self(Zeroizing::new(text.into()));
        // The type of the token is not secret.
        let token =
            secret.0.split_once(' ').filter(|(kind, _)| kind.eq_ignore_ascii_case("bearer"));
        report::conceal(token.map_or(&secret.0, |(_, token)| token));
        secret
    }

    /// Returns the text, for the server.
    pub(crate) fn reveal(&self) -> &str {
        &self.0
    }
}

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret")
    }
}
