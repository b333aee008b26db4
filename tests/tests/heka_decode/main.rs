// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-decode in use.

mod files;
