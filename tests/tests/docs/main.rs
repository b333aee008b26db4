// SPDX-License-Identifier: MIT OR Apache-2.0
//! The README and the documents.

mod house;
mod operations;
mod performance;
mod pictures;
mod readme;
mod readme_pipelines;
mod units;
mod upgrade;
mod words;
