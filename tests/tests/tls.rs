// SPDX-License-Identifier: MIT OR Apache-2.0
//! TLS between heka-send and heka-listen, and with OpenSSL at either end.

use heka_tests::{Outcome, Peer, TempDir, Tool, require, scratch, sh};

/// A CA and what it signed: NAME.pem and NAME.key.
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
"#;

fn certificates() -> Option<TempDir> {
    require("openssl").then(|| {
        let folder = scratch();
        sh(MAKE).dir(folder.path()).run().succeeds();
        folder
    })
}

fn listen(folder: &TempDir, args: &[&str]) -> Peer {
    let args = ["tls://127.0.0.1:0", "-opayload"].iter().chain(args);
    Peer::with("heka-listen", args, |tool| tool.dir(folder.path()))
}

fn send(folder: &TempDir, listener: &Peer, args: &[&str]) -> Outcome {
    let address = format!("tls://{}", listener.addr);
    let tool = Tool::new("heka-send").dir(folder.path()).args(["--retry=0", &address]);
    tool.args(args).stdin("over TLS\n").run()
}

#[test]
fn a_certificate_of_the_named_ca_is_believed() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    for version in ["1.2", "1.3"] {
        send(&folder, &listener, &["--ca-file=ca.pem", "--tls-min", version]).succeeds();
    }
    listener.wait_stdout_is("over TLS\nover TLS\n");
}

#[test]
fn confirmations_come_over_tls_too() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key", "--ack"]);
    send(&folder, &listener, &["--ca-file=ca.pem", "--ack=peer"]).succeeds();
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn much_goes_over_tls() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    let text: String = (0..200_000).map(|number| format!("{number}\n")).collect();
    let address = format!("tls://{}", listener.addr);
    let tool = Tool::new("heka-send").dir(folder.path()).args(["--ca-file=ca.pem", &address]);
    tool.stdin(text.clone()).run().succeeds();
    listener.wait_stdout("all lines", |out| out == text.as_bytes());
}

#[test]
fn what_is_wrong_with_a_certificate_is_told_with_what_helps() {
    let Some(folder) = certificates() else { return };
    let cases = [
        ("server", "", "signed by an unknown CA", "--ca-file names"),
        ("other", "--ca-file=ca.pem", "is for other.example, not for 127.0.0.1", "--server-name"),
        ("nameless", "--ca-file=ca.pem", "names no host", "subjectAltName"),
        ("expired", "--ca-file=ca.pem", "expired", "clock"),
    ];
    for (name, arg, cause, hint) in cases {
        let cert = format!("--cert={name}.pem");
        let listener = listen(&folder, &[&cert, &format!("--key={name}.key")]);
        let args: &[&str] = if arg.is_empty() { &[] } else { &[arg] };
        let said = send(&folder, &listener, args);
        said.exits(3).stderr_has(cause).stderr_has(hint);
    }
}

#[test]
fn an_unchecked_certificate_is_warned_of() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=expired.pem", "--key=expired.key"]);
    send(&folder, &listener, &["-k"]).succeeds().stderr_has("the certificate is not checked");
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn clients_may_have_to_show_a_certificate() {
    let Some(folder) = certificates() else { return };
    let args = ["--cert=server.pem", "--key=server.key", "--client-ca=ca.pem"];
    let listener = listen(&folder, &args);
    let said = send(&folder, &listener, &["--ca-file=ca.pem"]);
    said.exits(3).stderr_has("wants a client certificate").stderr_has("--cert");
    listener.wait_stderr("showed no certificate");
    let cert = ["--ca-file=ca.pem", "--cert=client.pem", "--key=client.key"];
    send(&folder, &listener, &cert).succeeds();
    listener.wait_stdout_is("over TLS\n");
}

#[test]
fn a_file_that_is_none_is_a_wrong_argument() {
    let Some(folder) = certificates() else { return };
    for (args, words) in [
        (["--ca-file=absent", "--retry=0"], "absent: No such file or directory"),
        (["--ca-file=ca.key", "--retry=0"], "ca.key: no certificate in it"),
        (["--cert=client.pem", "--retry=0"], "client.pem: no private key in it"),
    ] {
        let tool = Tool::new("heka-send").dir(folder.path()).arg("tls://127.0.0.1:1").args(args);
        tool.stdin("x\n").run().exits(2).stderr_has(words);
    }
}

#[test]
fn openssl_is_at_either_end() {
    let Some(folder) = certificates() else { return };
    let listener = listen(&folder, &["--cert=server.pem", "--key=server.key"]);
    let client = "printf 'from openssl\\n' | openssl s_client -quiet -no_ign_eof -verify_return_error \
                  -CAfile ca.pem -connect 127.0.0.1:$PORT >&2";
    let port = listener.port().to_string();
    sh(client).dir(folder.path()).env("PORT", port).run().succeeds();
    listener.wait_stdout_is("from openssl\n");
    let port = heka_tests::free_port();
    let server =
        "exec openssl s_server -quiet -cert server.pem -key server.key -accept 127.0.0.1:$PORT";
    let server = sh(server).dir(folder.path()).env("PORT", port.to_string()).stdin_open().spawn();
    let address = format!("tls://127.0.0.1:{port}");
    let args = ["-opayload", "--ca-file=ca.pem", "--retry-delay=20ms", &address];
    Tool::new("heka-send").dir(folder.path()).args(args).stdin("to openssl\n").run().succeeds();
    server.wait_stdout_is("to openssl\n");
}
