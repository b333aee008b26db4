// SPDX-License-Identifier: MIT OR Apache-2.0
//! Signals as a descriptor to poll, and genuine deaths by signal.
//!
//! INT and TERM (and HUP, unless the tool reopens files on it) request an orderly end: the first is
//! noticed by [`crate::os::wait`], the second ends the process at once. USR1 is handled by
//! [`crate::os::reporter`]. PIPE stays ignored, as Rust sets it: a dead socket must not kill the
//! process. The end of *stdout's* reader becomes a death by PIPE in [`crate::cli::exit::finish`].

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
/// Wakes the main thread.
static WAKE: WakePipe = WakePipe::new();
/// Wakes the thread of [`crate::os::reporter`], which runs even while the tool is stuck.
static WAKE_REPORTER: WakePipe = WakePipe::new();
/// Wakes the thread that notifies the service manager, if there is one.
static WAKE_MANAGER: WakePipe = WakePipe::new();

/// Seconds until a call that began just after a signal is interrupted as well.
const AGAIN: u32 = 1;

/// Handles a signal, which is noticed before a write that may block or by the interruption of the
/// write. A signal in between would be missed, so an alarm interrupts the write.
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

/// Installs handlers for INT, TERM, HUP and USR1. Calls in progress are interrupted, not restarted.
/// A signal that the parent ignored (nohup) stays ignored.
///
/// # Errors
/// If no descriptor is available.
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

/// Makes signals no longer interrupt calls in progress: for tools that run code of others, which
/// does not expect interrupted reads. poll(2) still returns.
///
/// # Errors
/// Any error of sigaction(2).
pub fn restart_calls() -> io::Result<()> {
    handle_all(SaFlags::SA_RESTART)
}

/// Makes [`interrupt_call`] work in spite of [`restart_calls`]. Uses USR2.
///
/// # Errors
/// Any error of sigaction(2).
pub fn allow_interrupts() -> io::Result<()> {
    extern "C" fn interrupted(_: i32) {}
    Ok(set_handler(Signal::SIGUSR2, SigHandler::Handler(interrupted), SaFlags::empty())?)
}

/// Interrupts the call in which the main thread is blocked (`EINTR`): the kernel prefers the main
/// thread for signals of the process.
pub fn interrupt_call() {
    let _ = nix::sys::signal::kill(nix::unistd::getpid(), Signal::SIGUSR2);
}

/// Makes HUP a request to reopen files ([`take_hup`]) instead of ending the tool.
pub fn reopen_on_hup() {
    HUP_REOPENS.store(true, Ordering::SeqCst);
}

/// Makes the end of a child process wake [`crate::os::wait`] and [`take_child`] return `true`.
///
/// # Errors
/// Any error of sigaction(2).
pub fn watch_children() -> io::Result<()> {
    Ok(set_handler(Signal::SIGCHLD, SigHandler::Handler(handle), SaFlags::SA_NOCLDSTOP)?)
}

/// Whether a child process has ended since the last call.
pub fn take_child() -> bool {
    CHILD.swap(false, Ordering::SeqCst)
}

/// Returns the signal that requested the end, if any.
pub fn pending() -> Option<Signal> {
    Signal::try_from(PENDING.load(Ordering::SeqCst)).ok()
}

/// Whether HUP came since the last call.
pub fn take_hup() -> bool {
    HUP.swap(false, Ordering::SeqCst)
}

/// Whether USR1 came since the last call, for [`crate::os::reporter`].
pub(super) fn take_usr1() -> bool {
    USR1.swap(false, Ordering::SeqCst)
}

/// Whether USR1 came since the last call, for a tool that reports more than the statistics of
/// [`crate::os::reporter`].
pub fn take_report() -> bool {
    REPORT.swap(false, Ordering::SeqCst)
}

/// Notes a USR1 that the main thread has not handled, so that it reports when it can.
pub(super) fn pass_on_usr1() {
    REPORT.store(true, Ordering::SeqCst);
    WAKE.wake();
}

/// Returns a descriptor that is readable after a signal; `None` before [`install`].
pub fn wake_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE.read)
}

/// Removes the wake-up bytes, after the flags have been checked.
pub fn drain() {
    WAKE.drain();
}

/// Returns the descriptor that wakes the reporter: on signals and [`wake_reporter`].
pub(super) fn reporter_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE_REPORTER.read)
}

/// Removes the reporter's wake-up bytes.
pub(super) fn drain_reporter() {
    WAKE_REPORTER.drain();
}

/// Wakes the reporter.
pub(super) fn wake_reporter() {
    WAKE_REPORTER.wake();
}

/// Makes signals also wake a thread through [`manager_fd`].
///
/// # Errors
/// If no descriptor is available.
pub(super) fn open_manager() -> io::Result<()> {
    WAKE_MANAGER.open()
}

/// Returns the descriptor that wakes the thread for the service manager: on signals and
/// [`wake_manager`].
pub(super) fn manager_fd() -> Option<BorrowedFd<'static>> {
    borrowed(&WAKE_MANAGER.read)
}

/// Removes the wake-up bytes of the thread for the service manager.
pub(super) fn drain_manager() {
    WAKE_MANAGER.drain();
}

/// Wakes the thread for the service manager.
pub(super) fn wake_manager() {
    WAKE_MANAGER.wake();
}

/// Dies of `signal`, so that the parent sees the true cause.
pub fn die_of(signal: Signal) -> ! {
    restore_default(signal);
    let mut set = SigSet::empty();
    set.add(signal);
    let _ = set.thread_unblock();
    let _ = raise(signal);
    // Only reached if the signal is blocked in the whole process.
    #[expect(clippy::exit, reason = "a process that cannot die of its signal ends like the shell")]
    std::process::exit(128 + signal as i32)
}
