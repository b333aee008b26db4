// SPDX-License-Identifier: MIT OR Apache-2.0
//! The common parts of the transports to brokers. They read messages from heka-send and report what
//! is stored, or give messages to heka-listen and learn what is written (heka-transport(7)).

mod address;
mod answers;
mod convert;
mod form;
mod handover;
pub mod numbers;
mod outbox;
mod place;
mod source;

pub use address::{From, Options, Parts, Scheme, parse_path, parse_text};
use answers::Answers;
pub use convert::{Converter, Origin};
pub use form::Form;
pub use handover::Handover;
pub use outbox::{Outbox, Settled};
pub use place::Place;
pub use source::{Source, each_frame};
