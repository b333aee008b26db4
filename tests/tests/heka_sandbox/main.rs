// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-sandbox with plugins of every kind.

mod checkpoints;
mod decoders;
mod limits;
mod modules;
mod page;
mod plugins;
