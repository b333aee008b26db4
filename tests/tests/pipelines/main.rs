// SPDX-License-Identifier: MIT OR Apache-2.0
//! Several tools in one pipeline, on one machine and on two.

mod datagrams;
mod dialing;
mod followers;
mod heka_limit;
mod marks;
mod network;
mod network_examples;
mod recipes;
mod relay_examples;
mod tls;
mod transports;
mod world2;
