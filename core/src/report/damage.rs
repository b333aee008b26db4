// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reports damage in streams, with the same wording in all tools.

use std::fmt::Display;

use super::{repeated, stats};
use crate::record::Damage;

/// Warns of damage in the file or input `name` and counts it; returns whether data is lost, for the
/// exit status.
pub fn damage(name: impl Display + Copy, damage: &Damage<'_>) -> bool {
    tell(format_args!("{name}: {}", damage.kind()), format_args!("{name}: {damage}"), damage)
}

/// Like [`damage`], for one of many peers.
pub fn damage_of_peer(name: impl Display, damage: &Damage<'_>) -> bool {
    tell(damage.kind(), format_args!("{name}: {damage}"), damage)
}

/// Like [`damage`], for a peer whose connection is closed because of it.
pub fn last_damage_of_peer(name: impl Display, damage: &Damage<'_>) -> bool {
    tell(damage.kind(), format_args!("{name}: {damage}; connection closed"), damage)
}

/// Warns of damage that a peer is going to resend, so that nothing is lost.
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
