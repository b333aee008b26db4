// SPDX-License-Identifier: MIT OR Apache-2.0

use heka_core::delivery::claim::StreamKey;
use heka_core::wire::{Deframer, More, Step, put_frame};

use super::*;
use crate::place::News;
use heka_core::delivery::Refusal;
use heka_core::delivery::checkpoint::{self, CheckpointFile};

/// A sender's stream.
struct Sender {
    id: Id,
    key: StreamKey,
    heard: Id,
}

impl Sender {
    fn new(name: u8) -> Self {
        let key = StreamKey::from_seed(&[name; 32]).unwrap();
        Self { id: [name; 16], key, heard: NOBODY }
    }

    /// Returns the frame that claims its stream after a record.
    fn claim(&self, before: u64, sent: u64) -> Vec<u8> {
        let claim = self.key.claim(&self.id, before, sent, &self.heard);
        frame(&self.id, Some(&claim), before)
    }
}

fn frame(id: &[u8], claim: Option<&[u8]>, number: u64) -> Vec<u8> {
    let (stream_id, sequence) = (Some(id), Some(number));
    let mut bytes = Vec::new();
    put_frame(&mut bytes, Header { stream_id, sequence, claim, ..Header::default() }, &[]).unwrap();
    bytes
}

/// Connects to the receiver of these streams.
impl Streams {
    fn connect(&mut self, peer: &str, first: &[u8]) -> Place {
        let mut place = Place::default();
        self.hear(&mut place, peer, first, 0);
        place
    }

    fn hear(&mut self, place: &mut Place, peer: &str, bytes: &[u8], offset: u64) {
        match Deframer::at(100, offset).next(bytes, More::Ended) {
            Step::Frame(_, frame) => assert_eq!(self.number(place, &frame, peer), None),
            other => panic!("{other:?}"),
        }
    }
}

/// Returns how many of the following records were accepted before.
fn follow(place: &mut Place, count: u64) -> u64 {
    place.count(count).map_or(0, |last| place.take(last, count))
}

fn news(place: &mut Place) -> Option<(u64, u64)> {
    place.news(None).map(|news| (news.number, news.count))
}

const HERE: &str = "192.0.2.1:5";

#[test]
fn a_number_is_taken_once_over_all_connections() {
    let mut streams = Streams::new(None);
    let sender = Sender::new(1);
    let mut first = streams.connect(HERE, &sender.claim(0, 0));
    assert_eq!(
        (follow(&mut first, 5), news(&mut first), news(&mut first)),
        (0, Some((5, 5)), None)
    );
    // Another connection repeats the last two, from anywhere, though the first still exists.
    let mut second = streams.connect("198.51.100.1:5", &sender.claim(3, 5));
    assert!(first.is_left() && !second.is_left());
    assert_eq!((follow(&mut second, 1), follow(&mut second, 3)), (1, 1));
    assert_eq!(news(&mut second), Some((7, 4)));
    assert!(!second.lose());
    // It is unknown whether the next record is the eighth.
    assert_eq!((follow(&mut second, 1), news(&mut second)), (0, None));
    assert!(second.is_over());
}

#[test]
fn nothing_is_acknowledged_behind_what_did_not_come() {
    let mut streams = Streams::new(None);
    let sender = Sender::new(1);
    let mut place = streams.connect(HERE, &sender.claim(0, 0));
    assert_eq!(follow(&mut place, 5), 0);
    streams.hear(&mut place, HERE, &frame(&sender.id, None, 7), 100);
    assert!(place.is_over());
    assert_eq!((news(&mut place), news(&mut place)), (Some((5, 5)), None));
    // A record that never arrives intact is finally refused, and only that one.
    for (sent, is_refused) in [(7, false), (7, true)] {
        let mut again = streams.connect(HERE, &sender.claim(5, sent));
        assert_eq!(again.lose(), is_refused);
    }
    let mut again = streams.connect(HERE, &sender.claim(6, 7));
    assert_eq!(follow(&mut again, 2), 0);
    assert_eq!((news(&mut again), again.lose()), (Some((8, 2)), false));
}

#[test]
fn what_is_refused_is_told_in_its_place() {
    let mut streams = Streams::new(None);
    let mut place = streams.connect(HERE, &Sender::new(1).claim(0, 0));
    for number in 1..=7 {
        assert_eq!(place.count(1), Some(number));
        match number {
            3 | 4 => place.refuse(number, Refusal::Signature),
            5 => place.refuse(number, Refusal::TooLong),
            _ => assert_eq!(place.take(number, 1), 0),
        }
    }
    let told: Vec<_> = std::iter::from_fn(|| place.news(None))
        .map(|News { number, count, refused, .. }| (number, count, refused))
        .collect();
    let (signature, too_long) = (Some(Refusal::Signature), Some(Refusal::TooLong));
    assert_eq!(told, [(2, 2, None), (4, 2, signature), (5, 1, too_long), (7, 2, None)]);
}

