// SPDX-License-Identifier: MIT OR Apache-2.0
//! The queue of heka-send before a broker, and a broker among several addresses.

use heka_tests::{
    Broker as _, Mock, Tansu, each_once, free_port, queue_before, require, require_kafka,
    takes_over,
};

const COUNT: u32 = 4000;

#[test]
fn a_queue_before_a_broker_that_is_not_there_keeps_everything_once() {
    if !require_kafka() || !require("tansu") {
        return;
    }
    let port = free_port();
    let url = format!("kafka://127.0.0.1:{port}/t?key=Payload");
    let tansu = queue_before(&url, COUNT, || Tansu::behind(port, port, &[]).expect("a broker"));
    each_once(&tansu.payloads("t"), COUNT);
}

#[test]
fn another_address_takes_over_when_the_brokers_die_and_the_queue_waits_for_each() {
    let Some(mut mock) = Mock::start(1) else { return };
    mock.tell("topic t 1");
    // A request takes at most half a second, and the brokers have three times that to come back.
    takes_over(&mut mock, "&socket.timeout.ms=500");
}
