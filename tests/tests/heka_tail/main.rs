// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-tail in use: files of every kind, followed.

mod as_tail;
mod compressed;
mod follow;
mod frames;
mod habits;
mod kept;
mod links;
mod logrotate;
mod losses;
mod many;
mod messages;
mod model;
mod operands;
mod page;
mod rotation;
mod selection;
mod system;
