// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the transports to brokers share: they take messages from heka-send and tell it what is
//! stored, or give messages to heka-listen and hear what is written (heka-transport(7)).

mod address;
mod answers;
mod convert;
mod outbox;
mod place;
mod source;

pub use address::{Form, From, parse_form, parse_from, parse_hosts, parse_switch};
pub use answers::Answers;
pub use convert::{Converter, Origin};
pub use outbox::Outbox;
pub use place::Place;
pub use source::{Source, each_frame};
