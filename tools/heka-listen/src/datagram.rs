// SPDX-License-Identifier: MIT OR Apache-2.0
//! Datagrams: each holds whole frames, or one text.

use std::os::fd::AsRawFd as _;

use heka_core::exit::Stop;
use heka_core::net::Listener;
use heka_core::stats;
use heka_core::stream::{Kind, detect};
use heka_core::wire::Behind;
use nix::errno::Errno;
use nix::sys::socket::{SockaddrStorage, recvfrom};

use crate::cli::InputForm;
use crate::intake::Intake;
use crate::streams::Place;

/// So many are read before others get their turn.
const TURN: usize = 64;

/// Takes datagrams that have arrived; `false` if there are no more.
pub(crate) fn receive(
    listener: &Listener,
    form: InputForm,
    buffer: &mut [u8],
    intake: &mut Intake,
) -> Result<bool, Stop> {
    for _ in 0..TURN {
        let received = recvfrom::<SockaddrStorage>(listener.socket().as_raw_fd(), buffer);
        let (len, from) = match received {
            Ok(received) => received,
            Err(Errno::EAGAIN) => return Ok(false),
            // Errors of single datagrams, such as a port that an answer could not reach.
            Err(_) => continue,
        };
        let peer = from.map_or_else(|| "unix".to_owned(), |from| name(&from));
        let data = buffer.get(..len).unwrap_or_default();
        stats::BYTES_IN.add(len as u64);
        take(data, &peer, form, intake)?;
        if intake.is_full() {
            return Ok(false);
        }
    }
    Ok(true)
}

fn take(data: &[u8], peer: &str, form: InputForm, intake: &mut Intake) -> Result<(), Stop> {
    let kind = match form {
        InputForm::Heka => Some(Kind::Frames),
        InputForm::Auto => detect(data, Behind::End),
        InputForm::Lines | InputForm::Raw => Some(Kind::Text),
    };
    match kind {
        Some(Kind::Frames) => {
            let mut deframer = intake.deframer();
            let place = &mut Place::default();
            intake.frames(&mut deframer, place, peer, data, Behind::End).map(drop)
        }
        Some(Kind::Text) => {
            let template = intake.template(peer);
            if form == InputForm::Lines {
                intake.lines(&template, peer, data, 0, Behind::End).map(drop)
            } else {
                intake.text(&template, peer, data)
            }
        }
        None => Ok(()),
    }
}

fn name(from: &SockaddrStorage) -> String {
    let v4 = from.as_sockaddr_in().map(|addr| addr.ip().to_string());
    let v6 = from.as_sockaddr_in6().map(|addr| addr.ip().to_canonical().to_string());
    v4.or(v6).unwrap_or_else(|| "unix".to_owned())
}
