// SPDX-License-Identifier: MIT OR Apache-2.0
//! Replaces `java` in a build without the feature `java-key-stores`.

use super::Contents;

pub(super) fn open_pkcs12(_bytes: &[u8], _password: &str) -> Result<Contents, String> {
    Err(absent("PKCS#12"))
}

pub(super) fn open_jks(_bytes: &[u8], _password: &str) -> Result<Contents, String> {
    Err(absent("JKS"))
}

fn absent(kind: &str) -> String {
    format!("is a {kind} key store, which this build of ws-source cannot read; use PEM files")
}
