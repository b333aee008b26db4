// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams: each contains whole frames, or one text.

use std::io::IoSliceMut;
use std::net::{SocketAddr, SocketAddrV4, SocketAddrV6};
use std::os::fd::AsRawFd as _;

use heka_core::net::Listener;
use heka_core::os::{Deadline, Kind, detect};
use heka_core::record::More;
use heka_core::report::words::Count;
use heka_core::report::{self, Stop, stats};
use heka_core::wire::{Header, put_frame};
use nix::errno::Errno;
use nix::sys::socket::{MsgFlags, SockaddrStorage, recvmsg};

use crate::cli::{InputForm, Plan};
use crate::doors::Door;
use crate::gelf::Joiner;
use crate::intake::Intake;
use crate::place::Place;
use crate::source::Source;
use crate::transport::Transport;

/// Number of datagrams read before others get their turn.
const TURN: usize = 64;
/// Minimum buffer for a datagram, enough for any over UDP. Over UNIX sockets the sender's system
/// sets the limit, some 400 KiB unless it was raised.
const LEAST_ROOM: usize = 64 * 1024;
const MOST_ROOM: usize = 16 * 1024 * 1024;

/// A message without a frame begins with its UUID: field 1, 16 bytes.
const UUID: &[u8] = &[0x0a, 16];

/// Reads datagrams.
#[derive(Debug)]
pub(crate) struct Inbox {
    form: InputForm,
    /// Number of bytes of all datagrams.
    pub(crate) received: u64,
    /// Whether datagrams contain frames, or text; otherwise each is a message.
    framing: bool,
    /// Joins chunks of GELF.
    joiner: Joiner,
    room: usize,
    /// Buffer for a message that arrived without a frame, with a frame.
    framed: Vec<u8>,
    /// Allocated for the first datagram, and touched only up to the length of the longest one.
    buffer: Vec<u8>,
    /// Finds the frames in each datagram.
    frames: Option<Source>,
}

impl Inbox {
    /// Creates an inbox with the limits of the plan.
    pub(crate) fn new(plan: &Plan) -> Self {
        // The rest of a frame around its message takes no more than that.
        let room = plan.max_record.saturating_add(1024).clamp(LEAST_ROOM, MOST_ROOM);
        Self {
            form: plan.input,
            framing: plan.framing,
            joiner: Joiner::new(plan.max_record, plan.limits.memory),
            received: 0,
            room,
            framed: Vec::new(),
            buffer: Vec::new(),
            frames: None,
        }
    }

    /// Receives datagrams that have arrived; `false` if there are no more.
    ///
    /// # Errors
    /// Errors of the output, which end the tool.
    pub(crate) fn receive(&mut self, door: &Door, intake: &mut Intake) -> Result<bool, Stop> {
        let may_have_more = self.receive_some(&door.listener, intake)?;
        let dropped = door.newly_dropped();
        if dropped > 0 {
            intake.failed = true;
            door.arrivals.drop(u64::from(dropped));
            let count = Count(u64::from(dropped), "datagram");
            let addr = &door.listener.addr;
            report::repeated_loss(
                "datagrams dropped by the system",
                u64::from(dropped),
                format_args!("{addr}: {count} dropped by the system: receive buffer full"),
            );
        }
        Ok(may_have_more)
    }

    fn receive_some(&mut self, listener: &Listener, intake: &mut Intake) -> Result<bool, Stop> {
        self.buffer.resize(self.room, 0);
        intake.turn.begin();
        for _ in 0..TURN {
            let mut slices = [IoSliceMut::new(&mut self.buffer)];
            let fd = listener.socket().as_raw_fd();
            let received = recvmsg::<SockaddrStorage>(fd, &mut slices, None, MsgFlags::empty());
            let (len, from, is_cut) = match received {
                Ok(datagram) => {
                    let is_cut = datagram.flags.contains(MsgFlags::MSG_TRUNC);
                    (datagram.bytes, datagram.address, is_cut)
                }
                Err(Errno::EAGAIN) => return Ok(false),
                // Errors of single datagrams, such as an unreachable port.
                Err(_) => continue,
            };
            let from = from.as_ref().and_then(address);
            let peer = from.map_or_else(|| "unix".to_owned(), |from| from.ip().to_string());
            self.received += len as u64;
            stats::BYTES_IN.add(len as u64);
            if is_cut {
                intake.failed = true;
                let room = self.room;
                let text = format_args!("{peer}: datagram longer than {room} bytes, truncated");
                report::repeated("long datagrams", text);
            }
            let way = Transport::to(&listener.addr);
            let is_turn_over = match self.form {
                InputForm::Gelf => self.take_gelf(len, from, &peer, way, intake)?,
                _ => self.take(len, &peer, way, intake)?,
            };
            if intake.is_full() {
                return Ok(false);
            }
            if is_turn_over {
                break;
            }
        }
        Ok(true)
    }

