// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares the forms with the output of cf itself, and with each other.

use bytes::Bytes;
use serde_json::{Value as Json, json};

use super::*;
use crate::envelope::{Kind, Member, Stream, Value, read_batch};

fn log(payload: &'static [u8], stream: Stream) -> Envelope {
    Envelope {
        timestamp: 1_467_244_800_019_999_999,
        source_id: Some("app".into()),
        source_type: Some("APP/PROC/WEB".into()),
        instance: Some("0".into()),
        content: Content::Log { payload: payload.into(), stream },
        ..Envelope::default()
    }
}

fn written(mut form: Form, envelope: &Envelope) -> String {
    let mut out = Vec::new();
    form.put(&mut out, envelope, None);
    String::from_utf8_lossy(&out).into_owned()
}

fn text(change: impl FnOnce(&mut Text)) -> Text {
    let mut text = Text::new(TimeZone::UTC);
    change(&mut text);
    text
}

#[test]
fn text_repeats_the_header_and_ends_no_line_twice() {
    let form = || Form::Text(text(|_| ()));
    let head = "2016-06-30T00:00:00.01+0000 [APP/PROC/WEB/0]";
    assert_eq!(
        written(form(), &log(b"one\ntwo\r\n", Stream::Out)),
        format!("{head} OUT one\n{head} OUT two\n")
    );
    assert_eq!(written(form(), &log(b"", Stream::Err)), format!("{head} ERR \n"));
}

#[test]
fn cf_s_own_style_is_indented_coloured_and_has_the_empty_line() {
    let head = "2016-06-30T00:00:00.01+0000 [APP/PROC/WEB/0]";
    let form = Form::Text(text(|text| (text.exactly_cf, text.color) = (true, true)));
    assert_eq!(
        written(form, &log(b"x\n", Stream::Err)),
        format!("   \x1b[31m{head} ERR x\x1b[0m\n   \x1b[31m{head} ERR \x1b[0m\n")
    );
}

#[test]
fn cf_6_s_style_keeps_the_text_in_a_column() {
    let mut envelope = log(b"one\ntwo\r\n\r\n", Stream::Out);
    assert_eq!(
        written(Form::Cf6(text(|_| ())), &envelope),
        format!(
            "2016-06-30T00:00:00.01+0000 [APP/PROC/WEB/0]OUT one\n{}two\n",
            " ".repeat("2016-06-30T00:00:00.01+0000 [APP/PROC/WEB/0]".len())
        )
    );
    envelope.source_type = Some("App".into());
    assert_eq!(
        written(Form::Cf6(text(|_| ())), &envelope),
        format!("2016-06-30T00:00:00.01+0000 [App/0]      OUT one\n{}two\n", " ".repeat(41))
    );
}

#[test]
fn a_terminal_is_not_touched_by_what_apps_write() {
    let form = Form::Text(text(|text| text.harmless = true));
    assert!(written(form, &log(b"\x1b[2Jx", Stream::Out)).ends_with("OUT \\u{1b}[2Jx\n"));
}

#[test]
fn times_before_1970_and_in_other_zones_are_right() {
    let zone = parse_zone("Asia/Kolkata").unwrap();
    let mut envelope = log(b"x", Stream::Out);
    assert!(
        written(Form::Text(Text::new(zone)), &envelope).starts_with("2016-06-30T05:30:00.01+0530")
    );
    envelope.timestamp = -1;
    assert!(
        written(Form::Text(text(|_| ())), &envelope).starts_with("1969-12-31T23:59:59.99+0000")
    );
    assert!(parse_zone("Mars").is_err());
}

#[test]
fn payloads_get_a_line_end_or_a_nul() {
    assert_eq!(written(Form::Payload(b'\n'), &log(b"a\n", Stream::Out)), "a\n");
    assert_eq!(written(Form::Payload(b'\n'), &log(b"a", Stream::Out)), "a\n");
    assert_eq!(written(Form::Payload(0), &log(b"a\n", Stream::Out)), "a\n\0");
}

#[test]
fn json_has_full_precision_and_tells_bytes_from_text() {
    let read = |envelope: &Envelope| -> Json {
        serde_json::from_str(&written(Form::Json, envelope)).unwrap()
    };
    assert_eq!(
        read(&log(b"he\"y", Stream::Err)),
        json!({"time": "2016-06-30T00:00:00.019999999Z", "timestamp": "1467244800019999999",
            "event_type": "log", "message": "he\"y", "message_type": "ERR", "stream": "err",
            "severity": 3, "app_id": "app", "source_type": "APP/PROC/WEB", "source_instance": "0"})
    );
    assert_eq!(read(&log(b"\xff", Stream::Out))["message_base64"], "/w==");
}

