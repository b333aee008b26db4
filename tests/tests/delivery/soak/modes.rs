// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipelines of the suite.

use super::harm::Harm;
use Harm::{
    Close, CopyQueue, CopyTruncate, Cut, Delay, Fail, FillDisk, HalfOpen, Kill, KillCommand,
    Rename, Reset, Stall, Stop, Vanish,
};

/// Pipelines on separate machines, and what is expected of them.
pub(crate) struct Mode {
    pub(crate) name: &'static str,
    /// From the source to the receivers. `{1}` is the address of the line with this number, counted
    /// from 0; `{disk}` is a folder on a disk that may be full, `{tls}` a folder with certificates.
    /// `log-cache` is a server of the log.
    pub(crate) lines: &'static [&'static str],
    /// The kinds of faults; one that is listed twice is twice as frequent.
    pub(crate) harms: &'static [Harm],
    /// Lines whose stages are not killed.
    pub(crate) spared: &'static [usize],
    /// The outputs.
    pub(crate) outputs: &'static [&'static str],
    /// Whether each output has all records; otherwise all outputs together have them.
    pub(crate) is_for_all: bool,
    /// Whether no receiver repeats a record as long as it lives.
    pub(crate) is_numbered: bool,
}

macro_rules! tail {
    () => {
        // Elsewhere, logs are not rotated every other second: a position names all files that are
        // still watched for late lines, and has room for two or three.
        "heka-tail -v --uuid=position --rotate-wait=100ms --resume={disk}/app.pos input.log"
    };
}
macro_rules! send {
    () => {
        "heka-send --ack=peer --retry-delay=20ms --retry-max-delay=100ms --retry-jitter=0ms \
         --write-timeout=1s "
    };
}
macro_rules! ship {
    ($($flags:expr),*) => {
        concat!(tail!(), " | ", send!(), "--commit={disk}/app.pos ", $($flags),*)
    };
}
macro_rules! receive {
    ($($flags:expr),*) => {
        concat!("heka-listen --ack --dedup --write={disk}/out.heka ", $($flags),*)
    };
}

const HERE: &str = receive!("127.0.0.1:0");
const FILES: &[Harm] = &[Kill, Kill, Kill, Rename, CopyTruncate, FillDisk];
const KILLS: &[Harm] = &[Kill, Kill, Kill, Stop, FillDisk];
const NETWORK: &[Harm] =
    &[Kill, Kill, Kill, Kill, Close, Reset, HalfOpen, Vanish, Cut, Stall, Delay, FillDisk];
const ALL: &[Harm] = &[
    Kill,
    Kill,
    Kill,
    Kill,
    Kill,
    Kill,
    Kill,
    Kill,
    Kill,
    Close,
    Reset,
    HalfOpen,
    Vanish,
    Cut,
    Stall,
    Delay,
    Rename,
    CopyTruncate,
    FillDisk,
    Stop,
];

const PEER: Mode = Mode {
    name: "`--ack=peer --commit`",
    lines: &[ship!("{1}"), HERE],
    harms: ALL,
    spared: &[],
    outputs: &["out.heka"],
    is_for_all: false,
    is_numbered: true,
};

