// SPDX-License-Identifier: MIT OR Apache-2.0
//! WebSocket clients (RFC 6455) over any stream, in one thread that never blocks in a read or a
//! write.
//!
//! An [`Endpoint`] is a parsed `ws://` URL; [`shake`] turns a connected, nonblocking stream into a
//! [`Socket`]. [`Socket::receive`] is its event loop: it answers and sends pings, detects a dead
//! peer, writes the caller's records to a [`crate::os::Backlog`], and stops reading while too much
//! output is pending. So a stuck reader never delays a pong, and memory stays bounded.
//!
//! ```no_run
//! # use heka_core::{net::{Dialer, ws}, os::{Backlog, Output}, report::Stop};
//! # fn feed() -> Result<(), Stop> {
//! let endpoint = ws::Endpoint::parse("ws://127.0.0.1:8080/feed").map_err(Stop::usage)?;
//! let stream = Dialer::default().dial(&endpoint.addr).map_err(|e| e.into_stop(&endpoint.shown))?;
//! let request = ws::Request::new(&endpoint);
//! let Ok(mut socket) = ws::shake(stream, &request, ws::Options::default(), None) else {
//!     return Err(Stop::unreachable("refused"));
//! };
//! let mut out = Backlog::new(Output::stdout()?);
//! loop {
//!     match socket.receive(&mut out, None, None)? {
//!         ws::Received::Message(_) => {
//!             out.buffer().extend_from_slice(socket.data());
//!             out.end_record()?;
//!         }
//!         ws::Received::Closed(closed) => {
//!             out.flush()?;
//!             return Err(Stop::unreachable(closed));
//!         }
//!         _ => {}
//!     }
//! }
//! # }
//! ```

mod answer;
mod body;
mod breach;
mod clock;
mod closed;
mod deflate;
mod endpoint;
mod frame;
mod handshake;
mod inbound;
mod message;
mod options;
mod outgoing;
mod phase;
mod refusal;
mod request;
mod socket;
mod step;

pub use closed::Closed;
pub use endpoint::Endpoint;
pub use handshake::{Failure, shake};
pub use message::{Kind, Message};
pub use options::Options;
pub use refusal::Refusal;
pub use request::Request;
pub use socket::Socket;
pub use step::{Received, Step};
