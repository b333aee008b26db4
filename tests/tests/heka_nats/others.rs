// SPDX-License-Identifier: MIT OR Apache-2.0
//! heka-nats with another client at the far end.

use heka_tests::{Broker as _, Nats, Tool, lines, scratch, sh, skip};

#[test]
fn pythons_client_reads_what_we_write_and_writes_what_we_read() {
    let Some(nats) = Nats::start("") else { return };
    if !sh("/usr/bin/python3 -c 'import nats'").run().status.success() {
        skip("nats-py (Python) is not installed");
        return;
    }
    let frames = Tool::new("heka-encode").stdin(lines(100)).run().stdout;
    for form in ["protobuf", "framed", "payload"] {
        let url = nats.url(&format!("w.{form}?create=R1&stream={form}&form={form}&batch=0"));
        let url = if form == "framed" { url } else { url.replace("&batch=0", "") };
        Tool::new("heka-nats").arg(url).stdin(frames.clone()).run().succeeds();
    }
    let script = r#"
import asyncio, sys
import nats

async def main():
    client = await nats.connect(sys.argv[1])
    js = client.jetstream()
    # A message without a frame begins with its UUID, which is also its name.
    begins = {"protobuf": b"\x0a\x10", "framed": b"\x1e", "payload": b""}
    for form, begin in begins.items():
        reader = await js.pull_subscribe("w." + form, durable="d", stream=form)
        messages = []
        while len(messages) < 100:
            messages += await reader.fetch(100, timeout=20)
        assert len(messages) == 100, len(messages)
        for message in messages:
            assert message.data.startswith(begin), message.data
            assert len(message.headers["Nats-Msg-Id"]) == 32, message.headers
            await message.ack()
    assert messages[41].data == b"42", messages[41]
    await js.add_stream(name="P", subjects=["p"])
    for number in range(1, 101):
        await js.publish("p", str(number).encode(), headers={"x": "y"})
    await client.close()

asyncio.run(main())
"#;
    let folder = scratch();
    std::fs::write(folder.path().join("other.py"), script).unwrap();
    let line = format!("/usr/bin/python3 other.py nats://127.0.0.1:{}", nats.port());
    sh(&line).dir(folder.path()).run().succeeds();
    assert_eq!(nats.payloads("P"), lines(100));
}
