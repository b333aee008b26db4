// SPDX-License-Identifier: MIT OR Apache-2.0
//! Ownership of numbered streams.
//!
//! The name of a stream is not secret: it is sent in clear text. So a sender creates a key pair
//! with the stream, and the first numbered frame of each connection carries a *claim*, signed with
//! the private key:
//!
//! ```text
//! public key   made at   sent so far   receiver heard last   signature
//!     32          8           8                16                64
//! ```
//!
//! The signature (Ed25519) covers everything before it, the stream's name and the number. A
//! receiver accepts a claim only if it is newer than the last one of the same key, so a recorded
//! claim is useless to an eavesdropper.

use std::sync::atomic::{AtomicU64, Ordering};

use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};
use zeroize::Zeroizing;

use crate::os::clock;
use crate::report::Stop;
use crate::wire::Header;

/// Size of a claim in bytes.
pub const CLAIM_SIZE: usize = SIGNED + 64;
const SIGNED: usize = 32 + 8 + 8 + 16;

/// Domain separation from other signatures.
const CONTEXT: &[u8] = b"heka-stream claim 1\0";

/// Used instead of a receiver's run if no receiver has answered yet.
pub const NOBODY: [u8; 16] = [0; 16];

/// The key that owns a stream.
#[derive(Debug)]
pub struct StreamKey {
    pair: Ed25519KeyPair,
    /// Time of the last claim.
    claimed: AtomicU64,
}

/// The contents of a claim.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Claim {
    /// The public key.
    pub owner: [u8; 32],
    /// Time of the claim, in nanoseconds since 1970; later than that of the previous one.
    pub at: u64,
    /// The highest number that was ever sent.
    pub sent: u64,
    /// The run of the receiver that last answered the sender, or [`NOBODY`].
    pub heard: [u8; 16],
}

impl StreamKey {
    /// Creates the key of a seed ([`random_seed`]).
    ///
    /// # Errors
    /// None in practice: every seed has a key.
    pub fn from_seed(seed: &[u8; 32]) -> Result<Self, Stop> {
        let pair = Ed25519KeyPair::from_seed_unchecked(seed)
            .map_err(|error| Stop::failed(format_args!("the key of the stream: {error}")))?;
        Ok(Self { pair, claimed: AtomicU64::new(0) })
    }

    /// Creates a claim for the next record, which follows number `sequence`. `sent` is the highest
    /// number that was ever sent, and `heard` the run of the receiver that last answered.
    pub fn claim(
        &self,
        stream_id: &[u8; 16],
        sequence: u64,
        sent: u64,
        heard: &[u8; 16],
    ) -> [u8; CLAIM_SIZE] {
        let now = u64::try_from(clock::now_ns()).unwrap_or(0);
        let at = now.max(self.claimed.load(Ordering::Relaxed) + 1);
        self.claimed.store(at, Ordering::Relaxed);
        let signed = [
            self.pair.public_key().as_ref(),
            at.to_be_bytes().as_slice(),
            sent.to_be_bytes().as_slice(),
            heard,
        ]
        .concat();
        let signature = self.pair.sign(&text(&signed, stream_id, sequence));
        let mut claim = [0; CLAIM_SIZE];
        let bytes = signed.iter().chain(signature.as_ref());
        claim.iter_mut().zip(bytes).for_each(|(to, from)| *to = *from);
        claim
    }
}

impl Claim {
    /// Reads the claim of a header; `None` if its signature is invalid.
    pub fn verified(header: &Header<'_>) -> Option<Self> {
        let (signed, signature) = header.claim?.split_at_checked(SIGNED)?;
        let (owner, rest) = signed.split_first_chunk()?;
        let (at, rest) = rest.split_first_chunk()?;
        let (sent, rest) = rest.split_first_chunk()?;
        let heard = rest.try_into().ok()?;
        let text = text(signed, header.stream_id?, header.sequence?);
        UnparsedPublicKey::new(&ED25519, owner).verify(&text, signature).ok()?;
        let (at, sent) = (u64::from_be_bytes(*at), u64::from_be_bytes(*sent));
        Some(Self { owner: *owner, at, sent, heard })
    }
}

fn text(signed: &[u8], stream_id: &[u8], sequence: u64) -> Vec<u8> {
    [CONTEXT, signed, &sequence.to_be_bytes(), stream_id].concat()
}

/// The seed of a stream's key. It is overwritten when it is no longer needed.
pub type Seed = Zeroizing<[u8; 32]>;

/// Creates the seed of a stream's key: 244 random bits.
pub fn random_seed() -> Seed {
    let mut seed = Seed::default();
    let halves = seed.chunks_exact_mut(16);
    halves.for_each(|half| half.copy_from_slice(&clock::random_uuid()));
    seed
}

#[cfg(test)]
mod tests {
    use super::*;

    fn header<'a>(stream_id: &'a [u8], claim: &'a [u8], number: u64) -> Header<'a> {
        let (stream_id, claim) = (Some(stream_id), Some(claim));
        Header { stream_id, sequence: Some(number), claim, ..Header::default() }
    }

    #[test]
    fn a_claim_is_of_one_key_one_stream_and_one_number() {
        let key = StreamKey::from_seed(&random_seed()).unwrap();
        let claim = key.claim(&[1; 16], 5, 7, &[2; 16]);
        let read = Claim::verified(&header(&[1; 16], &claim, 5)).unwrap();
        assert_eq!((read.sent, read.heard), (7, [2; 16]));
        assert_eq!(Claim::verified(&header(&[1; 16], &claim, 6)), None);
        assert_eq!(Claim::verified(&header(&[3; 16], &claim, 5)), None);
        for at in 0..CLAIM_SIZE {
            let mut other = claim;
            other[at] ^= 1;
            assert_eq!(Claim::verified(&header(&[1; 16], &other, 5)), None, "byte {at}");
            assert_eq!(Claim::verified(&header(&[1; 16], &claim[..at], 5)), None);
        }
        let next = Claim::verified(&header(&[1; 16], &key.claim(&[1; 16], 5, 7, &NOBODY), 5));
        assert!(next.unwrap().at > read.at);
    }

    #[test]
    fn the_frame_of_a_claim_fits_the_smallest_reader() {
        let key = StreamKey::from_seed(&random_seed()).unwrap();
        let claim = key.claim(&[1; 16], u64::MAX, u64::MAX, &NOBODY);
        let mut frame = Vec::new();
        crate::wire::put_frame(&mut frame, header(&[1; 16], &claim, u64::MAX), &[]).unwrap();
        assert!(frame.len() < 200);
    }
}
