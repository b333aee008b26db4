// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-kafka with brokers, by itself and behind heka-send and heka-listen.

mod access;
mod delivery;
mod examples;
mod faults;
mod numbers;
mod others;
mod page;
mod queue;
mod refusals;
mod soak;
