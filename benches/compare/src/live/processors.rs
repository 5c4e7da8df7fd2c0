//! Who has which processor: the server under measure one of its own, and whoever sends to it another.

use rustix::thread::{CpuSet, sched_getaffinity, sched_setaffinity};
use std::process::{Child, Command};

/// The processors that are used, if there are two.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Processors(Option<[usize; 2]>);

impl Processors {
    /// The first two that this process may use.
    pub(crate) fn choose() -> anyhow::Result<Self> {
        let allowed = sched_getaffinity(None)?;
        let mut allowed = (0..CpuSet::MAX_CPU).filter(|number| allowed.is_set(*number));
        Ok(Self(allowed.next().zip(allowed.next()).map(|(sender, server)| [sender, server])))
    }

    /// Moves this thread to where the sender belongs.
    pub(crate) fn send_here(&self) -> anyhow::Result<()> {
        self.move_to(0)
    }

    /// Starts a process where the server belongs; it has one processor and knows of no other.
    pub(crate) fn spawn(&self, server: &mut Command) -> anyhow::Result<Child> {
        // A child stays where it was started.
        self.move_to(1)?;
        let child = server.spawn();
        self.send_here()?;
        Ok(child?)
    }

    fn move_to(&self, which: usize) -> anyhow::Result<()> {
        let Some(processors) = self.0 else { return Ok(()) };
        let mut set = CpuSet::new();
        set.set(processors[which]);
        Ok(sched_setaffinity(None, &set)?)
    }

    /// How it is, for the page of results.
    pub(crate) fn told(&self) -> &'static str {
        match self.0 {
            Some(_) => "each server had a processor of its own, and what called it another",
            None => "servers and what called them shared one processor",
        }
    }
}
