// SPDX-License-Identifier: MIT OR Apache-2.0
//! What the server says of a message that it delivers from a stream.

use crate::protocol::Incoming;

/// Where a message comes from.
pub(crate) struct Delivery<'a> {
    /// What it is acknowledged with.
    pub(crate) reply: &'a str,
    pub(crate) sequence: u64,
    /// How many there are behind it.
    pub(crate) pending: u64,
}

impl<'a> Delivery<'a> {
    /// `None` if it is not of a stream. The reply is
    /// `$JS.ACK.STREAM.CONSUMER.TRIES.SEQUENCE.NUMBER.TIME.PENDING`, and in newer servers has a
    /// domain and an account behind `ACK`.
    pub(crate) fn of(message: &Incoming<'a>) -> Option<Self> {
        let reply = message.reply.filter(|reply| reply.starts_with("$JS.ACK."))?;
        let tokens: Vec<&str> = reply.split('.').collect();
        let at = if tokens.len() > 9 { 7 } else { 5 };
        let number = |at: usize| tokens.get(at).and_then(|token| token.parse().ok());
        Some(Self { reply, sequence: number(at)?, pending: number(at + 3).unwrap_or(0) })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reply_says_where_a_message_was() {
        for reply in ["$JS.ACK.S.c.1.7.3.1700000000.42", "$JS.ACK._.hash.S.c.1.7.3.1700000000.42.x"]
        {
            let message = Incoming { subject: "s", reply: Some(reply), headers: b"", payload: b"" };
            let delivery = Delivery::of(&message).unwrap();
            assert_eq!((delivery.sequence, delivery.pending), (7, 42), "{reply}");
        }
        let other = Incoming { subject: "s", reply: Some("_INBOX.x"), headers: b"", payload: b"" };
        assert!(Delivery::of(&other).is_none());
    }
}
