// SPDX-License-Identifier: MIT OR Apache-2.0
//! Certificates of all kinds, valid and invalid, made by openssl.

use tempfile::TempDir;

use crate::{require, scratch, sh};

const MAKE: &str = r#"set -e
new() { openssl req -newkey ec -pkeyopt ec_paramgen_curve:P-256 -nodes "$@"; }
new -x509 -keyout ca.key -out ca.pem -subj /CN=ca -days 2 -addext basicConstraints=critical,CA:TRUE
sign() {
    new -keyout $1.key -out $1.csr -subj /CN=$1
    printf "basicConstraints=CA:FALSE\n$2" > $1.ext
    openssl x509 -req -in $1.csr -CA ca.pem -CAkey ca.key -CAcreateserial -days $3 -extfile $1.ext \
        -out $1.pem
}
here="subjectAltName=DNS:localhost,IP:127.0.0.1\n"
sign server "$here" 2
sign client "" 2
sign nameless "" 2
sign other "subjectAltName=DNS:other.example\n" 2
sign expired "$here" -1
new -x509 -keyout stranger.key -out stranger.pem -subj /CN=stranger -days 2 \
    -addext basicConstraints=CA:FALSE
"#;

/// Returns a folder with `ca.pem` and the certificates signed with it, each NAME.pem and NAME.key:
/// `server` for this machine, `client`, `nameless`, `other` for another host, `expired`; and
/// `stranger`, signed by nobody. `None` without openssl.
pub fn certificates() -> Option<TempDir> {
    require("openssl").then(|| {
        let folder = scratch();
        sh(MAKE).dir(folder.path()).run().succeeds();
        folder
    })
}
