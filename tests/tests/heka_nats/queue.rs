// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of heka-send before a broker, and a broker among several addresses.

use heka_tests::{Broker as _, Nats, each_once, free_port, queue_before, require, takes_over};

const COUNT: u32 = 4000;

#[test]
fn a_queue_before_a_server_that_is_not_there_keeps_everything_once() {
    if !require("nats-server") {
        return;
    }
    let port = free_port();
    let url = format!("nats://127.0.0.1:{port}/s?create=R1&stream=S&form=framed&batch=2K");
    let nats = queue_before(&url, COUNT, || Nats::on_port(port, ""));
    each_once(&nats.payloads("S"), COUNT);
}

#[test]
fn another_address_takes_over_when_the_server_dies_and_the_queue_waits_for_each() {
    if let Some(mut nats) = Nats::start("") {
        takes_over(&mut nats, "");
    }
}
