// SPDX-License-Identifier: MIT OR Apache-2.0
//! The pipelines of a mode, and their supervision.

use std::collections::BTreeMap;
use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::process::ExitStatusExt as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heka_tests::{
    Fault, Peer, Proxy, Running, Signal, SmallDisk, TempDir, Tool, bindir, eventually, scratch,
    vector,
};

use super::chance::Chance;
use super::modes::Mode;

/// Lines written between two checks of the stages.
const BATCH: u64 = 40;

/// Reads complete lines, as `heka-tail` does.
const SOURCE: &str = r#"
require "io" require "string"
function process_message(offset)
    offset = offset or 0
    local file = assert(io.open("input.log", "rb"))
    file:seek("set", offset)
    local text = file:read("*a")
    file:close()
    for line in string.gmatch(text, "[^\n]*\n") do
        local uuid = string.format("%016d", offset)
        offset = offset + #line
        inject_message({Uuid = uuid, Type = "logfile", Payload = line}, offset)
    end
    return 0
end
"#;

/// Serves the lines of the log as a log-cache does.
const LOG_CACHE: &str = include_str!("log-cache.py");

/// A running stage.
pub(crate) struct Stage {
    pub(crate) name: &'static str,
    pub(crate) process: Running,
    /// It is stopped until then.
    pub(crate) stopped: Option<Instant>,
}

pub(crate) struct World {
    pub(crate) mode: &'static Mode,
    pub(crate) folder: TempDir,
    /// The folder of the outputs and, if there are any, the queue and the committed positions.
    pub(crate) disk: Option<SmallDisk>,
    pub(crate) full_until: Option<Instant>,
    pub(crate) input: File,
    pub(crate) written: u64,
    pub(crate) rotations: u64,
    /// The proxy before each line that is reached by TCP.
    pub(crate) proxies: Vec<Option<Proxy>>,
    /// The stages of each line; none while it does not run.
    pub(crate) lines: Vec<Vec<Stage>>,
    pub(crate) faults: BTreeMap<String, u64>,
    /// Stages that died of a signal of ours.
    pub(crate) killed: u64,
    /// The length of each output when each of its writers started.
    pub(crate) lives: Vec<Vec<u64>>,
    /// Whether the copy of the queue replaces it when the first line has ended by itself.
    pub(crate) restores: bool,
}

