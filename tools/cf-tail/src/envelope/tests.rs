// SPDX-License-Identifier: MIT OR Apache-2.0
//! Compares every recorded protobuf with the interpretation of the Go programs
//! (tests/vectors/cf/proto).

use std::io::Read as _;

use bytes::Bytes;
use data_encoding::BASE64;
use prost::Message as _;
use serde_json::{Map, Value as Json, json};

use super::legacy::{LogEnvelope, LogMessage};
use super::v2_json::Batch;
use super::{Content, Kind, Stream, Unreadable, legacy, read_batch, v1, v2, v2_json};

fn vector(name: &str) -> Vec<u8> {
    let path = format!("{}/../../tests/vectors/cf/proto/{name}.gz", env!("CARGO_MANIFEST_DIR"));
    let mut bytes = Vec::new();
    let file = std::fs::File::open(&path).unwrap_or_else(|error| panic!("{path}: {error}"));
    flate2::read::GzDecoder::new(file).read_to_end(&mut bytes).unwrap();
    bytes
}

/// Returns the records of a file: the raw protobuf and its description.
fn records(name: &str) -> Vec<(Bytes, Json)> {
    let mut raw = Bytes::from(vector(&format!("{name}.lpb")));
    let told = String::from_utf8(vector(&format!("{name}.jsonl"))).unwrap();
    told.lines()
        .map(|line| {
            let len = usize::try_from(u32::from_be_bytes(raw.split_to(4)[..].try_into().unwrap()));
            (raw.split_to(len.unwrap()), serde_json::from_str(line).unwrap())
        })
        .collect()
}

fn put(map: &mut Map<String, Json>, name: &str, value: Option<Json>) {
    if let Some(value) = value {
        map.insert(name.to_owned(), value);
    }
}

fn text(bytes: &Option<Bytes>) -> Option<Json> {
    bytes.as_ref().map(|bytes| json!(String::from_utf8(bytes.to_vec()).unwrap()))
}

fn base64(bytes: &Option<Bytes>) -> Option<Json> {
    bytes.as_ref().map(|bytes| json!(BASE64.encode(bytes)))
}

fn string<T: ToString>(number: Option<T>) -> Option<Json> {
    number.map(|number| json!(number.to_string()))
}

fn stream(number: Option<i32>) -> Option<Json> {
    number.map(|number| json!(Stream::from_number(number).to_string()))
}

fn legacy_json(message: &LogMessage) -> Json {
    let mut map = Map::new();
    put(&mut map, "message", base64(&message.message));
    put(&mut map, "message_type", stream(message.message_type));
    put(&mut map, "timestamp", string(message.timestamp));
    put(&mut map, "app_id", text(&message.app_id));
    put(&mut map, "source_id", text(&message.source_id));
    put(&mut map, "source_name", text(&message.source_name));
    let urls: Vec<Json> =
        message.drain_urls.iter().filter_map(|url| text(&Some(url.clone()))).collect();
    put(&mut map, "drain_urls", (!urls.is_empty()).then_some(Json::Array(urls)));
    Json::Object(map)
}

fn tags_json(tags: &[v1::Tag]) -> Json {
    let entry = |tag: &v1::Tag| {
        (String::from_utf8(tag.name.to_vec()).unwrap(), text(&Some(tag.value.clone())).unwrap())
    };
    Json::Object(tags.iter().map(entry).collect())
}

fn event_name(number: i32) -> &'static str {
    let names = [
        "Heartbeat",
        "HttpStart",
        "HttpStop",
        "HttpStartStop",
        "LogMessage",
        "ValueMetric",
        "CounterEvent",
        "Error",
        "ContainerMetric",
    ];
    names[usize::try_from(number).unwrap() - 1]
}

fn uuid_json(uuid: &Option<v1::Uuid>) -> Option<Json> {
    uuid.as_ref().map(|uuid| {
        json!({"low": uuid.low.unwrap().to_string(), "high": uuid.high.unwrap().to_string()})
    })
}

fn v1_json(wire: &v1::Wire) -> Json {
    let mut map = Map::new();
    put(&mut map, "origin", text(&wire.origin));
    put(&mut map, "eventType", wire.event_type.map(|number| json!(event_name(number))));
    put(&mut map, "timestamp", string(wire.timestamp));
    put(&mut map, "deployment", text(&wire.deployment));
    put(&mut map, "job", text(&wire.job));
    put(&mut map, "index", text(&wire.index));
    put(&mut map, "ip", text(&wire.ip));
    put(&mut map, "tags", (!wire.tags.is_empty()).then(|| tags_json(&wire.tags)));
    put(&mut map, "logMessage", wire.log_message.as_ref().map(v1_log_json));
    put(&mut map, "httpStartStop", wire.http_start_stop.as_ref().map(v1_http_json));
    put(&mut map, "valueMetric", wire.value_metric.as_ref().map(v1_value_json));
    put(&mut map, "counterEvent", wire.counter_event.as_ref().map(v1_counter_json));
    put(&mut map, "error", wire.error.as_ref().map(v1_error_json));
    put(&mut map, "containerMetric", wire.container_metric.as_ref().map(v1_container_json));
    Json::Object(map)
}

