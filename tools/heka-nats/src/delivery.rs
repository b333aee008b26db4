// SPDX-License-Identifier: MIT OR Apache-2.0
//! The metadata of a message that the server delivers from a stream.

use crate::protocol::Incoming;

/// The origin of a message.
pub(crate) struct Delivery<'a> {
    /// The subject for its acknowledgement.
    pub(crate) reply: &'a str,
    pub(crate) sequence: u64,
    /// Number of messages after it.
    pub(crate) pending: u64,
}

impl<'a> Delivery<'a> {
    /// Parses the metadata; `None` if the message is not from a stream. The reply is
    /// `$JS.ACK.STREAM.CONSUMER.TRIES.SEQUENCE.NUMBER.TIME.PENDING`, with a domain and an account
    /// after `ACK` in newer servers.
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
