// SPDX-License-Identifier: MIT OR Apache-2.0
//! `proto/message.proto` agrees with the structs: every number, type and label.

use std::collections::BTreeMap;
use std::path::Path;

use heka_core::wire::{Field, Message};
use prost::Message as _;
use protox::prost_reflect::{DynamicMessage, FieldDescriptor, MessageDescriptor, Value};

fn schema(name: &str) -> MessageDescriptor {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("proto");
    let files = protox::Compiler::new([folder])
        .and_then(|mut compiler| compiler.open_file("message.proto").map(|c| c.descriptor_pool()));
    files.unwrap().get_message_by_name(name).unwrap()
}

const MEMBERS: [&str; 10] = [
    "uuid",
    "timestamp",
    "type",
    "logger",
    "severity",
    "payload",
    "env_version",
    "pid",
    "hostname",
    "fields",
];

/// Creates a message in which every member has a value of its own.
fn full() -> Message {
    let field = Field {
        name: Some("name".into()),
        value_type: Some(3),
        representation: Some("representation".into()),
        value_string: vec!["one".into(), "two".into()],
        value_bytes: vec!["three".into(), "four".into()],
        value_integer: vec![5, -6],
        value_double: vec![7.5, -8.5],
        value_bool: vec![true, false],
    };
    Message {
        uuid: Some("0123456789abcdef".into()),
        timestamp: Some(-9),
        r#type: Some("type".into()),
        logger: Some("logger".into()),
        severity: Some(4),
        payload: Some("payload".into()),
        env_version: Some("env_version".into()),
        pid: Some(-10),
        hostname: Some("hostname".into()),
        fields: vec![field.clone(), field],
    }
}

fn members(message: &DynamicMessage) -> BTreeMap<String, Value> {
    message.fields().map(|(field, value)| (field.name().to_owned(), value.clone())).collect()
}

#[test]
fn the_schema_reads_every_member_of_a_message() {
    let message = full();
    let read =
        DynamicMessage::decode(schema("message.Message"), message.encode_to_vec().as_slice());
    let read = read.unwrap();
    assert_eq!(read.unknown_fields().count(), 0);
    let found = members(&read);
    let schema = schema("message.Message");
    let names: Vec<_> = schema.fields().map(|field| field.name().to_owned()).collect();
    assert_eq!(names, MEMBERS);
    assert_eq!(found["payload"].as_str(), Some("payload"));
    assert_eq!(found["timestamp"].as_i64(), Some(-9));
    assert_eq!(found["severity"].as_i32(), Some(4));
    assert_eq!(found["pid"].as_i32(), Some(-10));
    assert_eq!(found.len(), 10);
    assert_eq!(Message::decode(read.encode_to_vec().as_slice()).unwrap(), message);
}

#[test]
fn the_schema_reads_every_member_of_a_field() {
    let field = full().fields.remove(0);
    let read = DynamicMessage::decode(schema("message.Field"), field.encode_to_vec().as_slice());
    let read = read.unwrap();
    assert_eq!(read.unknown_fields().count(), 0);
    assert_eq!(members(&read).len(), 8);
    assert_eq!(Field::decode(read.encode_to_vec().as_slice()).unwrap(), field);
    let packed = |field: &FieldDescriptor| field.field_descriptor_proto().options.clone()?.packed;
    let packed =
        schema("message.Field").fields().filter(|field| packed(field) == Some(true)).count();
    assert_eq!(packed, 3);
}

#[test]
fn the_schema_reads_every_member_of_a_header() {
    use heka_core::wire::{Header, HmacHash};
    let header = Header {
        message_length: 300,
        hmac_hash: Some(HmacHash::Sha1),
        hmac_signer: Some(b"ops"),
        hmac_key_version: Some(2),
        hmac: Some(b"0123456789abcdef0123"),
        stream_id: Some(b"fedcba9876543210"),
        sequence: Some(u64::MAX),
        acknowledged: Some(7),
        checkpoint: Some(b"{}"),
        claim: Some(&[9; 128]),
        refused: Some(1),
        is_mark: true,
        refused_count: Some(2),
    };
    let mut bytes = Vec::new();
    header.put(&mut bytes);
    let read = DynamicMessage::decode(schema("message.Header"), bytes.as_slice()).unwrap();
    assert_eq!(read.unknown_fields().count(), 0);
    assert_eq!(members(&read).len(), schema("message.Header").fields().count());
    assert_eq!(read.encode_to_vec(), bytes);
}
