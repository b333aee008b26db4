// SPDX-License-Identifier: MIT OR Apache-2.0
//! The faults injected into the pipelines.

use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use heka_tests::{Fault, Signal};

use super::chance::Chance;
use super::world::{Stage, World, open, wait};

/// A kind of fault.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Harm {
    Kill,
    KillCommand,
    Stop,
    Fail,
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
    CopyQueue,
}

impl World {
    /// Injects a fault of some kind.
    pub(crate) fn harm(&mut self, chance: &mut Chance) {
        let harm = *chance.one(self.mode.harms);
        // No fault is possible for a stage that is dead at the moment.
        let Some(name) = self.try_harm(harm, chance) else { return };
        writeln!(self.log(), "-- {name} after record {}", self.written).expect("the log");
        *self.faults.entry(name).or_default() += 1;
    }

    fn try_harm(&mut self, harm: Harm, chance: &mut Chance) -> Option<String> {
        let (name, fault) = match harm {
            Harm::Kill => return self.kill(chance),
            Harm::KillCommand => return self.kill_command(chance),
            Harm::Stop => return self.stop(chance),
            Harm::Fail => return Some(self.fail()),
            Harm::Rename | Harm::CopyTruncate if !self.has_position() => return None,
            Harm::Rename => return Some(self.rename()),
            Harm::CopyTruncate => return Some(self.copy_truncate()),
            Harm::FillDisk => return self.fill_disk(chance),
            Harm::CopyQueue => return self.copy_queue(),
            Harm::Close => ("connections closed", Fault::Close),
            Harm::Reset => ("connections reset", Fault::Reset),
            Harm::HalfOpen => ("sides closed", Fault::HalfOpen),
            Harm::Vanish => ("peers vanished", Fault::Vanish),
            Harm::Cut => ("cuts in a record", Fault::CutAfter(chance.below(100_000))),
            Harm::Stall => ("stalls", Fault::Stall(chance.millis(50..700))),
            Harm::Delay => ("delays", Fault::Delay(chance.millis(100..1500))),
        };
        let proxies: Vec<_> = self.proxies.iter().flatten().collect();
        chance.one(&proxies).inject(fault);
        Some(name.to_owned())
    }

    /// Chooses a stage that may be harmed; `None` if it is dead: its neighbours may take a while to
    /// end.
    fn victim(&mut self, chance: &mut Chance) -> Option<&mut Stage> {
        let spared = self.mode.spared;
        let lines = self.lines.iter_mut().enumerate();
        let lines = lines.filter(|(line, _)| !spared.contains(line)).map(|(_, stages)| stages);
        let lines: Vec<_> = lines.filter(|stages| !stages.is_empty()).collect();
        let line = chance.below(lines.len() as u64) as usize;
        let stages = lines.into_iter().nth(line)?;
        let stage = chance.below(stages.len() as u64) as usize;
        let stage = stages.get_mut(stage)?;
        stage.process.is_running().then_some(stage)
    }

    fn kill(&mut self, chance: &mut Chance) -> Option<String> {
        let signal = deadly(chance);
        let stage = self.victim(chance)?;
        stage.process.signal(signal);
        if signal == Signal::SIGTERM && stage.stopped.take().is_some() {
            stage.process.signal(Signal::SIGCONT);
        }
        Some(format!("{} {signal}", stage.name))
    }

    /// Kills a command that a stage has started.
    fn kill_command(&mut self, chance: &mut Chance) -> Option<String> {
        let signal = deadly(chance);
        let mut stages = self.lines.iter().flatten();
        stages.find(|stage| stage.process.signal_helper("heka-listen", signal))?;
        self.killed += 1;
        Some(format!("heka-listen of exec: {signal}"))
    }

    /// The next request to the log-cache fails.
    fn fail(&mut self) -> String {
        let count = self.faults.values().sum::<u64>();
        fs::write(self.path(&format!("fail-{count}")), "").expect("a file");
        "requests refused".to_owned()
    }

