// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a descriptor to poll, and real deaths by signal.
//!
//! INT and TERM (and HUP, unless the tool reopens files on it) ask for an orderly end: the first
//! is seen by [`crate::os::wait`], the second ends the process at once. USR1 is answered by
//! [`crate::os::reporter`].
//! PIPE stays ignored, as Rust sets it: a dead socket must not kill the process. The end of
//! *stdout's* reader becomes a death by PIPE in [`crate::cli::exit::finish`].

use std::io;
use std::mem::MaybeUninit;
use std::os::fd::{BorrowedFd, IntoRawFd as _, RawFd};
use std::sync::atomic::{AtomicBool, AtomicI32, Ordering};

use nix::fcntl::{FcntlArg, FdFlag, OFlag, fcntl};
use nix::libc;
use nix::sys::signal::{SaFlags, SigAction, SigHandler, SigSet, Signal, raise, sigaction};
use nix::unistd::alarm;

static PENDING: AtomicI32 = AtomicI32::new(0);
static USR1: AtomicBool = AtomicBool::new(false);
static REPORT: AtomicBool = AtomicBool::new(false);
static HUP: AtomicBool = AtomicBool::new(false);
static CHILD: AtomicBool = AtomicBool::new(false);
static HUP_REOPENS: AtomicBool = AtomicBool::new(false);
/// What wakes the tool.
static WAKE: WakePipe = WakePipe::new();
/// What wakes the thread of [`crate::os::reporter`], which is there while the tool is stuck.
static WAKE_REPORTER: WakePipe = WakePipe::new();
/// What wakes the thread that speaks to the service manager, if there is one.
static WAKE_MANAGER: WakePipe = WakePipe::new();

/// Seconds until a call that began right after a signal is interrupted, too.
const AGAIN: u32 = 1;

/// What a signal asks for is seen before a write that may block, or by its interruption. A signal
/// in between would be missed: an alarm interrupts the write then.
extern "C" fn handle(number: i32) {
    if number == Signal::SIGALRM as i32 && !is_unanswered() {
        return;
    }
    alarm::set(AGAIN);
    match number {
        alarm if alarm == Signal::SIGALRM as i32 => {}
        usr1 if usr1 == Signal::SIGUSR1 as i32 => {
            USR1.store(true, Ordering::SeqCst);
            REPORT.store(true, Ordering::SeqCst);
        }
        child if child == Signal::SIGCHLD as i32 => CHILD.store(true, Ordering::SeqCst),
        hup if hup == Signal::SIGHUP as i32 && HUP_REOPENS.load(Ordering::SeqCst) => {
            HUP.store(true, Ordering::SeqCst);
        }
        _ => {
            if PENDING.swap(number, Ordering::SeqCst) != 0
                && let Ok(signal) = Signal::try_from(number)
            {
                restore_default(signal);
                let _ = raise(signal);
            }
        }
    }
    WAKE.wake();
    WAKE_REPORTER.wake();
    WAKE_MANAGER.wake();
}

fn is_unanswered() -> bool {
    PENDING.load(Ordering::SeqCst) != 0
}

/// A pipe that a signal handler can write to.
#[derive(Debug)]
struct WakePipe {
    read: AtomicI32,
    write: AtomicI32,
}

impl WakePipe {
    const fn new() -> Self {
        Self { read: AtomicI32::new(-1), write: AtomicI32::new(-1) }
    }

    fn open(&self) -> io::Result<()> {
        let (read, write) = nix::unistd::pipe()?;
        for end in [&read, &write] {
            fcntl(end, FcntlArg::F_SETFD(FdFlag::FD_CLOEXEC))?;
            fcntl(end, FcntlArg::F_SETFL(OFlag::O_NONBLOCK))?;
        }
        self.read.store(read.into_raw_fd(), Ordering::SeqCst);
        self.write.store(write.into_raw_fd(), Ordering::SeqCst);
        Ok(())
    }

    fn wake(&self) {
        if let Some(fd) = borrowed(&self.write) {
            // A full pipe wakes the reader just as well.
            let _ = nix::unistd::write(fd, &[0]);
        }
    }

    fn drain(&self) {
        if let Some(fd) = borrowed(&self.read) {
            let mut bytes = [0; 64];
            while matches!(nix::unistd::read(fd, &mut bytes), Ok(len) if len > 0) {}
        }
    }
}

fn borrowed(fd: &AtomicI32) -> Option<BorrowedFd<'static>> {
    let fd: RawFd = fd.load(Ordering::SeqCst);
    if fd < 0 {
        return None;
    }
    #[expect(unsafe_code, reason = "a descriptor kept in an atomic for the signal handler")]
    // SAFETY: `fd` is an end of a pipe made by `WakePipe::open`, which is never closed.
    Some(unsafe { BorrowedFd::borrow_raw(fd) })
}

fn set_handler(signal: Signal, handler: SigHandler, flags: SaFlags) -> nix::Result<()> {
    let action = SigAction::new(handler, flags, SigSet::empty());
    #[expect(unsafe_code, reason = "there is no safe sigaction")]
    // SAFETY: `handle` only touches atomics and calls write(2), sigaction(2), alarm(2) and
    // raise(3), which are async-signal-safe; the other handlers used are SIG_DFL and SIG_IGN.
    unsafe { sigaction(signal, &action) }.map(drop)
}

fn restore_default(signal: Signal) {
    let _ = set_handler(signal, SigHandler::SigDfl, SaFlags::empty());
}

