// SPDX-License-Identifier: MIT OR Apache-2.0
//! The cost of the forms: no allocation per message, once similar ones have been written.

use heka_core::codec::template::TextTemplate;
use heka_core::codec::time::Zone;
use heka_core::codec::{Encoder, Form, Settings};
use heka_core::wire::{Deframer, Header, More, Step, put_frame};

use super::allocations;
use super::json::messages;

/// Every way to format a value.
const TEMPLATE: &str = "{Timestamp} {Timestamp:%d/%b/%Y:%H:%M:%S %z} {Uuid} {Type:10} {Logger:>8} \
    {Hostname:^12.9} {Severity} {Pid:4} {Payload:json} {Fields[a]} {Fields[list][*]} \
    {Fields[took]:>9.3} {Fields[raw]:json} {Fields[name0][1]} {EnvVersion} {Payload}";

#[test]
fn nothing_is_allocated_per_message() {
    let mut frames = Vec::new();
    for message in messages() {
        put_frame(&mut frames, Header::default(), &message).unwrap();
    }
    let mut costs = Vec::new();
    for form in Form::ALL {
        let template = Some(TextTemplate::new(TEMPLATE, Zone::default()).unwrap());
        let mut encoder = Encoder::new(form, Settings { template, ..Settings::default() });
        let mut out = Vec::with_capacity(1 << 22);
        let mut write = |out: &mut Vec<u8>| {
            out.clear();
            let mut deframer = Deframer::new(1 << 20);
            let mut at = 0;
            while let Step::Frame(done, frame) = deframer.next(&frames[at..], More::Ended) {
                encoder.put(out, &frame);
                at += done;
            }
        };
        write(&mut out);
        costs.push((form, allocations(|| write(&mut out))));
    }
    costs.retain(|(_, allocations)| *allocations > 0);
    assert_eq!(costs, []);
}
