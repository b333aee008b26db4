// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-kafka beside brokers, by hand and behind heka-send and heka-listen.

mod access;
mod delivery;
mod faults;
mod others;
mod refusals;

/// The numbers from 1 to `count`, one a line.
fn lines(count: u32) -> String {
    (1..=count).map(|number| format!("{number}\n")).collect()
}

/// Those lines in the order of their numbers.
fn sorted(text: &str) -> String {
    let mut numbers: Vec<u32> = text.lines().map(|line| line.parse().expect("a number")).collect();
    numbers.sort_unstable();
    numbers.iter().map(|number| format!("{number}\n")).collect()
}
