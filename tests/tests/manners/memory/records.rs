// SPDX-License-Identifier: MIT OR Apache-2.0
//! The tools that read files and pipes.

use std::fs;
use std::io::Read as _;
use std::net::TcpListener;
use std::time::Duration;

use heka_tests::{Peer, Running, Tool, eventually, scratch};

use super::{BASE, check_peak, nowhere, wait_asked, wait_flat, wait_read};

const MIB: u64 = 1024;

fn put_varint(out: &mut Vec<u8>, mut value: usize) {
    while value >= 0x80 {
        out.push(value as u8 | 0x80);
        value >>= 7;
    }
    out.push(value as u8);
}

/// Returns a frame with a message that has this number as its UUID.
fn frame(uuid: u128, payload: &[u8]) -> Vec<u8> {
    let mut message = [&[0x0a, 16][..], &uuid.to_be_bytes(), &[0x10, 1, 0x32]].concat();
    put_varint(&mut message, payload.len());
    message.extend_from_slice(payload);
    let mut header = vec![8];
    put_varint(&mut header, message.len());
    [&[0x1e, header.len() as u8][..], &header, &[0x1f], &message].concat()
}

/// Returns UUIDs that are far apart.
fn frames(count: u128) -> Vec<u8> {
    let uuid = |number: u128| number.wrapping_mul(0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c835);
    (0..count).flat_map(|number| frame(uuid(number), b"")).collect()
}

#[test]
fn heka_tail_holds_one_unfinished_record_of_each_file() {
    let folder = scratch();
    let names: Vec<_> = (0..20).map(|number| format!("{number}.log")).collect();
    for name in &names {
        fs::write(folder.path().join(name), vec![b'x'; 1_900_000]).expect("room");
    }
    let tool = Tool::new("heka-tail").arg("--max-record=2M").args(&names).dir(folder.path());
    let tail = tool.stdout_file(nowhere()).spawn();
    wait_read(&tail, 20 * 1_900_000);
    check_peak(wait_flat(&tail, 0), 20 * 1_900, 20 * 2 * MIB);
}

/// Of unread files, only the position.
#[test]
fn heka_tail_holds_the_position_of_each_file() {
    let folder = scratch();
    fs::create_dir(folder.path().join("logs")).expect("a directory");
    for number in 0..3000 {
        fs::write(folder.path().join(format!("logs/{number}.log")), "a line\n").expect("room");
    }
    let tool = Tool::new("heka-tail").args(["-n+1", "--checkpoint=at", "logs"]).dir(folder.path());
    let tail = tool.stdout_file(nowhere()).spawn();
    wait_read(&tail, 3000 * 7);
    let peak = tail.peak_memory();
    assert!(peak < BASE + 3000 * 2, "{peak} KiB");
}

/// In its input form, and as it is written.
#[test]
fn heka_decode_holds_one_message() {
    let frame = frame(7, &vec![b'x'; 32 << 20]);
    for form in ["payload", "json", "heka"] {
        let tool = Tool::new("heka-decode").args(["-o", form, "--max-record=33M"]);
        let mut decoder = tool.stdin_open().stdout_file(nowhere()).spawn();
        decoder.write(&frame);
        decoder.write(self::frame(8, b"next"));
        wait_read(&decoder, frame.len() + self::frame(8, b"next").len());
        check_peak(decoder.peak_memory(), 32 * MIB, 2 * 33 * MIB);
    }
}

const UUIDS: u64 = 300_000;

#[test]
fn heka_decode_holds_fifty_bytes_of_each_uuid() {
    let frames = frames(u128::from(UUIDS) + 50_000);
    let tool = Tool::new("heka-decode").args(["-opayload", &format!("--dedup={UUIDS}")]);
    let mut decoder = tool.stdin_open().stdout_file(nowhere()).spawn();
    decoder.write(&frames);
    wait_read(&decoder, frames.len());
    check_peak(decoder.peak_memory(), UUIDS * 40 / 1024, UUIDS * 50 / 1024);
}

#[test]
fn heka_listen_holds_fifty_bytes_of_each_uuid() {
    let frames = frames(u128::from(UUIDS) + 50_000);
    let dedup = format!("--dedup={UUIDS}");
    let args = ["127.0.0.1:0", "-opayload", &dedup];
    let listener = Peer::with("heka-listen", args, |tool| tool.stdout_file(nowhere()));
    let tool = Tool::new("heka-send").arg(&listener.addr).stdin(frames.clone());
    tool.run().succeeds();
    wait_read(&listener, frames.len());
    check_peak(listener.peak_memory(), UUIDS * 40 / 1024, UUIDS * 50 / 1024);
}

/// Reads everything and acknowledges nothing.
fn mute() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("an address").to_string();
    std::thread::spawn(move || {
        for stream in listener.incoming().map_while(Result::ok) {
            std::thread::spawn(move || {
                let (mut stream, mut block) = (stream, vec![0; 1 << 16]);
                while matches!(stream.read(&mut block), Ok(1..)) {}
                // The connection stays open.
                std::thread::park();
            });
        }
    });
    address
}

