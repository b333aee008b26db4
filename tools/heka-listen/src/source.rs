// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of one sender.

use std::rc::Rc;

use heka_core::record::{Framing, Limit, Oversize, Progress, Splitter};
use heka_core::wire::Template;

use crate::cli::Plan;
use crate::transport::Transport;

/// What a sender's bytes are, and how far they have been looked at.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) splitter: Rc<Splitter>,
    pub(crate) progress: Progress,
    /// What messages made of its text have in common; frames have none.
    pub(crate) template: Option<Box<Template>>,
    /// Its text is GELF.
    pub(crate) is_gelf: bool,
    /// Its positions are those of a source on this machine.
    pub(crate) is_local: bool,
}

impl Source {
    pub(crate) fn new(splitter: &Rc<Splitter>, template: Option<Template>, is_local: bool) -> Self {
        let (splitter, template) = (Rc::clone(splitter), template.map(Box::new));
        Self { splitter, progress: Progress::default(), template, is_gelf: false, is_local }
    }
}

/// What the bytes of senders can be.
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
    /// How much room text has in a message.
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

    /// Finds the frames of one sender, who is on this machine if `is_local`.
    pub(crate) fn frames(&self, is_local: bool) -> Source {
        Source::new(&self.frames, None, is_local)
    }

    /// Finds the lines of one sender, their ends included as with Heka's `TokenSplitter`.
    pub(crate) fn lines(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.lines, peer, way)
    }

    /// Finds the syslog messages of one sender, each framed as it chose.
    pub(crate) fn syslog(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.syslog, peer, way)
    }

    /// Finds the GELF messages of one sender.
    pub(crate) fn gelf(&self, peer: &str, way: Transport) -> Source {
        Source { is_gelf: true, ..self.text_of(&self.gelf, peer, way) }
    }

    /// Takes a GELF message that was in datagrams.
    pub(crate) fn gelf_datagram(&self, peer: &str, way: Transport) -> Source {
        Source { is_gelf: true, ..self.text_of(&self.gelf_datagrams, peer, way) }
    }

    /// Takes what arrives of one sender at once as one record.
    pub(crate) fn bytes(&self, peer: &str, way: Transport) -> Source {
        self.text_of(&self.bytes, peer, way)
    }

    fn text_of(&self, splitter: &Rc<Splitter>, peer: &str, way: Transport) -> Source {
        let template = way.template(self.type_.as_deref(), &way.host(peer));
        Source::new(splitter, Some(template), false)
    }
}

/// How far a look at the bytes of a sender came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes that are done with.
    pub(crate) done: usize,
    /// Another look at the others is worth it when there are this many.
    pub(crate) need: usize,
    /// The turn is over: there may be more records in what is there.
    pub(crate) is_cut: bool,
}
