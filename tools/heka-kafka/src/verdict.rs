// SPDX-License-Identifier: MIT OR Apache-2.0
//! Interprets a broker's error for a message.

use heka_core::delivery::Refusal;
use rdkafka::error::RDKafkaErrorCode as Code;

/// The treatment of a message that was not stored.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It will never be stored, provided that the error concerns it alone: one invalid record makes
    /// the broker refuse its whole batch.
    Refuse(Refusal),
    /// It may be stored later.
    Again,
    /// The client has failed.
    Renew,
}

pub(crate) fn of(code: Code) -> Verdict {
    match code {
        Code::MessageSizeTooLarge => Verdict::Refuse(Refusal::TooLong),
        Code::InvalidRecord | Code::InvalidTimestamp | Code::InvalidTopic => {
            Verdict::Refuse(Refusal::Rejected)
        }
        Code::Fatal
        | Code::PurgeQueue
        | Code::PurgeInflight
        | Code::GaplessGuarantee
        | Code::Inconsistent
        | Code::OutOfOrderSequenceNumber
        | Code::UnknownProducerId
        | Code::InvalidProducerEpoch
        | Code::Fenced => Verdict::Renew,
        _ => Verdict::Again,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_be_stored_later_is_kept() {
        assert_eq!(of(Code::TopicAuthorizationFailed), Verdict::Again);
        assert_eq!(of(Code::NotEnoughReplicas), Verdict::Again);
        assert_eq!(of(Code::MessageSizeTooLarge), Verdict::Refuse(Refusal::TooLong));
        assert_eq!(of(Code::OutOfOrderSequenceNumber), Verdict::Renew);
    }
}