/// Waits until a sender has read at least `least` bytes and reads no more.
pub(super) fn wait_full(sender: &Running, least: u64) {
    wait_asked(sender);
    eventually("it is full", || {
        let read = || {
            let text = sender.statistics();
            let words = text.split(", ").find_map(|part| part.strip_suffix(" bytes in"));
            words.expect("bytes").parse::<u64>().expect("a number")
        };
        let before = read();
        heka_tests::rest(Duration::from_millis(300));
        (before >= least && read() == before).then_some(())
    });
}

#[test]
fn heka_send_holds_what_is_not_acknowledged_for_each_destination() {
    for (args, addresses) in [
        (&["--ack=peer", "--in-flight=24M"][..], vec![mute()]),
        (&["--ack=peer", "--in-flight=24M", "--to=all"], vec![mute(), mute()]),
    ] {
        let count = addresses.len() as u64;
        let (reader, writer) = std::io::pipe().expect("a pipe");
        let source = heka_tests::sh(&format!("exec yes {}", "x".repeat(999)));
        let _source = source.stdout_file(std::os::fd::OwnedFd::from(writer).into()).spawn();
        let tool = Tool::new("heka-send").args(args).args(&addresses);
        let sender = tool.stdin_file(std::os::fd::OwnedFd::from(reader).into()).spawn();
        wait_full(&sender, 20 << 20);
        check_peak(sender.peak_memory(), 20 * MIB, count * 24 * MIB);
    }
}

#[test]
fn heka_send_holds_what_it_may_have_to_send_again() {
    let tool = Tool::new("heka-send").args(["--ack=kernel", "--resend=24M", &mute()]);
    let mut sender = tool.stdin_open().spawn();
    sender.write([&[b'x'; 999][..], b"\n"].concat().repeat(60_000));
    wait_read(&sender, 60_000_000);
    // Data in flight have a limit, too.
    check_peak(sender.peak_memory(), 24 * MIB, (24 + 8) * MIB);
}

#[test]
fn heka_send_holds_one_record() {
    let tool = Tool::new("heka-send").args(["--max-record=32M", &mute()]);
    let mut sender = tool.stdin_open().spawn();
    // An endless frame of 32 MiB.
    sender.write([0x1e, 5, 8, 0x80, 0x80, 0x80, 0x10, 0x1f]);
    sender.write(vec![b'x'; 31_000_000]);
    check_peak(wait_flat(&sender, 31_000), 31_000, 32 * MIB);
}

fn sandbox(folder: &std::path::Path, plugin: &str, args: &[&str]) -> Running {
    fs::write(folder.join("p.lua"), plugin).expect("room");
    let tool = Tool::new("heka-sandbox").dir(folder).arg("p.lua").args(args);
    tool.stdout_file(nowhere()).stdin_open().spawn()
}

#[test]
fn heka_sandbox_holds_what_its_plugin_may_and_one_message() {
    let folder = scratch();
    let plugin = "require 'string'\n\
        local text = string.rep('x', 16000000)\n\
        local kept = {}\n\
        function process_message()\n\
        inject_message({Payload = text})\n\
        for i = 1, 5 do kept[i] = string.rep(tostring(i), 6000000) end\n\
        return 0 end";
    let limits = ["--memory-limit=96M", "--output-limit=16M", "--ticker-interval=3600"];
    let running = sandbox(folder.path(), plugin, &limits);
    check_peak(wait_flat(&running, 45_000), 45_000, (96 + 16) * MIB);
}

#[test]
fn heka_sandbox_reads_no_more_than_one_message() {
    let folder = scratch();
    let plugin = "function process_message()\n\
        local reader = create_stream_reader('input')\n\
        local found, consumed, need = nil, 0, 0\n\
        repeat found, consumed, need = reader:find_message(io.stdin) until need == 0 and consumed == 0\n\
        return 0 end";
    let limits = ["--max-record=8M", "--memory-limit=32M", "--instruction-limit=0"];
    let mut running = sandbox(folder.path(), &format!("require 'io'\n{plugin}"), &limits);
    // An endless frame of 7 MB.
    running.write([0x1e, 5, 8, 0x80, 0xc0, 0xab, 3, 0x1f]);
    running.write(vec![b'x'; 6_000_000]);
    eventually("it is read", || (running.peak_memory() > 6_000).then_some(()));
    let peak = running.peak_memory();
    assert!(peak < BASE + 2 * (8 + 32) * MIB, "{peak} KiB");
}

/// However small its parts are.
#[test]
fn heka_encode_holds_forty_times_a_record_of_small_parts() {
    let members: Vec<String> = (0..90_000).map(|number| format!("\"{number}\":1")).collect();
    let members = members.join(",");
    let pairs = "a=1 ".repeat(250_000) + "\n";
    for (args, record) in [
        (&["-i", "json"][..], format!("{{\"Fields\":{{{members}}}}}\n")),
        (&["--json-map=Payload=x"], format!("{{{members}}}\n")),
        (&["-i", "logfmt"], pairs),
    ] {
        let tool = Tool::new("heka-encode").args(args).arg("--max-record=1M");
        let mut encoder = tool.stdout_file(nowhere()).stdin_open().spawn();
        encoder.write(&record);
        wait_read(&encoder, record.len());
        let peak = encoder.peak_memory();
        assert!(peak < BASE + 40 * MIB, "{args:?}: {peak} KiB");
    }
}
