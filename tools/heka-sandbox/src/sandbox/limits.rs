// SPDX-License-Identifier: MIT OR Apache-2.0
//! The instruction limit, and the means to stop a plugin from outside: a count hook.
//!
//! The hook runs every [`INTERVAL`] instructions in every coroutine and adds to one sum, so that
//! work cannot be hidden in coroutines. The error that it raises at the limit can be caught with
//! pcall, as in `lua_sandbox`, but only [`STRIKES`] times per call. From then on, and once the
//! sandbox has been told to stop, it is raised at every instruction, which nothing gets past. Code
//! that spends time inside one C function, where no hook runs, is left to the keeper.

use std::ffi::{CStr, c_int};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicI32, AtomicU8, AtomicU32, AtomicU64, Ordering};

use mlua::{Function, LightUserData, Lua, ffi};

/// Number of instructions between checks.
const INTERVAL: u64 = 1000;
/// Number of times that the limit may be reached, and caught, within one call.
const STRIKES: u32 = 10;
/// Registry key of the pointer to the limits.
static KEY: u8 = 0;

/// The reason why a plugin is forced to end.
#[derive(Clone, Copy, Debug)]
#[repr(u8)]
pub(crate) enum Cause {
    /// The host ends.
    Shutdown = 1,
    /// A call exceeded its processor time.
    CpuLimit = 2,
}

/// Counts and requests, shared with the thread that watches.
#[derive(Debug, Default)]
pub(crate) struct Limits {
    /// Maximum number of instructions per call; 0 for no limit.
    limit: AtomicU64,
    used: AtomicU64,
    strikes: AtomicU32,
    ending: AtomicBool,
    over: AtomicBool,
    /// A [`Cause`], once the plugin has been told to end.
    stopped: AtomicU8,
    /// Counts the beginnings and ends of calls: odd within one.
    phase: AtomicU64,
    /// The line of the ruler at which the hook fired, while the remainder of a call is measured.
    ruler: AtomicI32,
}

/// Value of [`Limits::ruler`] when nothing is measured.
const NOT_MEASURING: i32 = 0;
const MEASURING: i32 = -1;

impl Limits {
    /// Sets the limit on the instructions of a call; 0 for no limit.
    pub(crate) fn set(&self, limit: u64) {
        self.limit.store(limit, Ordering::Relaxed);
    }

    /// Asks the plugin to end by itself: `is_running()` returns false.
    pub(crate) fn ask_to_end(&self) {
        self.ending.store(true, Ordering::SeqCst);
    }

    /// Whether the plugin has been asked to end.
    pub(crate) fn is_ending(&self) -> bool {
        self.ending.load(Ordering::SeqCst)
    }

    /// Ends the plugin because its host wants no more messages.
    pub(crate) fn finish(&self) {
        self.over.store(true, Ordering::SeqCst);
        self.stop(Cause::Shutdown);
    }

    /// Whether the host wants no more messages.
    pub(crate) fn is_over(&self) -> bool {
        self.over.load(Ordering::SeqCst)
    }

    /// Forces the plugin to end: each further instruction raises an error. The first cause is kept.
    pub(crate) fn stop(&self, cause: Cause) {
        let (old, new) = (Ordering::SeqCst, Ordering::SeqCst);
        let _ = self.stopped.compare_exchange(0, cause as u8, old, new);
    }

    /// Whether the plugin has been told to end.
    pub(crate) fn is_stopped(&self) -> bool {
        self.stopped().is_some()
    }

