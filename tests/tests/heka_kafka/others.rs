// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-kafka with other clients at the far end.

use heka_tests::{Broker as _, Mock, Tansu, Tool, lines, require, scratch, sh, sorted};

#[test]
fn kcat_reads_what_we_write_and_writes_what_we_read() {
    let Some(mut mock) = Mock::start(1) else { return };
    if !require("kcat") {
        return;
    }
    mock.tell("topic t 1");
    let url = mock.url("t?form=payload&key=Logger");
    Tool::new("heka-kafka").arg(&url).stdin(lines(100)).run().succeeds();
    let kcat = sh(&format!("kcat -q -b {} -C -t t -e -f '%k %s\\n'", mock.address())).run();
    let expected: String = lines(100).lines().map(|line| format!("heka-kafka {line}\n")).collect();
    kcat.succeeds().stdout_is(expected);
    let kcat = sh(&format!("seq 101 200 | kcat -b {} -P -t t -K: -z gzip", mock.address()));
    kcat.run().succeeds();
    assert_eq!(mock.payloads("t"), lines(200));
}

#[test]
fn pythons_client_reads_what_we_write_and_writes_what_we_read() {
    let Some(tansu) = Tansu::start() else { return };
    let import = sh("python3 -c 'import confluent_kafka'").run();
    if !import.status.success() {
        heka_tests::skip("confluent-kafka (Python) is not installed");
        return;
    }
    let frames = Tool::new("heka-encode").stdin(lines(100)).run().stdout;
    Tool::new("heka-kafka").arg(tansu.url("t?partition=0")).stdin(frames).run().succeeds();
    let script = r#"
import sys
from confluent_kafka import Consumer, Producer, TopicPartition
consumer = Consumer({"bootstrap.servers": sys.argv[1], "group.id": "x"})
consumer.assign([TopicPartition("t", 0, 0)])
# A message without a frame begins with its UUID.
count = 0
while count < 100:
    record = consumer.poll(10)
    assert record and not record.error() and record.value()[:2] == b"\x0a\x10", record
    count += 1
producer = Producer({"bootstrap.servers": sys.argv[1]})
for number in range(1, 101):
    producer.produce("p", str(number), key="k")
producer.flush()
"#;
    let folder = scratch();
    std::fs::write(folder.path().join("other.py"), script).unwrap();
    let line = format!("python3 other.py {}", tansu.address());
    sh(&line).dir(folder.path()).run().succeeds();
    assert_eq!(sorted(&tansu.payloads("p")), lines(100));
}