#[test]
fn who_only_knows_the_name_of_a_stream_changes_nothing_in_it() {
    let mut streams = Streams::new(None);
    let sender = Sender::new(1);
    let claim = sender.claim(0, 0);
    let mut first = streams.connect(HERE, &claim);
    assert_eq!(follow(&mut first, 5), 0);
    let forged = Sender { id: sender.id, ..Sender::new(2) };
    let mut wrong = claim.clone();
    wrong[100] ^= 1;
    for bytes in [frame(&sender.id, None, 1_000), claim, forged.claim(1_000, 2_000), wrong] {
        let mut stranger = streams.connect(HERE, &bytes);
        assert_eq!(follow(&mut stranger, 100), 0, "its own numbers");
        assert!(news(&mut stranger).is_some());
    }
    assert_eq!((follow(&mut first, 5), first.is_left()), (0, false));
    let mut again = streams.connect(HERE, &sender.claim(8, 10));
    assert_eq!(follow(&mut again, 3), 2);
}

#[test]
fn what_was_never_sent_was_never_taken() {
    let mut streams = Streams::new(None);
    let sender = Sender::new(1);
    assert_eq!(follow(&mut streams.connect(HERE, &sender.claim(0, 0)), 100), 0);
    // As from a copy of the queue that has continued elsewhere.
    let mut again = streams.connect(HERE, &sender.claim(10, 12));
    assert_eq!(follow(&mut again, 50), 2);
}

/// Somebody recorded a claim and replays it to a restarted receiver.
#[test]
fn what_a_stranger_repeats_first_does_not_count_for_a_sender_who_heard_another_receiver() {
    let mut streams = Streams::new(None);
    let mut sender = Sender::new(1);
    sender.heard = [9; 16];
    let claim = sender.claim(5, 5);
    assert_eq!(follow(&mut streams.connect(HERE, &claim), 100), 0);
    // Nothing was answered on that connection, so it may have been its own.
    assert_eq!(follow(&mut streams.connect(HERE, &sender.claim(5, 8)), 5), 3);
    assert_eq!(follow(&mut streams.connect(HERE, &sender.claim(6, 20)), 20), 0);
    sender.heard = streams.run;
    assert_eq!(follow(&mut streams.connect(HERE, &sender.claim(16, 30)), 20), 10);
}

#[test]
fn without_a_proof_a_stream_goes_on_once_its_connection_is_gone() {
    let mut streams = Streams::new(None);
    let mut first = streams.connect(HERE, &frame(&[1; 16], None, 0));
    assert_eq!(follow(&mut first, 5), 0);
    let mut second = streams.connect(HERE, &frame(&[1; 16], None, 3));
    assert_eq!(follow(&mut second, 2), 0, "the first is still there");
    drop((first, second));
    assert_eq!(follow(&mut streams.connect(HERE, &frame(&[1; 16], None, 3)), 4), 2);
    // Neither ahead of its end nor from elsewhere.
    assert_eq!(follow(&mut streams.connect(HERE, &frame(&[1; 16], None, 90)), 4), 0);
    assert_eq!(follow(&mut streams.connect("192.0.2.2:5", &frame(&[1; 16], None, 0)), 9), 0);
    assert_eq!(follow(&mut streams.connect(HERE, &frame(&[1; 16], None, 3)), 4), 4);
}

#[test]
fn numbers_do_not_run_ahead_of_the_bytes() {
    let mut streams = Streams::new(None);
    let mut place = streams.connect(HERE, &Sender::new(1).claim(0, 0));
    assert_eq!(follow(&mut place, 5), 0);
    streams.hear(&mut place, HERE, &frame(&[1; 16], None, 1_000_000), 999);
    assert_eq!((follow(&mut place, 1), news(&mut place)), (0, Some((5, 5))));
    streams.hear(&mut place, HERE, &frame(&[1; 16], None, 6), 1_100);
    assert_eq!((follow(&mut place, 1), news(&mut place)), (0, Some((7, 2))));
    // More was counted than there was.
    assert_eq!(follow(&mut place, 3), 0);
    streams.hear(&mut place, HERE, &frame(&[1; 16], None, 8), 1_200);
    assert_eq!(follow(&mut place, 5), 0);
}

#[test]
fn very_many_streams_take_no_more_memory_and_make_none_of_others_forgotten() {
    let mut streams = Streams::new(None);
    let (kept, live) = (Sender::new(1), Sender::new(2));
    assert_eq!(follow(&mut streams.connect("192.0.2.9:1", &kept.claim(0, 0)), 5), 0);
    let mut held = streams.connect(HERE, &live.claim(0, 0));
    assert_eq!(follow(&mut held, 5), 0);
    for number in 1..3 * MOST as u128 {
        let id = (number << 64).to_be_bytes();
        let mut place = streams.connect(HERE, &frame(&id, None, 0));
        assert_eq!(follow(&mut place, 1), 0);
    }
    assert!(streams.known.len() <= MOST + 1);
    assert_eq!(follow(&mut streams.connect("192.0.2.9:2", &kept.claim(3, 5)), 5), 2);
    assert_eq!(follow(&mut streams.connect(HERE, &live.claim(3, 5)), 5), 2);
}

