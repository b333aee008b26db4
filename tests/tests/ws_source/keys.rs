// SPDX-License-Identifier: MIT OR Apache-2.0
//! Keys and certificates as OpenSSL and Java create them by default.

use heka_tests::{Outcome, Running, TempDir, Tool, require, scratch, sh};

/// Creates a folder with the files of the script, and `pass`, the password of its key stores.
fn folder(script: &str) -> TempDir {
    let folder = scratch();
    // Line by line: each may take its time.
    for line in ["echo changeit > pass"].into_iter().chain(script.lines()) {
        sh(&format!("set -e; umask 077; {NEW}\n{line}")).dir(folder.path()).run().succeeds();
    }
    folder
}

/// `new NAME KEY…` creates NAME.key and NAME.pem, an X.509 v1 certificate; `store NAME ALIAS
/// OPTION…` adds a pair to a key store; `pack NAME OPTION…` creates a key store of rsa.key.
const NEW: &str = r#"
new() {
    name=$1; shift
    openssl req -new -nodes -newkey "$@" -subj /CN=$name -keyout $name.key -out $name.csr
    openssl x509 -req -in $name.csr -signkey $name.key -days 2 -out $name.pem
}
store() {
    name=$1 alias=$2; shift 2
    keytool -genkeypair -keystore $name -alias $alias -storepass changeit -keypass changeit \
        -dname CN=$alias "$@"
}
pack() {
    name=$1; shift
    openssl pkcs12 -export -in rsa.pem -inkey rsa.key -passout pass:changeit -out $name.p12 "$@"
}"#;

/// An HTTPS server by openssl; it answers every request with 200.
fn https(folder: &TempDir, args: &str) -> (Running, String) {
    let address = format!("127.0.0.1:{}", heka_tests::free_port());
    let line = format!("exec openssl s_server -www -accept {address} {args}");
    let server = sh(&line).dir(folder.path()).stdin_open().spawn();
    server.wait_stdout("it listens", |out| out.starts_with(b"ACCEPT") || contains(out, "\nACCEPT"));
    (server, format!("wss://{address}/"))
}

fn contains(out: &[u8], part: &str) -> bool {
    String::from_utf8_lossy(out).contains(part)
}

fn connect(folder: &TempDir, url: &str, args: &[&str]) -> Outcome {
    Tool::new("ws-source").args(["-k", "--retry", "0", url]).args(args).dir(folder.path()).run()
}

#[test]
fn insecure_accepts_any_certificate() {
    if !require("openssl") {
        return;
    }
    let folder = folder(
        "new v1 ec -pkeyopt ec_paramgen_curve:P-256; new small rsa:1024
         new p521 ec -pkeyopt ec_paramgen_curve:P-521; new ed448 ed448",
    );
    for (name, versions) in [
        ("v1", &["-tls1_2", "-tls1_3"][..]),
        ("small", &["-tls1_2", "-tls1_3"]),
        // With TLS 1.2 the cipher suites need a curve that we have.
        ("p521", &["-tls1_3"]),
        ("ed448", &["-tls1_3"]),
    ] {
        for version in versions {
            let args =
                format!("-cert {name}.pem -key {name}.key {version} -cipher ALL:@SECLEVEL=0");
            let (_server, url) = https(&folder, &args);
            connect(&folder, &url, &[]).exits(3).stderr_has("HTTP 200 ok\n");
        }
    }
}

#[test]
fn client_certificates_of_openssl_and_java_are_presented() {
    if !require("openssl") || !require("keytool") {
        return;
    }
    let folder = folder(
        "new server ec -pkeyopt ec_paramgen_curve:P-256; new v1 rsa:2048
         new p521 ec -pkeyopt ec_paramgen_curve:P-521
         store ec.p12 first -keyalg EC -groupname secp256r1 -storetype PKCS12
         store ec.p12 second -keyalg EC -groupname secp384r1
         store ec.jks third -keyalg EC -groupname secp256r1 -storetype JKS
         store ed.p12 fourth -keyalg Ed25519
         store small.p12 fifth -keyalg RSA -keysize 1024",
    );
    let (server, url) = https(&folder, "-cert server.pem -key server.key -Verify 1");
    let store = |name| ["--keystore", name, "--keystore-pass-file", "pass"];
    for (args, more, name) in [
        (&store("ec.p12")[..], &[][..], "first"),
        (&store("ec.p12"), &["--keystore-alias", "SECOND"], "second"),
        (&store("ec.jks"), &[], "third"),
        (&store("ed.p12"), &[], "fourth"),
        (&["--cert", "v1.pem"], &["--key", "v1.key"], "v1"),
    ] {
        connect(&folder, &url, &[args, more].concat()).exits(3).stderr_has("HTTP 200 ok\n");
        server.wait_stderr(&format!("depth=0 CN = {name}\n"));
    }
    for (args, words) in [
        (
            &["--cert", "p521.pem", "--key", "p521.key"][..],
            "p521.key: P-521 keys are not supported",
        ),
        (&["--cert", "v1.pem", "--key", "server.key"], "does not belong to the certificate"),
        (&store("small.p12"), "RSA keys of 1024 bits are not supported (2048 to 4096 are)"),
        (&["--keystore", "ec.p12", "--keystore-type", "JCEKS"], "JCEKS key stores are not supp"),
        (
            &[&store("ec.p12")[..], &["--keystore-alias", "x"]].concat(),
            "ec.p12: no key 'x', only first, second\n",
        ),
    ] {
        connect(&folder, &url, args).exits(2).stderr_has(words);
    }
}

