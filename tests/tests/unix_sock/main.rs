// SPDX-License-Identifier: MIT OR Apache-2.0
//! unix-sock as server and client.

mod bulk;
mod complaints;
mod connect;
mod datagrams;
mod ends;
mod examples;
mod files;
mod formats;
mod interop;
mod load;
mod processes;
mod routing;
mod sockets;
