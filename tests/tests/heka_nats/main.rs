// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-nats beside a real server, by hand and behind heka-send and heka-listen.

mod access;
mod delivery;
mod edges;
mod faults;
mod soak;

/// The numbers from 1 to `count`, one a line.
fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}