/// The same key in every form that OpenSSL writes, and in its key stores.
#[test]
fn keys_are_read_in_every_form() {
    if !require("openssl") {
        return;
    }
    let folder = folder(
        "new rsa rsa:2048; new ec ec -pkeyopt ec_paramgen_curve:P-256
         openssl rsa -in rsa.key -traditional -out pkcs1.key; cp rsa.pem pkcs1.pem
         openssl ec -in ec.key -out sec1.key; cp ec.pem sec1.pem
         (openssl ecparam -name prime256v1; cat sec1.key) > named.key; cp ec.pem named.pem
         openssl ec -in ec.key -no_public -out bare.key; cp ec.pem bare.pem
         new ed ed25519
         pack plain; pack old -legacy; pack open -certpbe NONE -keypbe NONE; pack free -nomac
         pack sha512 -macalg sha512; pack aes -keypbe aes-128-cbc -certpbe aes-256-cbc
         pack des -keypbe PBE-SHA1-3DES -certpbe PBE-SHA1-3DES",
    );
    let (_server, url) = https(&folder, "-cert ec.pem -key ec.key -Verify 1");
    for name in ["rsa", "ec", "pkcs1", "sec1", "named", "bare", "ed"] {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let args = ["--cert", &cert, "--key", &key];
        connect(&folder, &url, &args).exits(3).stderr_has("HTTP 200 ok\n");
    }
    for name in ["plain", "old", "open", "free", "sha512", "aes", "des"] {
        let store = format!("{name}.p12");
        let args = ["--keystore", &store, "--keystore-pass-file", "pass"];
        connect(&folder, &url, &args).exits(3).stderr_has("HTTP 200 ok\n");
    }
}

/// A key that the library cannot sign with is reported by the name of its kind.
#[test]
fn keys_of_other_kinds_are_refused_by_their_names() {
    if !require("openssl") {
        return;
    }
    let folder = folder(
        "new pss rsa-pss:2048; new k1 ec -pkeyopt ec_paramgen_curve:secp256k1
         new brain ec -pkeyopt ec_paramgen_curve:brainpoolP256r1; new ed448 ed448
         openssl pkcs8 -topk8 -in k1.key -out locked.key -passout pass:changeit
         cp k1.pem locked.pem",
    );
    for (name, words) in [
        ("pss", "RSASSA-PSS keys are not supported"),
        ("k1", "secp256k1 keys are not supported"),
        ("brain", "brainpoolP256r1 keys are not supported"),
        ("ed448", "Ed448 keys are not supported"),
        ("locked", "the key is encrypted"),
    ] {
        let (cert, key) = (format!("{name}.pem"), format!("{name}.key"));
        let args = ["--cert", &cert, "--key", &key];
        connect(&folder, "wss://127.0.0.1:1/", &args).exits(2).stderr_has(words);
    }
}

#[test]
fn keys_without_their_public_key_work_in_other_tools() {
    if !require("openssl") {
        return;
    }
    let folder = folder(
        "new ec ec -pkeyopt ec_paramgen_curve:P-384
         openssl ec -no_public -in ec.key -out none.key; mv none.key ec.key",
    );
    let listener = heka_tests::Peer::with(
        "heka-listen",
        ["tls://127.0.0.1:0", "-opayload", "--cert=ec.pem", "--key=ec.key"],
        |tool| tool.dir(folder.path()),
    );
    Tool::new("heka-send")
        .dir(folder.path())
        .args(["-opayload", "--insecure", "--cert=ec.pem", "--key=ec.key", &listener.addr])
        .stdin("through\n")
        .run()
        .succeeds();
    listener.wait_stdout_is("through\n");
}

#[test]
fn a_server_says_whose_certificates_it_wants() {
    if !require("openssl") || !require("keytool") {
        return;
    }
    let folder = folder(
        "new server ec -pkeyopt ec_paramgen_curve:P-256
         store ec.p12 first -keyalg EC -groupname secp256r1 -storetype PKCS12
         store ec.p12 second -keyalg EC -groupname secp256r1
         keytool -exportcert -rfc -keystore ec.p12 -storepass changeit -alias second > second.pem",
    );
    let args = "-cert server.pem -key server.key -Verify 1 -CAfile second.pem";
    let (server, url) = https(&folder, args);
    let args = ["--keystore", "ec.p12", "--keystore-pass-file", "pass"];
    connect(&folder, &url, &args).exits(3).stderr_has("HTTP 200 ok\n");
    server.wait_stderr("depth=0 CN = second\n");
}

#[test]
fn session_keys_are_logged_on_request() {
    if !require("openssl") {
        return;
    }
    let folder = folder("new server ec -pkeyopt ec_paramgen_curve:P-256");
    let (_server, url) = https(&folder, "-cert server.pem -key server.key");
    Tool::new("ws-source")
        .args(["-k", "--retry", "0", &url])
        .env("SSLKEYLOGFILE", folder.path().join("keys"))
        .dir(folder.path())
        .run()
        .exits(3);
    let keys = std::fs::read_to_string(folder.path().join("keys")).unwrap();
    assert!(keys.contains("CLIENT_TRAFFIC_SECRET_0 "), "{keys}");
}
