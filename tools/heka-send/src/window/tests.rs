// SPDX-License-Identifier: MIT OR Apache-2.0

use super::*;

fn with_records(keep: u64, records: &[&[u8]]) -> Window {
    let mut window = Window::starting_after(0, 1 << 20, keep);
    for record in records {
        window.buffer().extend_from_slice(record);
        window.end_record();
    }
    window
}

#[test]
fn a_record_cut_by_the_end_of_a_connection_is_written_again_whole() {
    let mut window = with_records(0, &[b"one", b"two", b"three"]);
    assert_eq!(window.unwritten(), b"onetwothree");
    window.written(8);
    window.acknowledge_bytes(4);
    assert_eq!((window.acknowledged(), window.unacknowledged()), (1, 2));
    window.rewind(false);
    assert_eq!(window.unwritten(), b"twothree");
    assert_eq!(window.written(8), 1);
    window.acknowledge_bytes(8);
    assert_eq!(window.unacknowledged(), 0);
}

#[test]
fn nothing_is_acknowledged_that_was_not_written() {
    let mut window = with_records(0, &[b"one", b"two"]);
    window.written(3);
    window.acknowledge_record(2);
    assert_eq!(window.acknowledged(), 1);
    window.acknowledge_bytes(100);
    assert_eq!(window.acknowledged(), 1);
}

#[test]
fn acknowledged_records_are_kept_for_a_broken_connection_only() {
    let mut window = with_records(6, &[b"one", b"two", b"three"]);
    window.written(11);
    window.acknowledge_record(3);
    window.rewind(true);
    assert_eq!(window.unwritten(), b"");
    window.rewind(false);
    assert_eq!(window.unwritten(), b"twothree");
    assert_eq!(window.acknowledged(), 1);
}

#[test]
fn datagrams_hold_whole_records() {
    let mut window = with_records(0, &[b"one", b"two", b"three"]);
    assert_eq!(window.unwritten_records(7, u64::MAX), b"onetwo");
    window.written(6);
    assert_eq!(window.unwritten_records(2, u64::MAX), b"three");
    window.written(5);
    assert_eq!(window.unwritten_records(9, u64::MAX), b"");
}

#[test]
fn runs_and_buffers_are_records_like_others() {
    let mut window = with_records(0, &[b"one"]);
    assert_eq!(window.push_run(b"twothree", &[3, 8]), 3);
    assert_eq!(window.push_buffer(&[4, 8], Err), None);
    assert_eq!(window.push_buffer(&[4, 8], |_| Ok(b"fourfive".to_vec())), Some(5));
    assert_eq!(window.push_run(b"six", &[3]), 6);
    assert_eq!(window.unwritten(), b"onetwothree");
    window.written(11);
    assert_eq!((window.written_until(), window.is_between_chunks()), (3, true));
    assert_eq!(window.unwritten(), b"fourfivesix");
    window.written(5);
    assert_eq!((window.written_until(), window.is_between_chunks()), (4, false));
    window.acknowledge_record(4);
    window.rewind(false);
    assert_eq!(window.unwritten(), b"fivesix");
    window.written(7);
    window.acknowledge_record(6);
    assert_eq!(window.unacknowledged(), 0);
}

#[test]
fn room_comes_back_and_chunks_are_let_go() {
    let mut window = Window::starting_after(0, CHUNK_SIZE as u64 * 3, 0);
    for round in 0..20u64 {
        while window.has_room() {
            window.buffer().extend_from_slice(&[7; 60_000]);
            window.end_record();
        }
        while window.has_unwritten() {
            let len = window.unwritten().len();
            window.written(len);
        }
        window.acknowledge_record(window.last());
        assert_eq!((window.unacknowledged(), window.chunks.len()), (0, 0), "round {round}");
    }
}

#[test]
fn what_is_refused_is_passed_over_once_and_kept_if_that_is_wanted() {
    let mut window = with_records(100, &[b"one", b"two", b"three", b"four"]);
    window.refusals = Refusals::keeping(true);
    window.written(15);
    window.refuse_records(3, 2);
    assert_eq!((window.acknowledged(), window.refusals.count()), (3, 2));
    // Records that are sent again are refused again.
    window.rewind(false);
    window.written(15);
    window.refuse_records(3, 2);
    assert_eq!((window.acknowledged(), window.refusals.count()), (3, 2));
    assert_eq!(window.refusals.take(), b"twothree");
    assert_eq!(window.refusals.take(), b"");
}

#[test]
fn what_a_peer_may_not_have_read_is_in_doubt() {
    for (keep, resent, doubt) in [(0, 0, 3), (6, 2, 1), (1 << 20, 3, 0)] {
        let mut window = with_records(keep, &[b"one", b"two", b"six", b"ten"]);
        window.written(9);
        window.acknowledge_bytes(9);
        assert_eq!(window.rewind(false), doubt, "{keep}");
        assert_eq!(window.to_repeat(), resent);
        assert_eq!(window.unacknowledged(), 1 + resent);
        // Reported only once.
        window.written(3);
        window.acknowledge_bytes(3);
        assert_eq!(window.rewind(true), 1);
    }
    // Data before the last megabytes has been read.
    let mut window = Window::starting_after(0, 1 << 30, 0);
    for _ in 0..20_000 {
        window.buffer().extend_from_slice(&[b'x'; 1000]);
        window.end_record();
        window.written(1000);
    }
    window.acknowledge_record(20_000);
    let doubt = window.rewind(false);
    assert!((8388..8800).contains(&doubt), "{doubt}");
}
