// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-decode as its users meet it.

mod files;