pub(crate) const MODES: &[Mode] = &[
    PEER,
    Mode {
        name: "the same with `--queue`",
        lines: &[ship!("--queue={disk}/q --queue-file-size=1M {1}"), HERE],
        ..PEER
    },
    Mode {
        // Records of a source that cannot be read again are lost if their reader is killed before
        // they are queued.
        name: "`--queue` alone: the source is read once",
        lines: &[
            concat!(
                "heka-tail -v --uuid=position --rotate-wait=100ms --checkpoint=app.pos input.log | ",
                send!(),
                "--queue={disk}/q --queue-file-size=1M {1}"
            ),
            HERE,
        ],
        spared: &[0],
        ..PEER
    },
    Mode {
        name: "`--ack=kernel --resend=8M`",
        lines: &[
            "heka-tail -v --uuid=position --rotate-wait=100ms --checkpoint=app.pos input.log \
             | heka-send --resend=8M --retry-delay=20ms --retry-max-delay=100ms --retry-jitter=0ms \
             --write-timeout=1s {1}",
            "heka-listen --write={disk}/out.heka 127.0.0.1:0",
        ],
        spared: &[0],
        harms: &[
            Kill,
            Kill,
            Kill,
            Kill,
            Close,
            Reset,
            HalfOpen,
            Vanish,
            Cut,
            Stall,
            Delay,
            Rename,
            CopyTruncate,
            FillDisk,
        ],
        is_numbered: false,
        ..PEER
    },
    Mode {
        name: "relay: `heka-listen --ack=commit` to `heka-send --commit`",
        lines: &[
            ship!("{1}"),
            concat!(
                "heka-listen --ack=commit --resume={disk}/relay.pos 127.0.0.1:0 \
                 | heka-decode -o heka -m Type=='logfile' | ",
                send!(),
                "--commit={disk}/relay.pos {2}"
            ),
            HERE,
        ],
        ..PEER
    },
    Mode {
        name: "relay through a file: `--write --fsync`, `heka-tail -i heka`",
        lines: &[
            ship!("{1}"),
            "heka-listen --ack --write={disk}/spool.heka --fsync 127.0.0.1:0",
            concat!(
                "heka-tail -v -i heka --resume={disk}/spool.pos {disk}/spool.heka | ",
                send!(),
                "--commit={disk}/spool.pos {3}"
            ),
            HERE,
        ],
        ..PEER
    },
    Mode {
        name: "stages between: `heka-decode -j`, `heka-encode --regex`, `-m`",
        lines: &[
            concat!(
                tail!(),
                " | heka-decode -j | heka-encode -i json | heka-encode -i heka \
                 --regex=^(?P<Number>[0-9]+) | heka-decode -o heka -m Type=='logfile' | ",
                send!(),
                "--commit={disk}/app.pos {1}"
            ),
            HERE,
        ],
        ..PEER
    },
    Mode {
        name: "`heka-sandbox --resume` as the source",
        lines: &[
            concat!(
                "heka-sandbox --ticker-interval=1 --resume={disk}/app.pos source.lua | ",
                send!(),
                "--commit={disk}/app.pos {1}"
            ),
            HERE,
        ],
        harms: NETWORK,
        ..PEER
    },
    Mode {
        name: "refusals: `--max-record`, `--refused-file`",
        lines: &[
            ship!("--refused-file={disk}/refused.heka {1}"),
            receive!("--max-record=300 127.0.0.1:0"),
        ],
        harms: NETWORK,
        outputs: &["out.heka", "refused.heka"],
        ..PEER
    },
    Mode {
        name: "a queue that is restored from copies",
        lines: &[ship!("--queue={disk}/q --queue-file-size=1M {1}"), HERE],
        harms: &[CopyQueue, CopyQueue, CopyQueue, CopyQueue, Kill, Reset],
        ..PEER
    },
    Mode {
        name: "SIGSTOP",
        lines: &[ship!("{1}"), HERE],
        harms: &[Stop, Stop, Stop, Stop, Kill, Stall],
        ..PEER
    },
    Mode {
        name: "TLS",
        lines: &[
            ship!("--ca-file={tls}/ca.pem tls://{1}"),
            receive!("--cert={tls}/server.pem --key={tls}/server.key tls://127.0.0.1:0"),
        ],
        harms: NETWORK,
        ..PEER
    },
    Mode {
        name: "mutual TLS",
        lines: &[
            ship!(
                "--ca-file={tls}/ca.pem --cert={tls}/client.pem --key={tls}/client.key tls://{1}"
            ),
            receive!(
                "--cert={tls}/server.pem --key={tls}/server.key --client-ca={tls}/ca.pem \
                 tls://127.0.0.1:0"
            ),
        ],
        harms: NETWORK,
        ..PEER
    },
    Mode {
        name: "UNIX sockets",
        lines: &[ship!("unix:socket"), receive!("unix:socket")],
        harms: KILLS,
        ..PEER
    },
    Mode {
        name: "failover: two addresses",
        lines: &[
            ship!("{1} {2}"),
            HERE,
            "heka-listen --ack --dedup --write={disk}/other.heka 127.0.0.1:0",
        ],
        outputs: &["out.heka", "other.heka"],
        ..PEER
    },
    Mode {
        name: "`--to=all`: two receivers",
        lines: &[
            ship!("--to=all {1} {2}"),
            HERE,
            "heka-listen --ack --dedup --write={disk}/other.heka 127.0.0.1:0",
        ],
        outputs: &["out.heka", "other.heka"],
        is_for_all: true,
        ..PEER
    },
    Mode {
        name: "tiny windows: `--in-flight=4K`",
        lines: &[ship!("--in-flight=4K {1}"), HERE],
        ..PEER
    },
    Mode {
        name: "one machine: `heka-decode --write --commit`",
        lines: &[concat!(
            tail!(),
            " | heka-decode -o heka --write={disk}/out.heka --commit={disk}/app.pos"
        )],
        harms: FILES,
        is_numbered: false,
        ..PEER
    },
    Mode {
        name: "one machine: `heka-listen --write --commit`",
        lines: &[
            concat!(tail!(), " | unix-sock --framing=heka --send-only socket"),
            "heka-listen --write={disk}/out.heka --commit={disk}/app.pos unix:socket",
        ],
        harms: KILLS,
        is_numbered: false,
        ..PEER
    },
    Mode {
        name: "through a command: `exec:`, `heka-listen --stdio`",
        lines: &[ship!("\"exec:exec ", receive!("--stdio"), "\"")],
        harms: &[Kill, Kill, KillCommand, KillCommand, KillCommand, Stop, Rename, FillDisk],
        is_numbered: false,
        ..PEER
    },
    Mode {
        // cf-tail keeps no position: the platform is what fails, and what receives.
        name: "`cf-tail` from a log-cache",
        lines: &[
            concat!(
                "cf-tail -o heka --via=log-cache --recent --follow --start-time=0 --max-time=1s --retry=forever \
                 --retry-delay=20ms --retry-max-delay=100ms --retry-jitter=0ms -a http://{1} app | ",
                send!(),
                "{2}"
            ),
            "log-cache 127.0.0.1:0",
            HERE,
        ],
        harms: &[
            Kill, Kill, Kill, Kill, Fail, Fail, Close, Reset, HalfOpen, Vanish, Cut, Stall, Delay,
            FillDisk,
        ],
        spared: &[0],
        ..PEER
    },
];