#[test]
fn one_connection_is_one_stream() {
    let mut streams = Streams::new(None);
    let mut place = Place::default();
    for number in 1..1000_u128 {
        streams.hear(&mut place, HERE, &frame(&number.to_be_bytes(), None, 0), 0);
    }
    assert_eq!(streams.known.len(), 1);
}

#[test]
fn who_is_refused_very_much_and_does_not_listen_is_not_listened_to() {
    let mut streams = Streams::new(None);
    let mut place = streams.connect(HERE, &Sender::new(1).claim(0, 0));
    // Consecutive refusals are one, and repeated ones are none.
    for number in (1..=100_000).chain(1..=100_000) {
        place.refuse(number, Refusal::Signature);
    }
    for number in 1..2048 {
        place.refuse(100_000 + 2 * number, Refusal::Signature);
    }
    assert!(!place.is_over());
    place.refuse(200_000, Refusal::Signature);
    assert!(place.is_over());
    // All of it is sent.
    let told = std::iter::from_fn(|| place.news(None)).filter(|news| news.refused.is_some());
    assert_eq!(told.map(|news| news.count).sum::<u64>(), 100_000 + 2048);
}

#[test]
fn half_of_an_address_is_the_network() {
    assert_eq!(&*network("[2001:db8:1:2:3:4:5:6]:7"), "2001:db8:1:2::");
    assert_eq!(&*network("192.0.2.7:7"), "192.0.2.7");
    assert_eq!(&*network("unix"), "unix");
}

/// The file committed by later stages.
struct Committed(tempfile::NamedTempFile);

impl Committed {
    fn streams(&self) -> Streams {
        Streams::new(Some(Relay::open(self.0.path()).unwrap()))
    }

    /// Commits the last record counted on a connection.
    fn commit(&self, place: &Place) {
        self.store(&checkpoint_of(place));
    }

    fn store(&self, checkpoint: &[u8]) {
        let mut file = CheckpointFile::open(self.0.path()).unwrap();
        let (source, position) = checkpoint::decode_header(checkpoint).unwrap();
        file.set(source, position);
        file.save().unwrap();
    }
}

fn checkpoint_of(place: &Place) -> Vec<u8> {
    let mut checkpoint = Vec::new();
    assert!(place.put_position(&mut checkpoint));
    checkpoint
}

impl Streams {
    fn relayed(&mut self, place: &mut Place) -> Option<(u64, u64)> {
        let relay = self.relay_mut().unwrap();
        while Instant::now() < relay.due() {}
        relay.look();
        // The first news may be only a greeting.
        place.news(self.relay()).filter(|news| news.count > 0).map(|news| (news.number, news.count))
    }
}

#[test]
fn what_was_delivered_is_known_after_a_restart_and_only_to_its_sender() {
    let committed = Committed(tempfile::NamedTempFile::new().unwrap());
    let mut streams = committed.streams();
    let mut sender = Sender::new(1);
    let claim = sender.claim(0, 0);
    let mut place = streams.connect(HERE, &claim);
    assert_eq!((follow(&mut place, 5), streams.relayed(&mut place)), (0, None));
    committed.commit(&place);
    assert_eq!((follow(&mut place, 2), streams.relayed(&mut place)), (0, Some((5, 5))));
    sender.heard = place.repeat().unwrap().run;

    let mut streams = committed.streams();
    // Somebody who replays earlier frames gets separate numbers.
    let mut stranger = streams.connect(HERE, &claim);
    assert_eq!(follow(&mut stranger, 7), 0);
    // As if the sender had missed some answers: two records are known, two are not.
    let mut place = streams.connect(HERE, &sender.claim(3, 7));
    assert_eq!((follow(&mut place, 4), streams.relayed(&mut place)), (2, Some((5, 2))));
    committed.commit(&place);
    assert_eq!(streams.relayed(&mut place), Some((7, 2)));
}

#[test]
fn numbers_that_stand_for_other_records_now_were_not_delivered() {
    let committed = Committed(tempfile::NamedTempFile::new().unwrap());
    let mut streams = committed.streams();
    let sender = Sender::new(1);
    let mut place = streams.connect(HERE, &sender.claim(0, 0));
    assert_eq!(follow(&mut place, 5), 0);
    committed.commit(&place);
    assert_eq!((streams.relayed(&mut place), follow(&mut place, 5)), (Some((5, 5)), 0));
    // As from a copy of the queue: it never sent the records in transit.
    let on_its_way = checkpoint_of(&place);
    let mut again = streams.connect(HERE, &sender.claim(5, 7));
    committed.store(&on_its_way);
    assert_eq!((follow(&mut again, 5), streams.relayed(&mut again)), (0, None));
    committed.commit(&again);
    assert_eq!(streams.relayed(&mut again), Some((10, 5)));
}