fn v1_log_json(log: &v1::LogMessage) -> Json {
    let mut map = Map::new();
    put(&mut map, "message", base64(&log.message));
    put(&mut map, "message_type", stream(log.message_type));
    put(&mut map, "timestamp", string(log.timestamp));
    put(&mut map, "app_id", text(&log.app_id));
    put(&mut map, "source_type", text(&log.source_type));
    put(&mut map, "source_instance", text(&log.source_instance));
    Json::Object(map)
}

fn v1_http_json(http: &v1::HttpStartStop) -> Json {
    let mut map = Map::new();
    put(&mut map, "startTimestamp", string(http.start_timestamp));
    put(&mut map, "stopTimestamp", string(http.stop_timestamp));
    put(&mut map, "requestId", uuid_json(&http.request_id));
    put(&mut map, "peerType", http.peer_type.map(|number| json!(v1::peer_name(number))));
    put(&mut map, "method", http.method.map(|number| json!(v1::method_name(number))));
    put(&mut map, "uri", text(&http.uri));
    put(&mut map, "remoteAddress", text(&http.remote_address));
    put(&mut map, "userAgent", text(&http.user_agent));
    put(&mut map, "statusCode", http.status_code.map(|code| json!(code)));
    put(&mut map, "contentLength", string(http.content_length));
    put(&mut map, "applicationId", uuid_json(&http.application_id));
    put(&mut map, "instanceIndex", http.instance_index.map(|index| json!(index)));
    put(&mut map, "instanceId", text(&http.instance_id));
    let forwarded: Vec<Json> =
        http.forwarded.iter().filter_map(|one| text(&Some(one.clone()))).collect();
    put(&mut map, "forwarded", (!forwarded.is_empty()).then_some(Json::Array(forwarded)));
    Json::Object(map)
}

fn v1_value_json(metric: &v1::ValueMetric) -> Json {
    json!({"name": text(&metric.name), "value": number(metric.value.unwrap()), "unit": text(&metric.unit)})
}

fn v1_counter_json(event: &v1::CounterEvent) -> Json {
    let mut map = Map::new();
    put(&mut map, "name", text(&event.name));
    put(&mut map, "delta", string(event.delta));
    put(&mut map, "total", string(event.total));
    Json::Object(map)
}

fn v1_error_json(error: &v1::ErrorEvent) -> Json {
    json!({"source": text(&error.source), "code": error.code, "message": text(&error.message)})
}

fn v1_container_json(metric: &v1::ContainerMetric) -> Json {
    let mut map = Map::new();
    put(&mut map, "applicationId", text(&metric.application_id));
    put(&mut map, "instanceIndex", metric.instance_index.map(|index| json!(index)));
    put(&mut map, "cpuPercentage", metric.cpu_percentage.map(number));
    put(&mut map, "memoryBytes", string(metric.memory_bytes));
    put(&mut map, "diskBytes", string(metric.disk_bytes));
    put(&mut map, "memoryBytesQuota", string(metric.memory_bytes_quota));
    put(&mut map, "diskBytesQuota", string(metric.disk_bytes_quota));
    Json::Object(map)
}

fn number(value: f64) -> Json {
    serde_json::Number::from_f64(value).map_or_else(|| json!(value.to_string()), Json::Number)
}

#[test]
fn every_legacy_message_reads_as_recorded() {
    let records = records("logmessage-1000");
    assert!(records.len() > 400);
    for (raw, told) in records {
        let message = LogMessage::decode(raw.clone()).unwrap().complete().unwrap();
        assert_eq!(legacy_json(&message), told["msg"], "record {}", told["i"]);
        let envelope = legacy::decode(raw).unwrap();
        assert_eq!(envelope.timestamp.to_string(), told["msg"]["timestamp"].as_str().unwrap());
    }
}

#[test]
fn every_envelope_of_the_agents_reads_as_recorded_and_is_named_where_it_does_not_belong() {
    for (raw, told) in records("logenvelope-100") {
        let envelope = LogEnvelope::decode(raw.clone()).unwrap().complete().unwrap();
        let read = json!({
            "routing_key": text(&envelope.routing_key),
            "signature": base64(&envelope.signature),
            "log_message": legacy_json(envelope.log_message.as_ref().unwrap()),
        });
        assert_eq!(read, told["msg"], "record {}", told["i"]);
        assert!(matches!(legacy::decode(raw), Err(Unreadable::AgentsEnvelope)));
    }
}

#[test]
fn every_v1_envelope_reads_as_recorded() {
    let records = records("envelope-1000");
    assert!(records.len() > 400);
    for (raw, told) in records {
        let wire = v1::Wire::decode(raw).unwrap().complete().unwrap();
        assert_eq!(v1_json(&wire), told["msg"], "record {}", told["i"]);
    }
}

