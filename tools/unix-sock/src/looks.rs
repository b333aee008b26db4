// SPDX-License-Identifier: MIT OR Apache-2.0
//! Polling for packets before waiting for them: sleeping and waking up costs more than a few packets. The
//! processor is yielded between two polls, which pays off only as long as no other process wants it.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use heka_core::os::Deadline;
use nix::poll::{PollFd, PollFlags, PollTimeout, poll};

/// Number of polls after many packets.
const LOOKS: u8 = 8;
/// Yielding the processor for longer than this shows that other processes need it.
const CROWDED: Duration = Duration::from_micros(200);
/// Time without polls after that.
const PAUSE: Duration = Duration::from_millis(100);

/// The polls that are left.
#[derive(Debug, Default)]
pub(crate) struct Looks {
    left: u8,
    pause: Deadline,
}

impl Looks {
    /// Expects more packets soon.
    pub(crate) fn expect(&mut self) {
        self.left = LOOKS;
    }

    /// Polls a socket as often as is left, and returns whether it is ready.
    pub(crate) fn find(&mut self, socket: &impl AsFd, wanted: PollFlags) -> bool {
        while self.left > 0 {
            let before = Instant::now();
            if self.pause.is_some_and(|pause| before < pause) {
                return false;
            }
            self.left -= 1;
            std::thread::yield_now();
            let after = Instant::now();
            self.pause = (after - before > CROWDED).then(|| after + PAUSE);
            let mut sockets = [PollFd::new(socket.as_fd(), wanted)];
            if poll(&mut sockets, PollTimeout::ZERO).is_ok_and(|ready| ready > 0) {
                return true;
            }
        }
        false
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;
    use std::os::unix::net::UnixStream;

    use super::*;

    #[test]
    fn what_is_there_is_found_and_what_is_not_is_not_looked_for_forever() {
        let (mut near, far) = UnixStream::pair().unwrap();
        let mut looks = Looks::default();
        near.write_all(b"x").unwrap();
        assert!(!looks.find(&far, PollFlags::POLLIN), "nothing is expected");
        looks.expect();
        assert!(looks.find(&far, PollFlags::POLLIN) || looks.pause.is_some());
        assert!(!looks.find(&near, PollFlags::POLLIN));
        assert!(looks.left == 0 || looks.pause.is_some());
    }

    #[test]
    fn nobody_looks_while_others_need_the_processor() {
        let (near, _far) = UnixStream::pair().unwrap();
        let mut looks = Looks { left: LOOKS, pause: Some(Instant::now() + PAUSE * 600) };
        assert!(!looks.find(&near, PollFlags::POLLOUT));
        assert_eq!(looks.left, LOOKS);
    }
}
