// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of one sender.

use std::rc::Rc;

use heka_core::record::{Framing, Limit, Oversize, Progress, Splitter};
use heka_core::wire::Template;

use crate::cli::Plan;
use crate::transport::Transport;

/// The format of a sender's bytes, and the progress in them.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) splitter: Rc<Splitter>,
    pub(crate) progress: Progress,
    /// The common parts of messages made of its text; absent for frames.
    pub(crate) template: Option<Box<Template>>,
    /// Whether its text is GELF.
    pub(crate) is_gelf: bool,
    /// Whether its positions are those of a source on this host.
    pub(crate) is_local: bool,
}

impl Source {
    pub(crate) fn new(splitter: &Rc<Splitter>, template: Option<Template>, is_local: bool) -> Self {
        let (splitter, template) = (Rc::clone(splitter), template.map(Box::new));
        Self { splitter, progress: Progress::default(), template, is_gelf: false, is_local }
    }
}

/// The possible formats of senders.
#[derive(Debug)]
pub(crate) struct Sources {
    frames: Rc<Splitter>,
    lines: Rc<Splitter>,
    syslog: Rc<Splitter>,
    bytes: Rc<Splitter>,
    gelf: Rc<Splitter>,
    gelf_datagrams: Rc<Splitter>,
    type_: Option<String>,
}

impl Sources {
    /// `room` is the maximum length of text in a message.
    pub(crate) fn new(plan: &Plan, room: usize) -> Self {
        let delimiter = if plan.null { 0 } else { b'\n' };
        let whole = |size: usize| Limit { size, oversize: Oversize::Split };
        let limit = |size: usize| whole(size.min(room));
        let splitter = |framing, limit| Rc::new(Splitter::new(framing, limit));
        Self {
            frames: Rc::new(Splitter::frames(plan.max_record)),
            lines: splitter(Framing::Delimited(delimiter), limit(plan.max_record)),
            syslog: splitter(Framing::Syslog, limit(plan.max_record)),
            bytes: splitter(Framing::None, limit(usize::MAX)),
            gelf: splitter(Framing::Delimited(0), whole(plan.max_record)),
            gelf_datagrams: splitter(Framing::None, whole(usize::MAX)),
            type_: plan.type_.clone(),
        }
    }

    /// Creates the source of a sender of frames; `is_local` says that it is on this host.
    pub(crate) fn frames(&self, is_local: bool) -> Source {
        Source::new(&self.frames, None, is_local)
    }

    /// Creates the source of a sender of lines, with their line ends as in Heka's `TokenSplitter`.
    pub(crate) fn lines(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.lines, peer, way)
    }

    /// Creates the source of a sender of syslog messages, in either framing.
    pub(crate) fn syslog(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.syslog, peer, way)
    }

    /// Creates the source of a sender of GELF messages.
    pub(crate) fn gelf(&self, peer: &str, way: Transport) -> Source {
        Source { is_gelf: true, ..self.text_of(&self.gelf, peer, way) }
    }

    /// Creates the source for GELF messages in datagrams.
    pub(crate) fn gelf_datagram(&self, peer: &str, way: Transport) -> Source {
        Source { is_gelf: true, ..self.text_of(&self.gelf_datagrams, peer, way) }
    }

    /// Creates the source of a sender for which the bytes of one read are a record.
    pub(crate) fn bytes(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.bytes, peer, way)
    }

    fn text_of(&self, splitter: &Rc<Splitter>, peer: &str, way: Transport) -> Source {
        let template = way.template(self.type_.as_deref(), &way.host(peer));
        Source::new(splitter, Some(template), false)
    }
}

/// The result of processing the bytes of a sender.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Number of bytes consumed.
    pub(crate) done: usize,
    /// Number of bytes at which another attempt is worthwhile.
    pub(crate) need: usize,
    /// Whether the turn is over: there may be more records in the available bytes.
    pub(crate) is_cut: bool,
}