    /// Returns a description of why the plugin has been told to end, if it has been.
    pub(super) fn stopped(&self) -> Option<&'static CStr> {
        match self.stopped.load(Ordering::SeqCst) {
            0 => None,
            cause if cause == Cause::CpuLimit as u8 => Some(c"cpu_limit exceeded"),
            _ => Some(c"shutting down"),
        }
    }

    /// Returns the call in progress, if its instructions are limited.
    pub(crate) fn limited_call(&self) -> Option<u64> {
        let phase = self.phase.load(Ordering::SeqCst);
        (phase % 2 == 1 && self.limit.load(Ordering::Relaxed) > 0).then_some(phase)
    }

    /// Stops counting at the end of a call.
    pub(super) fn disarm(&self) {
        self.phase.fetch_add(1, Ordering::SeqCst);
    }

    /// Starts counting for a call.
    pub(crate) fn arm(self: &Arc<Self>, lua: &Lua) -> mlua::Result<()> {
        self.used.store(0, Ordering::Relaxed);
        self.strikes.store(0, Ordering::Relaxed);
        self.phase.fetch_add(1, Ordering::SeqCst);
        let count = self.next_interval();
        let this = LightUserData(Arc::as_ptr(self).cast_mut().cast());
        let key = LightUserData((&raw const KEY).cast_mut().cast());
        #[expect(
            unsafe_code,
            clippy::multiple_unsafe_ops_per_block,
            reason = "mlua's own hooks raise userdata, not strings"
        )]
        // SAFETY: `on_count` finds the pointer under `KEY`; the sandbox keeps its `Limits` longer
        // than its Lua state.
        unsafe {
            lua.exec_raw((key, this), |state| {
                ffi::lua_rawset(state, ffi::LUA_REGISTRYINDEX);
                ffi::lua_sethook(state, Some(on_count), ffi::LUA_MASKCOUNT, count);
            })
        }
    }

    /// Returns the number of instructions of the call that has just ended, 0 without a limit.
    /// `ruler` is from [`ruler`].
    pub(crate) fn usage(&self, ruler: &Function) -> u64 {
        if self.limit.load(Ordering::Relaxed) == 0 || self.stopped().is_some() {
            return 0;
        }
        let used = self.used.load(Ordering::Relaxed);
        let interval = u64::from(self.next_interval().unsigned_abs());
        // Lua does not reveal its counter, but the line at which the hook fires next does.
        self.ruler.store(MEASURING, Ordering::Relaxed);
        let ended: mlua::Result<()> = ruler.call(());
        let line = self.ruler.swap(NOT_MEASURING, Ordering::Relaxed);
        match (ended, u64::try_from(line)) {
            (Err(_), Ok(line)) if line > 1 => used + interval.saturating_sub(line - 1),
            _ => used,
        }
    }

    /// Returns the number of instructions until the next check.
    fn next_interval(&self) -> c_int {
        let limit = self.limit.load(Ordering::Relaxed);
        let left = limit.saturating_sub(self.used.load(Ordering::Relaxed));
        let interval = if limit == 0 { INTERVAL } else { left.clamp(1, INTERVAL) };
        c_int::try_from(interval).unwrap_or(1)
    }

    /// Decides what to do after `count` more instructions.
    fn look(&self, count: u64) -> Look {
        if let Some(text) = self.stopped() {
            return Look::Stop(text);
        }
        let limit = self.limit.load(Ordering::Relaxed);
        if limit == 0 {
            return Look::Go;
        }
        if self.strikes.load(Ordering::Relaxed) > STRIKES {
            return Look::End;
        }
        let used = self.used.load(Ordering::Relaxed) + count;
        if used < limit {
            self.used.store(used, Ordering::Relaxed);
            return Look::Go;
        }
        self.used.store(0, Ordering::Relaxed);
        self.strikes.fetch_add(1, Ordering::Relaxed);
        Look::Exceeded
    }
}

/// The decision of the hook.
enum Look {
    Go,
    /// The limit is reached: an error that may be caught.
    Exceeded,
    /// It was reached too often: an error at every instruction.
    End,
    /// The sandbox has been told to stop: an error at every instruction.
    Stop(&'static CStr),
}

/// Creates a function whose n-th instruction is in line n + 1, which reveals the counter.
pub(crate) fn ruler(lua: &Lua) -> mlua::Result<Function> {
    let lines = usize::try_from(INTERVAL).unwrap_or(0) + 1;
    lua.load(format!("local a,b\n{}", "a=b\n".repeat(lines))).set_name("=ruler").into_function()
}

#[expect(unsafe_code, clippy::multiple_unsafe_ops_per_block, reason = "a Lua hook")]
unsafe extern "C-unwind" fn on_count(state: *mut ffi::lua_State, ar: *mut ffi::lua_Debug) {
    // SAFETY: Lua calls this with a valid state and record, in a Lua function, with 20 free slots.
    // Nothing here needs dropping, so that `luaL_error` skips nothing. `arm` put the pointer there.
    unsafe {
        ffi::lua_pushlightuserdata(state, (&raw const KEY).cast_mut().cast());
        ffi::lua_rawget(state, ffi::LUA_REGISTRYINDEX);
        let limits = ffi::lua_touserdata(state, -1).cast::<Limits>();
        ffi::lua_pop(state, 1);
        let limits = &*limits;
        if limits.ruler.load(Ordering::Relaxed) == MEASURING {
            ffi::lua_getinfo(state, c"l".as_ptr(), ar);
            limits.ruler.store((*ar).currentline, Ordering::Relaxed);
            ffi::luaL_error(state, c"measured".as_ptr());
            return;
        }
        let count = u64::from(ffi::lua_gethookcount(state).unsigned_abs());
        let (text, interval) = match limits.look(count) {
            Look::Go => (None, limits.next_interval()),
            Look::Exceeded => (Some(c"instruction_limit exceeded"), limits.next_interval()),
            Look::End => (Some(c"instruction_limit exceeded"), 1),
            Look::Stop(text) => (Some(text), 1),
        };
        if ffi::lua_gethookcount(state) != interval {
            ffi::lua_sethook(state, Some(on_count), ffi::LUA_MASKCOUNT, interval);
        }
        if let Some(text) = text {
            ffi::luaL_error(state, text.as_ptr());
        }
    }
}
