// SPDX-License-Identifier: MIT OR Apache-2.0
//! The bytes of one sender.

use std::rc::Rc;

use heka_core::record::{Progress, Splitter};
use heka_core::wire::Template;

/// What a sender's bytes are, and how far they have been looked at.
#[derive(Debug)]
pub(crate) struct Source {
    pub(crate) splitter: Rc<Splitter>,
    pub(crate) progress: Progress,
    /// What messages made of its text have in common; frames have none.
    pub(crate) template: Option<Box<Template>>,
    /// Its positions are those of a source on this machine.
    pub(crate) is_local: bool,
}

impl Source {
    pub(crate) fn new(splitter: &Rc<Splitter>, template: Option<Template>, is_local: bool) -> Self {
        let (splitter, template) = (Rc::clone(splitter), template.map(Box::new));
        Self { splitter, progress: Progress::default(), template, is_local }
    }
}

/// How far a look at the bytes of a sender came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Taken {
    /// Bytes that are done with.
    pub(crate) done: usize,
    /// Another look at the others is worth it when there are so many.
    pub(crate) need: usize,
    /// The turn is over: there may be more records in what is there.
    pub(crate) is_cut: bool,
}
