// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-nats with a real server, by itself and behind heka-send and heka-listen.

mod access;
mod delivery;
mod edges;
mod faults;
mod numbers;
mod operator;
mod others;
mod page;
mod queue;
mod soak;