#[test]
fn every_v2_envelope_reads_the_same_from_protobuf_and_from_recorded_json() {
    let sorted = |mut wire: v2::Wire| {
        wire.tags.sort_by(|a, b| a.name.cmp(&b.name));
        wire.deprecated_tags.sort_by(|a, b| a.name.cmp(&b.name));
        if let Some(v2::Body::Gauge(gauge)) = &mut wire.body {
            gauge.metrics.sort_by(|a, b| a.name.cmp(&b.name));
        }
        // As text, because a NaN is not equal to itself.
        format!("{wire:?}")
    };
    let records = records("v2envelope-1000");
    assert!(records.len() > 400);
    for (raw, told) in records {
        let from_protobuf = sorted(v2::Wire::decode(raw).unwrap());
        let from_json = sorted(v2_json::read_wire(&told["msg"]).unwrap());
        assert_eq!(from_protobuf, from_json, "record {}", told["i"]);
    }
}

#[test]
fn nothing_that_go_refuses_is_taken() {
    for (raw, told) in records("malformed") {
        let verdict = match told["kind"].as_str().unwrap() {
            "LogMessage" => legacy::decode(raw).map(drop),
            "Envelope" => v1::decode(raw).map(drop),
            kind => panic!("{kind}"),
        };
        if told.get("error").is_some_and(|error| !error.is_null()) {
            assert!(verdict.is_err(), "record {}: {}", told["i"], told["error"]);
        }
    }
}

#[test]
fn what_go_takes_is_taken_but_for_wrong_wire_types() {
    for (raw, told) in records("malformed") {
        let verdict = match told["kind"].as_str().unwrap() {
            "LogMessage" => legacy::decode(raw).map(drop),
            _ => v1::decode(raw).map(drop),
        };
        let wrong_type = told["note"].as_str().unwrap().starts_with("wrong wire type");
        if told.get("error").is_none_or(Json::is_null) && !wrong_type {
            assert!(verdict.is_ok(), "record {}: {verdict:?}", told["i"]);
        }
    }
}

#[test]
fn unknown_enumeration_values_are_kept() {
    let raw = Bytes::from_static(b"\x0a\x05hello\x10\x03\x18\x0a\x22\x03abc");
    let Content::Log { stream, payload } = legacy::decode(raw).unwrap().content else { panic!() };
    assert_eq!((stream.to_string(), payload), ("UNKNOWN(3)".to_owned(), "hello".into()));
}

fn batch(text: &str) -> Batch {
    read_batch(text.as_bytes()).unwrap()
}

#[test]
fn json_is_read_leniently() {
    let read = batch(
        r#"{"batch":[{"timestamp":1.5e9,"sourceId":"s","instance_id":null,"surprise":[1],
        "log":{"payload":"aGVsbG8","type":1}},{"timestamp":"7","log":{"payload":"-_8=","type":9}}]}"#,
    );
    assert!(read.damaged.is_empty());
    assert_eq!(read.envelopes[0].timestamp, 1_500_000_000);
    assert_eq!(read.envelopes[0].source_id.as_deref(), Some(b"s".as_slice()));
    let log = |payload: &'static [u8], stream| Content::Log { payload: payload.into(), stream };
    assert_eq!(read.envelopes[0].content, log(b"hello", Stream::Err));
    assert_eq!(read.envelopes[1].content, log(b"\xfb\xff", Stream::Unknown(9)));
}

#[test]
fn empty_batches_come_in_many_forms() {
    for text in [
        "{}",
        r#"{"batch":[]}"#,
        r#"{"batch":null}"#,
        r#"{"envelopes":null}"#,
        r#"{"envelopes":{}}"#,
    ] {
        assert!(batch(text).envelopes.is_empty(), "{text}");
    }
    for text in ["", "[]", "null", "<html>", r#"{"batch":7}"#] {
        assert!(read_batch(text.as_bytes()).is_err(), "{text}");
    }
}

#[test]
fn a_bad_envelope_does_not_cost_its_neighbours() {
    let read = batch(
        r#"{"envelopes":{"batch":[{"log":{"payload":"!!"}},{"log":{},"event":{}},{"timestamp":true},
        {"log":{"type":"LOUD"}},{"timestamp":"5"}]}}"#,
    );
    assert_eq!(read.damaged.len(), 4, "{:?}", read.damaged);
    assert_eq!(read.envelopes.len(), 1);
    assert_eq!(read.envelopes[0].kind(), Kind::Nothing);
}

#[test]
fn a_request_id_reads_as_people_write_it() {
    let uuid = v1::Uuid { low: Some(0x7243_cc58_0bc1_7af4), high: Some(0x79d4_c3b2_020e_67a5) };
    assert_eq!(uuid.text(), "f47ac10b-58cc-4372-a567-0e02b2c3d479");
}