    /// Processes all records of a datagram of `len` bytes, since it is not kept for another turn;
    /// returns whether that used up a turn.
    fn take(
        &mut self,
        len: usize,
        peer: &str,
        way: Transport,
        intake: &mut Intake,
    ) -> Result<bool, Stop> {
        let mut data = self.buffer.get(..len).unwrap_or_default();
        let kind = match self.form {
            _ if !self.framing => {
                self.framed.clear();
                // A datagram is never too long for a frame.
                let _fits = put_frame(&mut self.framed, Header::default(), data);
                data = &self.framed;
                Some(Kind::Frames)
            }
            InputForm::Heka => Some(Kind::Frames),
            InputForm::Auto => detect(data, More::Ended),
            InputForm::Lines | InputForm::Syslog | InputForm::Gelf | InputForm::Raw => {
                Some(Kind::Text)
            }
        };
        if kind == Some(Kind::Text) && self.form == InputForm::Auto && data.starts_with(UUID) {
            let text = format_args!("{peer}: looks like a message without a frame (--no-framing)");
            report::repeated("datagrams without frames", text);
        }
        let source = match (kind, self.form) {
            (Some(Kind::Frames), _) => {
                let frames =
                    self.frames.get_or_insert_with(|| intake.sources.frames(way.is_local()));
                frames.is_local = way.is_local();
                frames.progress.restart();
                frames
            }
            (Some(Kind::Text), InputForm::Lines) => &mut intake.sources.lines(peer, way),
            (Some(Kind::Text), _) => &mut intake.sources.bytes(peer, way),
            (None, _) => return Ok(false),
        };
        receive_all(source, peer, data, intake)
    }

    /// Processes a GELF datagram in the same way.
    fn take_gelf(
        &mut self,
        len: usize,
        from: Option<SocketAddr>,
        peer: &str,
        way: Transport,
        intake: &mut Intake,
    ) -> Result<bool, Stop> {
        let taken = self.joiner.take(from, self.buffer.get(..len).unwrap_or_default());
        let is_turn_over = match taken {
            Ok(Some(record)) => {
                receive_all(&mut intake.sources.gelf_datagram(peer, way), peer, &record, intake)?
            }
            Ok(None) => false,
            Err(cause) => {
                intake.lose(peer, &cause);
                false
            }
        };
        self.give_up(intake, false);
        Ok(is_turn_over)
    }

    /// Drops incomplete messages that are overdue; at the end all of them.
    pub(crate) fn give_up(&mut self, intake: &mut Intake, is_end: bool) {
        for (peer, cause) in self.joiner.give_up(is_end) {
            intake.lose(&peer, &cause);
        }
    }

    /// Returns when to do so even without events.
    pub(crate) fn due(&self) -> Deadline {
        self.joiner.due()
    }
}

/// Processes all records of a datagram.
fn receive_all(
    source: &mut Source,
    peer: &str,
    mut data: &[u8],
    intake: &mut Intake,
) -> Result<bool, Stop> {
    let place = &mut Place::without_numbers();
    let mut is_turn_over = false;
    loop {
        let taken = intake.receive(source, place, peer, data, More::Ended)?;
        if !taken.is_cut || intake.is_full() {
            return Ok(is_turn_over);
        }
        data = data.get(taken.done..).unwrap_or_default();
        is_turn_over = true;
        intake.turn.begin();
    }
}

/// Returns the address of the sender; an IPv4 peer of a dual-stack socket as IPv4.
fn address(from: &SockaddrStorage) -> Option<SocketAddr> {
    let v4 = from.as_sockaddr_in().map(|addr| SocketAddrV4::from(*addr).into());
    let addr: SocketAddr =
        v4.or_else(|| Some(SocketAddrV6::from(*from.as_sockaddr_in6()?).into()))?;
    Some(SocketAddr::new(addr.ip().to_canonical(), addr.port()))
}
