// SPDX-License-Identifier: MIT OR Apache-2.0
//! No loss between the ends: acknowledgements, queue, faults.

mod acknowledgements;
mod confirmations;
mod files;
mod queue;
mod refusals;
mod relay;
mod soak;
mod strangers;
