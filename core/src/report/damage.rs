// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damage of streams, as all tools report it.

use std::fmt::Display;

use super::{repeated, stats};
use crate::record::Damage;

/// Warns of damage in the file, or input, of that name and counts it; `true` if something is lost,
/// which is for the exit status.
pub fn damage(name: impl Display + Copy, damage: &Damage<'_>) -> bool {
    tell(format_args!("{name}: {}", damage.kind()), name, damage)
}

/// The same for one of many peers.
pub fn damage_of_peer(name: impl Display, damage: &Damage<'_>) -> bool {
    tell(damage.kind(), name, damage)
}

fn tell(kind: impl Display, name: impl Display, damage: &Damage<'_>) -> bool {
    if damage.is_loss() {
        stats::skip(stats::Skip::Damaged, 1);
    }
    repeated(kind, format_args!("{name}: {damage}"));
    damage.is_loss()
}