    fn stop(&mut self, chance: &mut Chance) -> Option<String> {
        let until = Instant::now() + chance.millis(50..2500);
        let stage = self.victim(chance)?;
        stage.process.signal(Signal::SIGSTOP);
        stage.stopped = Some(until);
        Some(format!("{} SIGSTOP", stage.name))
    }

    /// Whether a position in the log has ever been stored: without one, files that were rotated before
    /// a start are not read.
    fn has_position(&self) -> bool {
        let places = [PathBuf::from(self.on_disk("app.pos")), self.path("app.pos")];
        places.iter().any(|path| fs::metadata(path).is_ok_and(|file| file.len() > 0))
    }

    /// The new path of a log, after the older ones were shifted, as logrotate does.
    fn rotated(&mut self) -> PathBuf {
        for number in (1..=self.rotations).rev() {
            let name = |number| self.path(&format!("input.log.{number}"));
            fs::rename(name(number), name(number + 1)).expect("an old log");
        }
        self.rotations += 1;
        self.path("input.log.1")
    }

    /// Moves the log away and creates a new one.
    fn rename(&mut self) -> String {
        let old = self.rotated();
        fs::rename(self.path("input.log"), old)
            .expect("the log, unless somebody removed the folder");
        self.input = open(&self.path("input.log"));
        "logs renamed".to_owned()
    }

    /// Copies the log and truncates it, once the file system's clock has advanced.
    fn copy_truncate(&mut self) -> String {
        wait(Duration::from_millis(10));
        let old = self.rotated();
        fs::copy(self.path("input.log"), old).expect("the log");
        self.input.set_len(0).expect("an empty log");
        wait(Duration::from_millis(10));
        "logs copied and truncated".to_owned()
    }

    fn fill_disk(&mut self, chance: &mut Chance) -> Option<String> {
        let disk = self.disk.as_ref()?;
        disk.fill(chance.below(100_000));
        self.full_until = Some(Instant::now() + chance.millis(200..1500));
        Some("full disks".to_owned())
    }

    /// Copies the queue, or requests that the copy replaces it once the queue is delivered.
    fn copy_queue(&mut self) -> Option<String> {
        let (queue, copy) = (PathBuf::from(self.on_disk("q")), self.path("copy"));
        if !copy.exists() {
            copy_folder(&queue, &copy)?;
            return Some("queues copied".to_owned());
        }
        let tail = self.lines[0].first_mut()?;
        if tail.process.is_running() {
            tail.process.signal(Signal::SIGTERM);
        }
        self.restores = true;
        None
    }

    pub(crate) fn restore_queue(&mut self) {
        let (queue, copy) = (PathBuf::from(self.on_disk("q")), self.path("copy"));
        fs::remove_dir_all(&queue).expect("the queue");
        copy_folder(&copy, &queue).expect("room for the copy");
        fs::remove_dir_all(&copy).expect("the copy");
        self.restores = false;
        *self.faults.entry("queues restored from a copy".to_owned()).or_default() += 1;
    }
}

fn deadly(chance: &mut Chance) -> Signal {
    if chance.below(2) == 0 { Signal::SIGKILL } else { Signal::SIGTERM }
}

/// `None` if the folder does not exist, or changes while it is copied.
fn copy_folder(from: &Path, to: &Path) -> Option<()> {
    fs::create_dir(to).ok()?;
    let copied = fs::read_dir(from)
        .ok()
        .into_iter()
        .flatten()
        .flatten()
        .try_for_each(|file| fs::copy(file.path(), to.join(file.file_name())).map(drop));
    if copied.is_err() || fs::read_dir(to).ok()?.next().is_none() {
        fs::remove_dir_all(to).ok()?;
        return None;
    }
    fs::set_permissions(to, fs::metadata(from).ok()?.permissions()).ok()
}