#[test]
fn metrics_keep_their_values_in_every_form() {
    let batch = read_batch(
        br#"{"batch":[{"timestamp":"1","source_id":"s","tags":{"origin":"rep"},"gauge":{"metrics":{"cpu":{"unit":"percentage","value":0.25},"n":{"value":"NaN"}}}},
        {"source_id":"s","timer":{"name":"http","start":"1","stop":"12345679"}},
        {"source_id":"s","counter":{"name":"c","delta":"5","total":"18446744073709551615"}}]}"#,
    );
    let [gauge, timer, counter] = &batch.unwrap().envelopes[..] else { panic!() };
    let json: Json = serde_json::from_str(&written(Form::Json, gauge)).unwrap();
    assert_eq!(json["gauge"]["cpu"], json!({"value": 0.25, "unit": "percentage"}));
    assert_eq!(json["gauge"]["n"]["value"], "NaN");
    assert!(
        written(Form::Text(text(|_| ())), gauge)
            .ends_with("[s] GAUGE cpu:0.250000 percentage n:NaN\n")
    );
    assert!(written(Form::Text(text(|_| ())), timer).ends_with("[s] TIMER http 12.345678 ms\n"));
    let message = heka::message(gauge);
    assert_eq!(message.r#type.as_deref(), Some(b"CfGauge".as_slice()));
    assert_eq!(message.logger.as_deref(), Some(b"rep".as_slice()));
    assert_eq!(message.fields[0].representation.as_deref(), Some(b"percentage".as_slice()));
    let message = heka::message(counter);
    let total =
        message.fields.iter().find(|field| field.name.as_deref() == Some(b"total")).unwrap();
    assert_eq!(total.value_string[0], "18446744073709551615");
}

#[test]
fn heka_messages_follow_the_table() {
    let mut envelope = log(b"bad \xff\r\n", Stream::Err);
    envelope.tags = [("organization_name", "my org"), ("app_name", "do.ra")]
        .map(|(name, value)| (Bytes::from(name), Bytes::from(value)))
        .to_vec();
    let message = heka::message(&envelope);
    assert_eq!(message.payload.as_deref(), Some("bad \u{fffd}".as_bytes()));
    assert_eq!(message.fields[0].value_bytes[0], b"bad \xff\r\n".as_slice());
    assert_eq!(message.hostname.as_deref(), Some(b"my-org.dora".as_slice()));
    assert_eq!((message.severity, message.pid), (Some(3), Some(0)));
    assert_eq!(message.timestamp, Some(envelope.timestamp));
    let envelope = Envelope {
        source_id: Some("guid".into()),
        content: Content::Other(
            Kind::Http,
            vec![
                Member::text("forwarded", "a"),
                Member::text("forwarded", "b"),
                Member::new("n", Value::Int(1)),
            ],
        ),
        ..Envelope::default()
    };
    let message = heka::message(&envelope);
    assert_eq!(message.hostname.as_deref(), Some(b"guid".as_slice()));
    assert_eq!(message.fields[0].value_string.len(), 2);
    assert_eq!(message.logger.as_deref(), Some(b"unknown".as_slice()));
}

#[test]
fn equal_envelopes_have_the_same_uuid_and_their_repetitions_another() {
    let uuid = |change: fn(&mut Envelope)| {
        let mut envelope = log(b"x", Stream::Out);
        change(&mut envelope);
        heka::message(&envelope).uuid.unwrap()
    };
    let one = uuid(|_| ());
    assert_eq!(one, uuid(|envelope| (envelope.nth, envelope.is_late) = (1, true)));
    let others: [fn(&mut Envelope); 5] = [
        |envelope| envelope.nth = 2,
        |envelope| envelope.timestamp += 1,
        |envelope| envelope.source_id = Some("other".into()),
        |envelope| envelope.instance = Some("1".into()),
        |envelope| {
            envelope.content = Content::Log { payload: "x".into(), stream: Stream::Err };
        },
    ];
    others.into_iter().for_each(|change| assert_ne!(one, uuid(change)));
    // The same in every run and every version.
    assert_eq!(data_encoding::HEXLOWER.encode(&one), "44bb88305e978575a7fcbaea7a75fe47");
}

#[test]
fn what_stands_for_a_newline_becomes_one() {
    let mut writer = Writer::new(Form::Payload(b'\n'), Some('\u{2028}'));
    let mut out = Vec::new();
    writer.put(&mut out, &log("one\u{2028}two\u{2028}".as_bytes(), Stream::Out));
    writer.put(&mut out, &log(b"three", Stream::Out));
    assert_eq!(String::from_utf8(out).unwrap(), "one\ntwo\nthree\n");
}

#[test]
fn of_several_apps_each_line_has_its_name() {
    let names = [("app", "dora"), ("other", "dana")].map(|(id, name)| (id.into(), name.into()));
    for (form, expected) in [
        (Form::Text(text(|_| ())), "+0000 dora [APP/PROC/WEB/0] OUT x\n"),
        (Form::Json, ",\"app\":\"dora\",\"app_id\":\"app\","),
    ] {
        let mut writer = Writer::new(form, None);
        writer.name_sources(names.to_vec());
        let mut out = Vec::new();
        writer.put(&mut out, &log(b"x", Stream::Out));
        let line = String::from_utf8(out).unwrap();
        assert!(line.contains(expected), "{line}");
    }
}

#[test]
fn timers_have_typed_fields() {
    let batch = read_batch(
        br#"{"batch":[{"source_id":"s","tags":{"status_code":"200","uri":"/x"},"timer":{"name":"http","start":"1","stop":"5"}}]}"#,
    );
    let message = heka::message(&batch.unwrap().envelopes[0]);
    let field = |name: &str| {
        let name = Some(Bytes::copy_from_slice(name.as_bytes()));
        message.fields.iter().find(|field| field.name == name).unwrap()
    };
    assert_eq!(field("duration").value_integer, [4]);
    assert_eq!(field("duration").representation.as_deref(), Some(b"ns".as_slice()));
    assert_eq!(field("status_code").value_integer, [200]);
    assert_eq!(field("uri").value_string[0], "/x");
}
