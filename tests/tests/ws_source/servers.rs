// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source with other servers: nginx, with its close reasons and what it forwards, and Python's
//! websockets.

use std::fs;

use heka_tests::ws::WsServer;
use heka_tests::{
    Outcome, Running, TempDir, Tool, eventually, free_port, require, scratch, sh, skip,
};

/// The configuration of nginx except for its servers.
const CONF: &str = "daemon off; pid nginx.pid; error_log stderr; worker_processes 1;
events { worker_connections 64; }
http {
    access_log off; gzip on; gzip_types *; gzip_min_length 1;
    client_body_temp_path t; proxy_temp_path t; fastcgi_temp_path t; uwsgi_temp_path t;
    scgi_temp_path t;
";

struct Nginx {
    folder: TempDir,
    _running: Running,
}

/// Starts nginx with these servers, and waits until their ports answer.
fn nginx(servers: &str, ports: &[u16]) -> Nginx {
    let folder = scratch();
    let key = "openssl req -x509 -newkey rsa:2048 -nodes -subj /CN=localhost -days 2 \
               -keyout key.pem -out cert.pem";
    sh(key).dir(folder.path()).run().succeeds();
    fs::write(folder.path().join("nginx.conf"), format!("{CONF}{servers}}}\n")).unwrap();
    let running = sh("exec nginx -p $PWD/ -c nginx.conf").dir(folder.path()).spawn();
    for port in ports {
        eventually("nginx listens", || std::net::TcpStream::connect(("127.0.0.1", *port)).ok());
    }
    Nginx { folder, _running: running }
}

fn connect(nginx: &Nginx, url: &str) -> Outcome {
    Tool::new("ws-source").args(["-k", "--retry", "0", url]).dir(nginx.folder.path()).run()
}

#[test]
fn nginx_s_reasons_are_told() {
    if !require("nginx") || !require("openssl") {
        return;
    }
    let (tls, plain) = (free_port(), free_port());
    let servers = format!(
        "server {{ listen 127.0.0.1:{tls} ssl; ssl_certificate cert.pem;
            ssl_certificate_key key.pem; ssl_client_certificate cert.pem; ssl_verify_client on;
            location / {{ return 403; }} }}
        server {{ listen 127.0.0.1:{plain};
            location / {{ return 404; }}
            location /json {{ default_type application/json;
                return 503 '{{\n  \"message\": \"out of order\"\n}}'; }} }}"
    );
    let nginx = nginx(&servers, &[tls, plain]);
    for (url, words) in [
        (
            format!("wss://127.0.0.1:{tls}/"),
            "HTTP 400 Bad Request: 400 No required SSL certificate was sent\n",
        ),
        (
            format!("ws://127.0.0.1:{tls}/"),
            "HTTP 400 Bad Request: 400 The plain HTTP request was sent to HTTPS port\n",
        ),
        (
            format!("ws://127.0.0.1:{plain}/json"),
            "HTTP 503 Service Temporarily Unavailable: out of order\n",
        ),
        (format!("ws://127.0.0.1:{plain}/"), "HTTP 404 Not Found\n"),
    ] {
        connect(&nginx, &url).exits(3).stderr_has(words);
    }
}

#[test]
fn messages_and_the_close_pass_through_nginx() {
    if !require("nginx") || !require("openssl") {
        return;
    }
    let server = WsServer::start(|_, mut peer| {
        peer.accept();
        peer.text("through");
        peer.close(4001, "had enough");
    });
    let upstream = server.url("/").replace("ws:", "http:");
    let port = free_port();
    let servers = format!(
        "server {{ listen 127.0.0.1:{port} ssl; ssl_certificate cert.pem;
            ssl_certificate_key key.pem;
            location / {{ proxy_pass {upstream}; proxy_http_version 1.1;
                proxy_set_header Upgrade $http_upgrade;
                proxy_set_header Connection \"upgrade\"; }} }}"
    );
    let nginx = nginx(&servers, &[port]);
    let outcome = connect(&nginx, &format!("wss://127.0.0.1:{port}/"));
    outcome.exits(3).stdout_is("through\n").stderr_has("closed with 4001: had enough\n");
}

/// Compressed, echoed and closed with default settings.
#[test]
fn a_server_of_websockets_is_echoed() {
    let python = "/usr/bin/python3";
    if !sh(&format!("{python} -c 'import websockets'")).run().status.success() {
        return skip("Python's websockets is not installed");
    }
    let folder = scratch();
    let script = r#"
import asyncio, websockets
async def feed(ws, *_):
    for n in range(100): await ws.send('{"sequence": %d}' % n)
    await ws.send(b"\x00binary")
    echoed = [await ws.recv() for _ in range(101)]
    await ws.close(4000 + len(set(echoed)), ws.extensions[0].name)
async def main():
    async with websockets.serve(feed, "127.0.0.1", 0) as server:
        print(server.sockets[0].getsockname()[1], flush=True)
        await asyncio.Future()
asyncio.run(main())
"#;
    fs::write(folder.path().join("server.py"), script).unwrap();
    let server = Tool::at(python).arg("server.py").dir(folder.path()).spawn();
    server.wait_stdout("its port", |out| out.ends_with(b"\n"));
    let port = String::from_utf8(server.stdout()).unwrap();
    let url = format!("ws://127.0.0.1:{}/", port.trim_end());
    let outcome = Tool::new("ws-source").args(["--retry", "0", "--echo", &url]).run();
    let lines: String = (0..100).map(|n| format!("{{\"sequence\": {n}}}\n")).collect();
    outcome
        .exits(3)
        .stdout_is(format!("{lines}\0binary\n"))
        .stderr_has("closed with 4101: permessage-deflate\n");
}
