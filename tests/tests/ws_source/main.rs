// SPDX-License-Identifier: MIT OR Apache-2.0
//! ws-source with servers of every kind.

mod bandwidth;
mod examples;
mod flow;
mod handshake;
mod input;
mod keys;
mod messages;
mod peers;
mod routes;
mod servers;
mod tls;
