// SPDX-License-Identifier: MIT OR Apache-2.0
//! Times in every form.

use jiff::Timestamp;
use jiff::tz::TimeZone;
use proptest::prelude::*;

use super::Times;

/// 2016-05-24T12:00:00Z.
const NOW: i64 = 1_464_091_200_000_000_000;

fn parse(format: &str, text: &str) -> Option<String> {
    let times =
        Times::new(Some(format).filter(|format| !format.is_empty()), TimeZone::UTC, None).unwrap();
    shown(times.read(text.as_bytes(), NOW))
}

fn shown(time: Option<i64>) -> Option<String> {
    Some(Timestamp::from_nanosecond(i128::from(time?)).unwrap().to_string())
}

fn ns(text: &str) -> i64 {
    i64::try_from(text.parse::<Timestamp>().unwrap().as_nanosecond()).unwrap()
}

#[test]
fn every_standard_layout_reads_its_own_times() {
    for (format, text, time) in [
        ("ANSIC", "Mon Jan  2 15:04:05 2006", "2006-01-02T15:04:05Z"),
        ("UnixDate", "Mon Jan  2 15:04:05 MST 2006", "2006-01-02T22:04:05Z"),
        ("RubyDate", "Mon Jan 02 15:04:05 -0700 2006", "2006-01-02T22:04:05Z"),
        ("RFC822", "02 Jan 06 15:04 UTC", "2006-01-02T15:04:00Z"),
        ("RFC822Z", "02 Jan 06 15:04 -0700", "2006-01-02T22:04:00Z"),
        ("RFC850", "Monday, 02-Jan-06 15:04:05 GMT", "2006-01-02T15:04:05Z"),
        ("RFC1123", "Mon, 02 Jan 2006 15:04:05 GMT", "2006-01-02T15:04:05Z"),
        ("RFC1123Z", "Mon, 02 Jan 2006 15:04:05 +0200", "2006-01-02T13:04:05Z"),
        ("RFC3339", "2006-01-02T15:04:05+02:00", "2006-01-02T13:04:05Z"),
        ("RFC3339Nano", "2006-01-02T15:04:05.123456789Z", "2006-01-02T15:04:05.123456789Z"),
        ("Kitchen", "3:04PM", "2016-05-24T15:04:00Z"),
        ("Stamp", "Jan  2 15:04:05", "2016-01-02T15:04:05Z"),
        ("StampMilli", "Jan  2 15:04:05.123", "2016-01-02T15:04:05.123Z"),
    ] {
        assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
        assert_eq!(parse("", text).as_deref(), Some(time), "any layout for {format}");
    }
}

