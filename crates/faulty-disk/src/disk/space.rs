//! How much of a disk is free, and how much of it is said to be.

use std::collections::BTreeSet;

use super::{FaultyDisk, State};
use crate::node::Node;

/// How much there is.
#[derive(Clone, Copy)]
pub(super) struct Space {
    /// For all files together; without end where it is of no concern.
    size: u64,
    /// So much more is said to be free than is.
    overstated: u64,
}

impl Default for Space {
    fn default() -> Self {
        Self { size: u64::MAX, overstated: 0 }
    }
}

impl FaultyDisk {
    /// How many bytes are free from here on. Files take of them as they grow, until there are none, and give them back when they are
    /// cut or have no name any more.
    pub fn set_free(&self, bytes: u64) {
        self.set_free_and_told(bytes, bytes);
    }

    /// The same, and that more are said to be free, by so much as there are now: others need these before anybody knows.
    pub fn set_free_and_told(&self, bytes: u64, told: u64) {
        let mut state = self.state();
        let overstated = told.saturating_sub(bytes);
        state.space = Space { size: state.used().saturating_add(bytes), overstated };
    }
}

impl State {
    /// What the files take, each once.
    fn used(&self) -> u64 {
        let directories = self.nodes.iter().filter_map(|node| match node {
            Node::Directory(directory) => Some(directory),
            Node::File(_) => None,
        });
        let named: BTreeSet<_> = directories.flat_map(|directory| directory.cached.values()).collect();
        let len = |node: &Node| match node {
            Node::File(file) => file.cached.len() as u64,
            Node::Directory(_) => 0,
        };
        named.into_iter().map(|id| len(&self.nodes[*id])).sum()
    }

    /// How many bytes are free.
    pub(super) fn free(&self) -> u64 {
        match self.space.size {
            u64::MAX => u64::MAX,
            size => size.saturating_sub(self.used()),
        }
    }

    /// How many are said to be.
    pub(super) fn told_free(&self) -> u64 {
        self.free().saturating_add(self.space.overstated)
    }
}
