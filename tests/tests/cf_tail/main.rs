// SPDX-License-Identifier: MIT OR Apache-2.0
//! cf-tail with servers of every generation.

mod access;
mod habits;
mod joins;
mod log_cache;
mod network;
mod output;
mod pages;
mod platform;
mod recorded;
mod recorded_cli;
mod recorded_network;
mod recorded_v2;
mod statuses;
mod streams;
mod table;
