// SPDX-License-Identifier: MIT OR Apache-2.0
//! Sockets: addresses, connecting, listening, TLS.
//!
//! [`Addr`] is what a user types. A [`Dialer`] turns it into a connected [`Stream`], a [`Listener`]
//! is bound to it, [`Redial`] reconnects. Their flags are in [`args`], the same for all tools.

mod addr;
mod bypass;
mod datagram;
mod dial;
mod dial_error;
pub mod exec;
mod fault;
mod itself;
mod listen;
mod poller;
mod proxy;
mod ready;
pub mod redial;
mod resolve;
mod socks;
mod stdio;
mod stream;
#[cfg(feature = "tls")]
pub mod tls;
mod unix;
mod waiting;
#[cfg(feature = "ws")]
pub mod ws;

pub use addr::{Addr, HostPort, Scheme, UnixName, parse_addr};
pub use datagram::{dropped_datagrams, set_receive_buffer};
pub use dial::{Dialer, Settings};
pub use dial_error::DialError;
pub use fault::{Fault, FaultKind, put_faults};
pub use itself::refuse_itself_in_libraries;
pub use listen::{Accepted, ListenOptions, Listener, inherited, inherited_sockets};
pub use poller::{Interest, Poller, Ready};
pub use proxy::Proxy;
pub use ready::{ReadyFd, parse_ready_fd};
pub use redial::{Backoff, Loss, Redial, Retries, retry_after};
pub use resolve::{Family, resolve};
pub use stdio::stdio;
pub use stream::Stream;
pub use waiting::{peek_at, unacknowledged_len, waiting_len};
