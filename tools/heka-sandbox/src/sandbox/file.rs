// SPDX-License-Identifier: MIT OR Apache-2.0
//! Reads from the files of Lua's io library.
//!
//! `find_message(file)` must not wait for a full buffer as fread(3) does: on a pipe, each message
//! is needed as it arrives. So bytes buffered by the C library are used first, and then whatever
//! the descriptor has. Regular files never block and are left to fread(3), which keeps
//! `file:seek()` correct.

use std::ffi::c_void;
use std::os::fd::BorrowedFd;

use mlua::{AnyUserData, Value};
use nix::errno::Errno;
use nix::libc;

use super::Context;
use super::raise::Raise;

/// An open file of Lua's io library. It is kept alive, but the plugin may close it at any time.
#[derive(Debug)]
pub(super) struct LuaFile {
    userdata: AnyUserData,
    /// Its address in Lua.
    address: *const c_void,
}

impl LuaFile {
    /// Wraps a userdata that io recognises as a file; `index` is the argument's number.
    pub(super) fn new(
        context: &Context,
        userdata: &AnyUserData,
        index: i32,
    ) -> Result<Self, Raise> {
        let kind: Option<Value> = match context.io_type.get() {
            Some(io_type) => Some(io_type.call(userdata)?),
            None => None,
        };
        match kind {
            Some(Value::String(_)) => {
                Ok(Self { userdata: userdata.clone(), address: userdata.to_pointer() })
            }
            _ => Err(Raise::Argument(index, "FILE* expected, got userdata".to_owned())),
        }
    }

    /// Whether this is the userdata at an address.
    pub(super) fn is_at(&self, address: *const c_void) -> bool {
        self.address == address
    }

    /// Like [`LuaFile::read_some`], with counting.
    pub(super) fn read(&self, context: &Context, buffer: &mut [u8]) -> Result<usize, Raise> {
        let len = self.read_some(context, buffer)?;
        heka_core::report::stats::BYTES_IN.add(len as u64);
        Ok(len)
    }

    /// Reads available data, waiting only if there is none; 0 at the end, or if the plugin should
    /// end.
    fn read_some(&self, context: &Context, buffer: &mut [u8]) -> Result<usize, Raise> {
        let Some(stream) = Stream::of(&self.userdata) else {
            return Err(Raise::here("attempt to use a closed file"));
        };
        if context.limits.is_ending() {
            return Ok(0);
        }
        let fd = stream.fd();
        let is_regular = nix::sys::stat::fstat(fd)
            .is_ok_and(|stat| stat.st_mode & libc::S_IFMT == libc::S_IFREG);
        if is_regular {
            return stream.read_buffered(buffer).map_err(failed);
        }
        match stream.buffered() {
            0 => loop {
                if !context.host.borrow_mut().wait_readable(fd) {
                    return Ok(0);
                }
                match nix::unistd::read(fd, buffer) {
                    Err(Errno::EINTR | Errno::EAGAIN) => {}
                    read => return read.map_err(failed),
                }
            },
            buffered => {
                let len = buffered.min(buffer.len());
                stream.read_buffered(&mut buffer[..len]).map_err(failed)
            }
        }
    }
}

/// Creates the error for a failed read, which is not the end of input.
fn failed(error: Errno) -> Raise {
    Raise::here(format!("read error: {}", error.desc()))
}

/// The C stream of a Lua file: valid until the plugin runs again.
#[derive(Clone, Copy)]
struct Stream(*mut libc::FILE);

#[expect(unsafe_code, reason = "Lua's files are C streams")]
impl Stream {
    fn of(userdata: &AnyUserData) -> Option<Self> {
        let slot = userdata.to_pointer().cast::<*mut libc::FILE>();
        // SAFETY: io.type() recognised the userdata, and those of Lua 5.1 hold one `FILE *`, null
        // once closed.
        let stream = unsafe { *slot };
        (!stream.is_null()).then_some(Self(stream))
    }

    fn fd(&self) -> BorrowedFd<'_> {
        // SAFETY: the stream is open.
        let fd = unsafe { libc::fileno(self.0) };
        // SAFETY: an open stream of Lua's io library has an open descriptor; only the plugin could
        // close it, which does not run before the borrow ends.
        unsafe { BorrowedFd::borrow_raw(fd) }
    }

    fn read_buffered(&self, buffer: &mut [u8]) -> Result<usize, Errno> {
        // SAFETY: the stream is open, and `buffer` has room for its length.
        let len = unsafe { libc::fread(buffer.as_mut_ptr().cast(), 1, buffer.len(), self.0) };
        let error = Errno::last();
        // SAFETY: the stream is open.
        match unsafe { libc::ferror(self.0) } {
            0 => Ok(len),
            // Data before the error is valid; the error will occur again.
            _ if len > 0 => Ok(len),
            _ => Err(error),
        }
    }

    /// Returns the number of bytes that the C library has read from the descriptor and not
    /// returned.
    #[cfg(target_env = "gnu")]
    fn buffered(&self) -> usize {
        /// The front of `FILE`, part of glibc's ABI since its headers defined getc as a macro.
        #[repr(C)]
        struct Front {
            _flags: libc::c_int,
            read_ptr: *const u8,
            read_end: *const u8,
        }
        // SAFETY: see `Front`; the stream is open and only this thread uses it.
        let front = unsafe { &*self.0.cast::<Front>() };
        (front.read_end as usize).saturating_sub(front.read_ptr as usize)
    }

    /// Unknown with other C libraries: a plugin that mixes `file:read` and `find_message` on one
    /// pipe gets the bytes left over from the former only when the C library returns them.
    #[cfg(not(target_env = "gnu"))]
    fn buffered(&self) -> usize {
        0
    }
}
