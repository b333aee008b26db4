// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-kafka beside brokers, by hand and behind heka-send and heka-listen.

mod access;
mod delivery;
mod faults;
mod numbers;
mod others;
mod page;
mod queue;
mod refusals;
mod soak;
