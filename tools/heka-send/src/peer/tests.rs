// SPDX-License-Identifier: MIT OR Apache-2.0
use std::time::Duration;

use heka_core::net::{Dialer, parse_addr};

use crate::peer::link::Link;
use crate::peer::over::{End, Over};
use crate::peer::phase::Hearing;
use crate::plan::{Ack, Delivery, Refused};
use crate::window::Window;

const DELIVERY: Delivery = Delivery {
    ack: Some(Ack::Peer),
    in_flight: 1 << 20,
    resend: 0,
    refused: Refused::Stop,
    linger: None,
    answer_timeout: None,
    write_timeout: None,
    idle_timeout: None,
    reconnect_after: 0,
    rate: None,
    shares_datagrams: false,
};

/// Returns how the connection to a program that closes its side ends, and how often it was checked
/// before.
fn parting(program: &str) -> (usize, Over) {
    let addr = parse_addr(program).unwrap();
    let mut link = Link::connect(&Dialer::default(), &addr, &DELIVERY).unwrap();
    let mut window = Window::starting_after(0, 1 << 20, 0);
    link.begin(&window, None, 0, 0);
    let mut looks = 0;
    loop {
        let talk = link.converse(&mut window, &DELIVERY, false);
        if link.sides.hearing == Hearing::Ended {
            let Ok(()) = talk else { return (looks, talk.unwrap_err()) };
            looks += 1;
            assert!(link.deadline(&window, &DELIVERY, false).is_some());
            assert!(link.wanted(&window).is_empty());
        }
        std::thread::park_timeout(Duration::from_millis(1));
    }
}

#[test]
fn a_program_that_has_closed_its_side_holds_nobody_up() {
    let (looks, over) = parting("exec:exec <&- >&-; exec sleep 1000");
    assert!(looks > 0 && over.end == End::Peer, "{looks}: {over:?}");
    let (_, over) = parting("exec:exec <&- >&-; exit 5");
    assert!(over.end == End::Failed && over.fault.cause == "exit status 5", "{over:?}");
}
