//! The calls that wait for a worker, in three lines.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::live::LiveCall;

/// Bytes of its journal by which a take is far behind: about a minute of a call, which only one that begins anew is, if there are
/// workers enough.
pub(crate) const FAR_BEHIND: u64 = 1 << 20;
/// Slices of other calls before one that is far behind has its turn.
const OTHERS_FIRST: u32 = 8;

/// One that begins anew late in a long call keeps nobody waiting who hangs up meanwhile, and no live call.
#[derive(Debug, Default)]
pub(crate) struct Queue {
    /// Calls that have ended; somebody waits for them.
    ended: VecDeque<Arc<LiveCall>>,
    /// Live calls, to be brought up to date.
    live: VecDeque<Arc<LiveCall>>,
    /// Calls of either kind of which much is to be read.
    far_behind: VecDeque<Arc<LiveCall>>,
    /// Slices that others had while such a call waited.
    before: u32,
}

impl Queue {
    pub(crate) fn push(&mut self, call: Arc<LiveCall>) {
        let line = if call.is_far_behind.load(Ordering::Acquire) {
            &mut self.far_behind
        } else if call.sealed.load(Ordering::Acquire) {
            &mut self.ended
        } else {
            &mut self.live
        };
        line.push_back(call);
    }

    /// One that has ended, and had a slice, goes on before others that have; unless it is far behind.
    pub(crate) fn push_first(&mut self, call: Arc<LiveCall>) {
        if call.is_far_behind.load(Ordering::Acquire) {
            self.far_behind.push_back(call);
        } else {
            self.ended.push_front(call);
        }
    }

    /// A live call that waits has ended meanwhile: it is not to wait for the others. Tells whether it was in their line.
    pub(crate) fn move_up(&mut self, call: &Arc<LiveCall>) -> bool {
        let at = self.live.iter().position(|waiting| Arc::ptr_eq(waiting, call));
        let call = at.and_then(|at| self.live.remove(at));
        let was_there = call.is_some();
        self.ended.extend(call);
        was_there
    }

    pub(crate) fn len(&self) -> usize {
        self.ended.len() + self.live.len() + self.far_behind.len()
    }

    /// Who is next: one that has ended, a live one, or one that is far behind, which has every ninth slice at least.
    pub(crate) fn pop(&mut self) -> Option<Arc<LiveCall>> {
        let waited = self.before >= OTHERS_FIRST;
        let other = if waited { None } else { self.ended.pop_front().or_else(|| self.live.pop_front()) };
        if other.is_some() {
            self.before += u32::from(!self.far_behind.is_empty());
            return other;
        }
        self.before = 0;
        self.far_behind.pop_front().or_else(|| self.ended.pop_front()).or_else(|| self.live.pop_front())
    }

    /// The next that has ended.
    pub(crate) fn pop_ended(&mut self) -> Option<Arc<LiveCall>> {
        self.ended.pop_front()
    }
}

#[cfg(test)]
mod tests;