/// Takes over INT, TERM, HUP and USR1. Calls in progress are interrupted, not restarted. A signal
/// that the parent had set to be ignored (nohup) stays ignored.
///
/// # Errors
/// The system's, if it has no descriptor left.
pub fn install() -> io::Result<()> {
    WAKE.open()?;
    WAKE_REPORTER.open()?;
    handle_all(SaFlags::empty())
}

fn handle_all(flags: SaFlags) -> io::Result<()> {
    set_handler(Signal::SIGALRM, SigHandler::Handler(handle), flags)?;
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP, Signal::SIGUSR1] {
        if !is_ignored(signal) {
            set_handler(signal, SigHandler::Handler(handle), flags)?;
        }
    }
    Ok(())
}

fn is_ignored(signal: Signal) -> bool {
    let mut now = MaybeUninit::<libc::sigaction>::uninit();
    #[expect(unsafe_code, reason = "there is no safe way to look at a disposition")]
    // SAFETY: no new action is given, so nothing changes; the old one is written to `now`.
    let done = unsafe { libc::sigaction(signal as i32, std::ptr::null(), now.as_mut_ptr()) };
    if done != 0 {
        return false;
    }
    #[expect(unsafe_code, reason = "there is no safe way to look at a disposition")]
    // SAFETY: the call above succeeded.
    let now = unsafe { now.assume_init() };
    now.sa_sigaction == libc::SIG_IGN
}

/// From now on a signal that comes lets calls in progress go on: for tools that run the code of
/// others, which does not expect reads to be interrupted. poll(2) returns nevertheless.
///
/// # Errors
/// The system's.
pub fn restart_calls() -> io::Result<()> {
    handle_all(SaFlags::SA_RESTART)
}

/// From now on [`interrupt_call`] ends the call that the main thread is blocked in, in spite of
/// [`restart_calls`]. Takes over USR2.
///
/// # Errors
/// The system's.
pub fn allow_interrupts() -> io::Result<()> {
    extern "C" fn interrupted(_: i32) {}
    Ok(set_handler(Signal::SIGUSR2, SigHandler::Handler(interrupted), SaFlags::empty())?)
}

/// Interrupts the call that the main thread is blocked in (`EINTR`): the kernel gives a signal of
/// the process to the main thread if that one takes it.
pub fn interrupt_call() {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGUSR2);
}

/// From now on HUP asks to reopen files ([`take_hup`]) instead of ending the tool.
pub fn reopen_on_hup() {
    HUP_REOPENS.store(true, Ordering::SeqCst);
}

/// From now on the end of a child process wakes [`crate::os::wait`], and [`take_child`] returns it.
///
/// # Errors
/// The system's.
pub fn watch_children() -> io::Result<()> {
    Ok(set_handler(Signal::SIGCHLD, SigHandler::Handler(handle), SaFlags::SA_NOCLDSTOP)?)
}

/// Whether a child process has ended since the last call.
pub fn take_child() -> bool {
    CHILD.swap(false, Ordering::SeqCst)
}

/// The signal that asked for the end, if one did.
pub fn pending() -> Option<Signal> {
    Signal::try_from(PENDING.load(Ordering::SeqCst)).ok()
}

/// Whether HUP came since the last call.
pub fn take_hup() -> bool {
    HUP.swap(false, Ordering::SeqCst)
}

/// Whether USR1 came since the last call: for [`crate::os::reporter`].
pub(super) fn take_usr1() -> bool {
    USR1.swap(false, Ordering::SeqCst)
}

/// Whether USR1 came since the last call: for a tool that prints more than the statistics
/// that [`crate::os::reporter`] prints.
pub fn take_report() -> bool {
    REPORT.swap(false, Ordering::SeqCst)
}

/// USR1 came, and the main thread did not hear it: it reports when it can.
pub(super) fn pass_on_usr1() {
    REPORT.store(true, Ordering::SeqCst);
    WAKE.wake();
}

/// Readable when a signal has come; nothing before [`install`].
pub fn wake_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE.read)
}

/// Takes the wake-up bytes off, after the flags behind them have been looked at.
pub fn drain() {
    WAKE.drain();
}

/// What wakes the reporter: signals and [`wake_reporter`].
pub(super) fn reporter_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE_REPORTER.read)
}

/// Takes the reporter's wake-up bytes off.
pub(super) fn drain_reporter() {
    WAKE_REPORTER.drain();
}

/// Has the reporter look what there is to do.
pub(super) fn wake_reporter() {
    WAKE_REPORTER.wake();
}

/// From now on signals wake a thread by [`manager_fd`] too.
///
/// # Errors
/// The system's, if it has no descriptor left.
pub(super) fn open_manager() -> io::Result<()> {
    WAKE_MANAGER.open()
}

/// What wakes the thread that speaks to the service manager: signals and [`wake_manager`].
pub(super) fn manager_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE_MANAGER.read)
}

/// Takes its wake-up bytes off.
pub(super) fn drain_manager() {
    WAKE_MANAGER.drain();
}

/// Has it look what there is to say.
pub(super) fn wake_manager() {
    WAKE_MANAGER.wake();
}

/// Dies of `signal`, so that the parent sees what really happened.
pub fn die_of(signal: Signal) -> ! {
    restore_default(signal);
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
    let _ = raise(signal);
    // Only reached if the signal is held back from the whole process.
    #[expect(clippy::exit, reason = "a process that cannot die of its signal ends like the shell")]
    std::process::exit(128 + signal as i32)
}