#[test]
fn layouts_and_formats_of_one_s_own() {
    for (format, text, time) in [
        ("02/Jan/2006:15:04:05 -0700", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
        ("2006-01-02 15:04:05,000", "2016-05-24 01:02:03,456", "2016-05-24T01:02:03.456Z"),
        ("2006/1/2 3:04:05 PM", "2016/5/4 1:02:03 PM", "2016-05-04T13:02:03Z"),
        ("%d/%b/%Y:%H:%M:%S %z", "10/Oct/2000:13:55:36 -0700", "2000-10-10T20:55:36Z"),
        ("Epoch", "1464091200", "2016-05-24T12:00:00Z"),
        ("Epoch", "1464091200.5", "2016-05-24T12:00:00.5Z"),
        ("EpochMilli", "1464091200123.4567899", "2016-05-24T12:00:00.123456789Z"),
        ("EpochMicro", "1464091200000001", "2016-05-24T12:00:00.000001Z"),
        ("EpochNano", "1464091200000000001", "2016-05-24T12:00:00.000000001Z"),
    ] {
        assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
    }
    for nothing in ["soon", "", "-", ".", "-."] {
        assert_eq!(parse("Epoch", nothing), None, "{nothing}");
    }
    assert_eq!(parse("", "yesterday"), None);
    let new = |format, zone| Times::new(Some(format), zone, None);
    assert!(new("nonsense", TimeZone::UTC).is_err());
    assert!(new("%!", TimeZone::UTC).is_err());
}

#[test]
fn no_part_of_a_time_is_passed_over() {
    for (format, text, time) in [
        ("%j %Y %H", "145 2016 12", "2016-05-24T12:00:00Z"),
        ("%G-W%V-%u %H", "2016-W21-2 12", "2016-05-24T12:00:00Z"),
        ("2006 002 15:04", "2016 145 12:00", "2016-05-24T12:00:00Z"),
        ("2006 __2 15:04", "2016  45 12:00", "2016-02-14T12:00:00Z"),
        ("2006-01-02 15:04-07", "2016-05-24 12:00-07", "2016-05-24T19:00:00Z"),
        ("2006-01-02 15:04Z07", "2016-05-24 12:00Z", "2016-05-24T12:00:00Z"),
        ("2006-01-02 15:04Z07", "2016-05-24 12:00+02", "2016-05-24T10:00:00Z"),
        ("02 Jan 2006 15:04Z07:00", "24 MAY 2016 12:00+02:00", "2016-05-24T10:00:00Z"),
        ("15:04 MST, Mon 02 Jan 2006", "12:00 EST, TUE 24 MAY 2016", "2016-05-24T17:00:00Z"),
        ("Jan 2, 2006 15:04:05,000", "May 4, 2016 01:02:03,456", "2016-05-04T01:02:03.456Z"),
        ("2006,01,02,15:04:05,000", "2016,05,04,01:02:03,456", "2016-05-04T01:02:03.456Z"),
        ("02.01.2006 15:04", "24.05.2016 12:00", "2016-05-24T12:00:00Z"),
        ("2006,01,02,15:04:05", "2016,05,04,01:02:03", "2016-05-04T01:02:03Z"),
    ] {
        assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
    }
}

#[test]
fn an_offset_in_figures_counts_whatever_name_stands_beside_it() {
    for (format, text) in [
        ("2006-01-02 15:04:05 -0700 MST", "2016-05-24 14:00:00 +0200 CEST"),
        ("Mon, 02 Jan 2006 15:04:05 -0700 (MST)", "Tue, 24 May 2016 14:00:00 +0200 (CEST)"),
        ("%Y-%m-%d %H:%M:%S %z %Z", "2016-05-24 14:00:00 +0200 CEST"),
        ("", "2016-05-24 14:00:00 +0200 CEST"),
        ("", "Tue, 24 May 2016 14:00:00 +0200 (CEST)"),
        ("", "Tue May 24 2016 14:00:00 GMT+0200 (Central European Summer Time)"),
        ("", "2016-05-24T14:00:00+02:00[Europe/Berlin]"),
        // As Go prints a time.
        ("", "2016-05-24 14:00:00 +0200 CEST m=+0.001200301"),
        ("", "2016-05-25 01:00:00 +1300 NZDT"),
        ("", "2016-05-24 15:00:00 +0300 +03"),
        ("", "2016-05-24 09:00:00 -0300 -03 m=-12.5"),
    ] {
        assert_eq!(parse(format, text).as_deref(), Some("2016-05-24T12:00:00Z"), "{format} {text}");
    }
}

#[test]
fn what_is_accepted_can_be_read() {
    for (format, text, time) in [
        ("%a %d %b %Y %T %Z", "Tue 24 May 2016 12:00:01 UTC", "2016-05-24T12:00:01Z"),
        ("%c", "Tue May 24 12:00:01 2016", "2016-05-24T12:00:01Z"),
        ("%F %r", "2016-05-24 01:00:01 PM", "2016-05-24T13:00:01Z"),
        ("%x %X", "05/24/16 12:00:01", "2016-05-24T12:00:01Z"),
        ("%s", "1464091201", "2016-05-24T12:00:01Z"),
        ("%F %T%.f", "2016-05-24 12:00:01.25", "2016-05-24T12:00:01.25Z"),
        ("%F %T.%3f", "2016-05-24 12:00:01.250", "2016-05-24T12:00:01.25Z"),
        ("ISO8601", "2016-05-24 12:00:01,250", "2016-05-24T12:00:01.25Z"),
        ("rfc3339", "2016-05-24T12:00:01.25Z", "2016-05-24T12:00:01.25Z"),
    ] {
        assert_eq!(parse(format, text).as_deref(), Some(time), "{format}");
    }
}

#[test]
fn what_programs_write_is_read_without_a_format() {
    for (text, time) in [
        ("2016-05-24 12:00:01.155", "2016-05-24T12:00:01.155Z"),
        ("2016-05-24 12:00:01,155", "2016-05-24T12:00:01.155Z"),
        ("2016-05-24T12:00:01", "2016-05-24T12:00:01Z"),
        ("2016-05-24T12:00", "2016-05-24T12:00:00Z"),
        ("2016-05-24 12:00:01 +0100", "2016-05-24T11:00:01Z"),
        ("2016-05-24", "2016-05-24T00:00:00Z"),
        ("20160524T120001Z", "2016-05-24T12:00:01Z"),
        ("20160524 12:00:01.5", "2016-05-24T12:00:01.5Z"),
        ("20160524120001", "2016-05-24T12:00:01Z"),
        ("24/May/2016:12:00:01 +0200", "2016-05-24T10:00:01Z"),
        ("24/May/2016 12:00:01", "2016-05-24T12:00:01Z"),
        ("2016/05/24 12:00:01", "2016-05-24T12:00:01Z"),
        ("Tue May 24 12:00:01.902022 2016", "2016-05-24T12:00:01.902022Z"),
        ("24 May 2016 12:00:01.155", "2016-05-24T12:00:01.155Z"),
        ("24 May 12:00:01.155", "2016-05-24T12:00:01.155Z"),
        ("24-May-2016 12:00:01.155", "2016-05-24T12:00:01.155Z"),
        ("May 24 2016 12:00:01", "2016-05-24T12:00:01Z"),
        ("May 24, 2016 1:00:01 PM", "2016-05-24T13:00:01Z"),
        ("May 24, 2016, 1:00:01 PM", "2016-05-24T13:00:01Z"),
        ("2016 May 24 12:00:01", "2016-05-24T12:00:01Z"),
        ("0524 12:00:01.000123", "2016-05-24T12:00:01.000123Z"),
        ("160524 12:00:01", "2016-05-24T12:00:01Z"),
        ("24.05.2016 12:00:01", "2016-05-24T12:00:01Z"),
        ("12:00:01,155", "2016-05-24T12:00:01.155Z"),
        ("1464091201", "2016-05-24T12:00:01Z"),
        ("1464091201.25", "2016-05-24T12:00:01.25Z"),
        ("1464091201250", "2016-05-24T12:00:01.25Z"),
        ("1464091201250.5", "2016-05-24T12:00:01.2505Z"),
        ("1464091201250000", "2016-05-24T12:00:01.25Z"),
        ("1464091201250000001", "2016-05-24T12:00:01.250000001Z"),
        ("2016-12-31T23:59:60Z", "2016-12-31T23:59:59Z"),
    ] {
        assert_eq!(parse("", text).as_deref(), Some(time), "{text}");
    }
    for text in [
        "01/02/2006 15:04:05",
        "2016-02-30",
        "2016-05-24T25:00:00",
        "2016-05-24 12:00:01 and more",
        "2016-05-24 12:00:01 +0100 +02",
        "2016-05-24 12:00:01 +0100 CET m=+x",
        "13:00PM",
        "12345",
        "May",
        "0",
        "9999999999999999999",
    ] {
        assert_eq!(parse("", text), None, "{text}");
    }
}

#[test]
fn a_year_that_is_not_said_is_the_nearest() {
    let read = |text: &str, now: &str| shown(Times::default().read(text.as_bytes(), ns(now)));
    for (text, now, time) in [
        ("Dec 31 23:59:59", "2026-01-01T00:00:10Z", "2025-12-31T23:59:59Z"),
        ("Jan  1 00:00:05", "2025-12-31T23:59:59Z", "2026-01-01T00:00:05Z"),
        ("Mar  3 00:00:00", "2026-03-02T12:00:00Z", "2026-03-03T00:00:00Z"),
        ("Mar  5 00:00:00", "2026-03-02T12:00:00Z", "2025-03-05T00:00:00Z"),
        ("Feb 29 10:00:00", "2026-03-02T12:00:00Z", "2024-02-29T10:00:00Z"),
        ("Feb 29 10:00:00", "2024-03-02T12:00:00Z", "2024-02-29T10:00:00Z"),
        ("23:59:50", "2026-03-02T00:00:10Z", "2026-03-01T23:59:50Z"),
        ("00:00:05", "2026-03-01T23:59:55Z", "2026-03-02T00:00:05Z"),
    ] {
        assert_eq!(read(text, now).as_deref(), Some(time), "{text} at {now}");
    }
    let old = Times::new([], TimeZone::UTC, Some(2012)).unwrap();
    assert_eq!(shown(old.read(b"Feb 29 10:00:00", NOW)).as_deref(), Some("2012-02-29T10:00:00Z"));
}

#[test]
fn a_time_may_stand_in_front_of_text() {
    let times = Times::default();
    for (text, rest) in [
        ("2016-05-24 12:00:01,155 INFO x", " INFO x"),
        ("2016-05-24 12:00:01 AM I late", " I late"),
        ("2016-05-24T12:00:01Z message", " message"),
        ("2016-05-24 12:00:01 UTC [123] LOG:  x", " [123] LOG:  x"),
        ("May 24 12:00:01 2016 x", " x"),
        ("May 24 12:00:01 host x", " host x"),
        ("May 24 12:00:01 2024-host x", " 2024-host x"),
    ] {
        let found = times.read_front(text.as_bytes(), NOW).unwrap();
        assert_eq!(String::from_utf8_lossy(found.1), rest, "{text}");
    }
}

fn zone() -> impl Strategy<Value = TimeZone> {
    proptest::sample::select(
        &[
            "UTC",
            "Europe/Berlin",
            "America/New_York",
            "Australia/Lord_Howe",
            "Asia/Kolkata",
            "America/St_Johns",
            "Africa/Casablanca",
            "Pacific/Apia",
        ][..],
    )
    .prop_filter_map("not installed", |name| TimeZone::get(name).ok())
}

proptest! {
    /// Includes gaps and folds: the civil times come from jiff's own calendar.
    #[test]
    fn civil_times_are_what_jiff_makes_of_them(
        second in -2_000_000_000_i64..4_000_000_000,
        nanosecond in 0..1_000_000_000_i32,
        zone in zone(),
        form in 0..6_usize,
    ) {
        let time = Timestamp::new(second, 0).unwrap().to_zoned_datetime(TimeZone::UTC).datetime();
        let time = time.with().subsec_nanosecond(nanosecond).build().unwrap();
        let form = ["%Y-%m-%d %H:%M:%S%.9f", "%Y-%m-%dT%H:%M:%S%.9f", "%d/%b/%Y:%H:%M:%S%.9f",
            "%b %e %H:%M:%S%.9f %Y", "%a, %d %b %Y %H:%M:%S%.9f", "%Y/%m/%d %H:%M:%S%.9f"][form];
        let text = time.strftime(form).to_string();
        let expected = time.to_zoned_datetime(zone.clone()).unwrap().timestamp().as_nanosecond();
        let times = Times::new([], zone.clone(), None).unwrap();
        for _ in 0..2 {
            prop_assert_eq!(times.read(text.as_bytes(), NOW).map(i128::from), Some(expected), "{}", text);
        }
        let times = Times::new([form], zone, None).unwrap();
        prop_assert_eq!(times.read(text.as_bytes(), NOW).map(i128::from), Some(expected), "{}", text);
    }

    /// Covers the hours around each change of the clocks in order, as in a log.
    #[test]
    fn the_offset_that_is_kept_is_the_right_one(
        start in 1_700_000_000_i64..1_732_000_000,
        steps in prop::collection::vec(1_i64..2_000_000, 1..30),
        zone in zone(),
    ) {
        let times = Times::new([], zone.clone(), None).unwrap();
        let mut second = start;
        for step in steps {
            second += step;
            let civil = Timestamp::new(second, 0).unwrap().to_zoned_datetime(TimeZone::UTC).datetime();
            let expected = civil.to_zoned_datetime(zone.clone()).unwrap().timestamp().as_nanosecond();
            let text = civil.strftime("%Y-%m-%d %H:%M:%S").to_string();
            prop_assert_eq!(times.read(text.as_bytes(), NOW).map(i128::from), Some(expected), "{}", text);
        }
    }

    #[test]
    fn whatever_comes_is_read_or_not(text in "[0-9A-Za-z:/.,+ -]{0,40}", format in "[%a-zA-Z0-9 :./-]{0,12}") {
        let _any = Times::default().read(text.as_bytes(), NOW);
        if let Ok(times) = Times::new([format.as_str()], TimeZone::UTC, None) {
            let _any = times.read(text.as_bytes(), NOW);
        }
    }
}

#[test]
fn seconds_since_1970_take_a_fraction_and_do_not_overflow() {
    assert_eq!(parse("%s", "1700000000123").as_deref(), Some("2023-11-14T22:13:20.123Z"));
    assert_eq!(parse("%s", "999999999999999999"), Some("2001-09-09T01:46:39.999999999Z".into()));
    assert_eq!(parse("%s.%N", "1700000000.25").as_deref(), Some("2023-11-14T22:13:20.25Z"));
}

#[test]
fn what_follows_a_time_is_not_taken_for_part_of_it() {
    let times = Times::default();
    for (text, time, rest) in [
        ("0102 15:04:05.5    1987 f.go:4]", "2016-01-02T15:04:05.5Z", "    1987 f.go:4]"),
        ("Jan 12 10:14:15 pm-db1 sshd[12]: hi", "2016-01-12T10:14:15Z", " pm-db1 sshd[12]: hi"),
        ("Jan 12 10:14:15 pm2[12]: hi", "2016-01-12T10:14:15Z", " pm2[12]: hi"),
        ("Jan 12 10:14:15 am sshd[12]: hi", "2016-01-12T10:14:15Z", " am sshd[12]: hi"),
        ("Jan 12 10:14:15 MSK-SW1 a: hi", "2016-01-12T10:14:15Z", " MSK-SW1 a: hi"),
        ("Jan 12 10:14:15 2001-a b: hi", "2016-01-12T10:14:15Z", " 2001-a b: hi"),
        ("Mon Jan 12 10:14:15 2001 hi", "2001-01-12T10:14:15Z", " hi"),
        ("Jan 12 10:14:15 UTC 2001 hi", "2001-01-12T10:14:15Z", " hi"),
        ("Jan 12 10:14:15 UTC: hi", "2016-01-12T10:14:15Z", ": hi"),
        ("Mon Jan 12 03:14:15 PM UTC 2001 hi", "2001-01-12T15:14:15Z", " hi"),
        ("Jan 12, 2001 3:14:15 PM hi", "2001-01-12T15:14:15Z", " hi"),
    ] {
        let (found, behind) = times.read_front(text.as_bytes(), NOW).unwrap();
        assert_eq!(shown(Some(found)).as_deref(), Some(time), "{text}");
        assert_eq!(behind, rest.as_bytes(), "{text}");
    }
    for text in ["10.12.20.1 su: failed", "2016-01-02-x", "10.12.2016a"] {
        assert_eq!(times.read_front(text.as_bytes(), NOW), None, "{text}");
    }
}
