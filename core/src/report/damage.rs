// SPDX-License-Identifier: MIT OR Apache-2.0
//! Damage of streams, as all tools report it.

use std::fmt::Display;

use super::{repeated, stats};
use crate::record::Damage;

/// Warns of damage in the file, or input, of that name and counts it; `true` if something is lost,
/// which is for the exit status.
pub fn damage(name: impl Display + Copy, damage: &Damage<'_>) -> bool {
    tell(format_args!("{name}: {}", damage.kind()), format_args!("{name}: {damage}"), damage)
}

/// The same for one of many peers.
pub fn damage_of_peer(name: impl Display, damage: &Damage<'_>) -> bool {
    tell(damage.kind(), format_args!("{name}: {damage}"), damage)
}

/// The same for a peer whose connection is closed for it.
pub fn last_damage_of_peer(name: impl Display, damage: &Damage<'_>) -> bool {
    tell(damage.kind(), format_args!("{name}: {damage}; connection closed"), damage)
}

/// Warns of damage that a peer is going to send again: nothing is lost.
pub fn damage_to_be_mended(name: impl Display, damage: &Damage<'_>) {
    repeated(damage.kind(), format_args!("{name}: {damage}, to be sent again"));
}

fn tell(kind: impl Display, text: impl Display, damage: &Damage<'_>) -> bool {
    if damage.is_loss() {
        stats::skip(stats::Skip::Damaged, 1);
    }
    repeated(kind, text);
    damage.is_loss()
}