impl World {
    pub(crate) fn new(mode: &'static Mode) -> Self {
        // Preparations do not count as part of the time.
        bindir();
        let folder = scratch();
        let input = open(&folder.path().join("input.log"));
        fs::write(folder.path().join("source.lua"), SOURCE).expect("a plugin");
        fs::write(folder.path().join("log-cache.py"), LOG_CACHE).expect("a server");
        // Redirected as soon as a receiver runs.
        let proxy = |line: &&str| line.contains("127.0.0.1:0").then(|| Proxy::new("127.0.0.1:1"));
        Self {
            mode,
            folder,
            disk: SmallDisk::new(),
            full_until: None,
            input,
            written: 0,
            rotations: 0,
            proxies: mode.lines.iter().map(proxy).collect(),
            lines: mode.lines.iter().map(|_| Vec::new()).collect(),
            faults: BTreeMap::new(),
            killed: 0,
            lives: mode.outputs.iter().map(|_| Vec::new()).collect(),
            restores: false,
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    /// Returns a path on the disk that may be full.
    pub(crate) fn on_disk(&self, name: &str) -> String {
        let folder = self.disk.as_ref().map_or(self.folder.path(), SmallDisk::path);
        folder.join(name).display().to_string()
    }

    /// The stderr of all stages, in order, with the faults between; kept if the run fails.
    pub(crate) fn log(&self) -> File {
        open(&self.path("stages.log"))
    }

    /// Returns the last lines that the stages have written to stderr.
    fn last_words(&self) -> String {
        let text = fs::read_to_string(self.path("stages.log")).unwrap_or_default();
        let lines: Vec<_> = text.lines().collect();
        lines[lines.len().saturating_sub(20)..].join("\n")
    }

    /// Injects faults for this time.
    pub(crate) fn run(&mut self, chance: &mut Chance, time: Duration) {
        let (begin, pause) = (Instant::now(), (time / 20).as_millis() as u64);
        let pause = pause.min(150)..pause.saturating_mul(10).min(1500) + 1;
        let mut next = begin + (time / 10).min(Duration::from_secs(1));
        while begin.elapsed() < time {
            self.watch_over();
            self.write();
            self.recover(false);
            if Instant::now() >= next {
                self.harm(chance);
                next = Instant::now() + chance.millis(pause.clone());
            }
            wait(Duration::from_millis(10));
        }
        self.recover(true);
        // Data that a vanished peer's kernel accepted is only missed when the connection ends.
        self.proxies.iter().flatten().for_each(|proxy| proxy.inject(Fault::Reset));
    }

    fn write(&mut self) {
        let mut text = String::new();
        for _ in 0..BATCH {
            self.written += 1;
            text += &format!("{} {}\n", self.written, "x".repeat((self.written % 200) as usize));
        }
        self.input.write_all(text.as_bytes()).expect("cannot write");
    }

    /// Ends faults whose time is over, or all.
    fn recover(&mut self, now: bool) {
        let is_over = |until: Instant| now || Instant::now() >= until;
        if self.full_until.is_some_and(is_over) {
            self.full_until = None;
            self.disk.as_ref().expect("a disk was filled").free();
        }
        for stage in self.lines.iter_mut().flatten() {
            if stage.stopped.is_some_and(is_over) {
                stage.stopped = None;
                // It may have been killed since.
                if stage.process.is_running() {
                    stage.process.signal(Signal::SIGCONT);
                }
            }
        }
    }

    /// Starts stages that do not run, receivers first.
    pub(crate) fn watch_over(&mut self) {
        for line in (0..self.lines.len()).rev() {
            let is_alive = |stage: &mut Stage| stage.process.is_running();
            if self.lines[line].iter_mut().any(is_alive) {
                continue;
            }
            let has_ended = self.bury(line);
            if line == 0 && self.restores && has_ended {
                self.restore_queue();
            }
            self.start(line);
        }
    }

    /// Handles the stages of a line that have ended: they were killed, or a neighbour was, or the
    /// disk is full, but none crashes. Returns whether all have finished their work.
    fn bury(&mut self, line: usize) -> bool {
        let mut has_ended = !self.lines[line].is_empty();
        for stage in std::mem::take(&mut self.lines[line]) {
            let end = stage.process.finish();
            has_ended &= stage.name == "heka-tail" || end.status.success();
            match end.status.signal().map(Signal::try_from) {
                Some(Ok(Signal::SIGKILL | Signal::SIGTERM)) => self.killed += 1,
                Some(Ok(Signal::SIGPIPE)) => {}
                _ => {
                    let is_expected = end.status.code().is_some_and(|code| code < 5);
                    assert!(is_expected, "{end}\n{}", self.last_words());
                }
            }
        }
        has_ended
    }

    fn start(&mut self, line: usize) {
        let mut stdin = None;
        for command in self.mode.lines[line].split(" | ") {
            let (name, args) = command.split_once(' ').expect("a command");
            let args: Vec<String> = words(args).map(|word| self.filled_in(&word)).collect();
            self.begin_lives(&args);
            let (reader, writer) = std::io::pipe().expect("a pipe");
            let stdin = stdin.replace(File::from(OwnedFd::from(reader)));
            let stdout = File::from(OwnedFd::from(writer));
            let process = self.spawn(line, name, args, stdin, stdout);
            self.lines[line].push(Stage { name, process, stopped: None });
        }
    }

    /// Starts a stage; a stage that listens gets no connections before its proxy knows it.
    fn spawn(
        &self,
        line: usize,
        name: &str,
        args: Vec<String>,
        stdin: Option<File>,
        stdout: File,
    ) -> Running {
        let setup = |tool: Tool| {
            let tool = tool.dir(self.folder.path()).stderr_file(self.log()).stdout_file(stdout);
            match stdin {
                Some(stdin) => tool.stdin_file(stdin),
                None => tool,
            }
        };
        let (addr, process) = match name {
            "heka-listen" => {
                let peer = Peer::with(name, args, setup);
                (peer.addr.trim_start_matches("tls://").to_owned(), peer.into_running())
            }
            "log-cache" => self.serve_log(args),
            _ => return setup(Tool::new(name).args(args)).spawn(),
        };
        if let Some(proxy) = &self.proxies[line] {
            proxy.redirect(&addr);
        }
        process
    }

    /// Starts a log-cache; returns its address, too.
    fn serve_log(&self, args: Vec<String>) -> (String, Running) {
        let server = Tool::at("python3").arg("log-cache.py").args(args);
        let server = server.dir(self.folder.path()).stderr_file(self.log()).spawn();
        let line = server.wait_stdout("its address", |bytes| bytes.ends_with(b"\n"));
        (String::from_utf8_lossy(&line).trim().to_owned(), server)
    }

    /// Notes the length of the outputs that a stage with these arguments writes.
    fn begin_lives(&mut self, args: &[String]) {
        for (lives, output) in self.lives.iter_mut().zip(self.mode.outputs) {
            let written = args.iter().filter_map(|arg| arg.strip_prefix("--write="));
            for path in written.filter(|path| path.ends_with(output)) {
                lives.push(fs::metadata(path).map_or(0, |file| file.len()));
            }
        }
    }

    /// Replaces placeholders in a word of a command line by addresses and folders.
    fn filled_in(&self, word: &str) -> String {
        let mut word = word.replace("{disk}", self.on_disk("").trim_end_matches('/'));
        word = word.replace("{tls}", &vector("tls").display().to_string());
        for (line, proxy) in self.proxies.iter().enumerate() {
            if let Some(proxy) = proxy {
                word = word.replace(&format!("{{{line}}}"), &proxy.addr);
            }
        }
        word
    }
}

/// The words of a command line; blanks between double quotes are part of one.
fn words(line: &str) -> impl Iterator<Item = String> {
    let mut is_quoted = false;
    let words = line.split(move |char: char| {
        is_quoted ^= char == '"';
        char == ' ' && !is_quoted
    });
    words.filter(|word| !word.is_empty()).map(|word| word.replace('"', ""))
}

pub(crate) fn open(path: &Path) -> File {
    OpenOptions::new().append(true).create(true).open(path).expect("a log")
}

pub(crate) fn wait(time: Duration) {
    let end = Instant::now() + time;
    eventually("a moment", || (Instant::now() >= end).then_some(()));
}
