//! What all calls take together, and that it is bounded: the bytes that wait for the disk, and what they may put on it beyond what is
//! kept for them.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering};

use crate::space::UNKNOWN;

/// What a call may hold of its own, however much the others do: three seconds of both sides of a phone line. So a few calls
/// whose bots hand over minutes at once cost the others nothing.
pub(crate) const OWN: usize = 64 * 1024;

/// What all calls of a recorder may hold together, beside what each has of its own.
#[derive(Debug)]
pub(crate) struct Memory {
    most: usize,
    held: AtomicUsize,
    refused: AtomicU64,
    call_full: AtomicU64,
    /// How many bytes of the disk are left beside what must stay free.
    spare_disk: AtomicU64,
    journals_full: AtomicU64,
    no_room: AtomicU64,
}

/// A share of it, given back when dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    memory: Arc<Memory>,
    bytes: usize,
}

impl Memory {
    pub(crate) fn new(most: usize) -> Arc<Self> {
        Arc::new(Self {
            most,
            held: AtomicUsize::new(0),
            refused: AtomicU64::new(0),
            call_full: AtomicU64::new(0),
            spare_disk: AtomicU64::new(UNKNOWN),
            journals_full: AtomicU64::new(0),
            no_room: AtomicU64::new(0),
        })
    }

    /// A share that has nothing yet.
    pub(crate) fn grant(self: &Arc<Self>) -> Grant {
        Grant { memory: Arc::clone(self), bytes: 0 }
    }

    pub(crate) fn most(&self) -> usize {
        self.most
    }

    /// How many bytes are held, without what each call has of its own.
    pub(crate) fn held(&self) -> usize {
        self.held.load(Ordering::Acquire)
    }

    /// How often there was no room.
    pub(crate) fn refused(&self) -> u64 {
        self.refused.load(Ordering::Acquire)
    }

    /// How often there was none in a call's own inbox, whatever the others held.
    pub(crate) fn call_full(&self) -> u64 {
        self.call_full.load(Ordering::Acquire)
    }

    /// How often a stream had no more budget for its journal.
    pub(crate) fn journals_full(&self) -> u64 {
        self.journals_full.load(Ordering::Acquire)
    }

    /// How often a recording had no more room on the disk.
    pub(crate) fn no_room(&self) -> u64 {
        self.no_room.load(Ordering::Acquire)
    }

    /// Counts that a recording had none.
    pub(crate) fn note_no_room(&self) {
        self.no_room.fetch_add(1, Ordering::AcqRel);
    }

    /// The disk was measured: so many bytes of it are left beside what must stay free. What waits, and what waited before it was
    /// measured and may not have been there then, comes out of them.
    pub(crate) fn set_spare_disk(&self, bytes: u64, waited: usize) {
        let waiting = if bytes == UNKNOWN { 0 } else { self.held().max(waited) as u64 };
        self.spare_disk.store(bytes.saturating_sub(waiting), Ordering::Release);
    }

    /// Whether so many of them may be taken and so many are left then; if so, they are, until it is measured again.
    pub(crate) fn take_spare_disk(&self, bytes: u64, left: u64) -> bool {
        let left = |spare: u64| spare.checked_sub(bytes).filter(|rest| *rest >= left);
        self.spare_disk.fetch_update(Ordering::AcqRel, Ordering::Acquire, left).is_ok()
    }
}

impl Grant {
    /// Whether so many bytes may be held; if so, they are.
    pub(crate) fn hold(&mut self, bytes: usize) -> bool {
        let Some(more) = bytes.checked_sub(self.bytes) else { return true };
        let held = |held: usize| held.checked_add(more).filter(|held| *held <= self.memory.most);
        if self.memory.held.fetch_update(Ordering::AcqRel, Ordering::Acquire, held).is_err() {
            self.memory.refused.fetch_add(1, Ordering::AcqRel);
            return false;
        }
        self.bytes = bytes;
        true
    }

    /// What all calls take together.
    pub(crate) fn memory(&self) -> &Memory {
        &self.memory
    }

    /// Counts that the stream had no more budget for its journal.
    pub(crate) fn note_journal_full(&self) {
        self.memory.journals_full.fetch_add(1, Ordering::AcqRel);
    }

    /// Counts that the call's own inbox had no room.
    pub(crate) fn note_call_full(&self) {
        self.memory.call_full.fetch_add(1, Ordering::AcqRel);
    }

    /// Adds another share to this one.
    pub(crate) fn absorb(&mut self, other: &mut Self) {
        debug_assert!(Arc::ptr_eq(&self.memory, &other.memory), "shares of one memory");
        self.bytes += std::mem::take(&mut other.bytes);
    }

    /// Gives everything back.
    pub(crate) fn release(&mut self) {
        self.memory.held.fetch_sub(std::mem::take(&mut self.bytes), Ordering::AcqRel);
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.release();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_all_hold_is_bounded_and_given_back() {
        let memory = Memory::new(100);
        let (mut one, mut other) = (memory.grant(), memory.grant());
        assert!(one.hold(60) && one.hold(50) && other.hold(40));
        assert!(!other.hold(41) && !one.hold(61));
        assert_eq!((memory.held(), memory.refused()), (100, 2));
        other.absorb(&mut one);
        drop(one);
        assert_eq!(memory.held(), 100, "what was handed on is still held");
        drop(other);
        assert_eq!(memory.held(), 0);
    }

    #[test]
    fn of_what_the_disk_has_to_spare_what_waits_is_taken_off() {
        let memory = Memory::new(100);
        assert!(memory.take_spare_disk(u64::MAX / 2, 0), "nobody has measured");
        let mut grant = memory.grant();
        assert!(grant.hold(30));
        memory.set_spare_disk(100, 10);
        assert!(
            !memory.take_spare_disk(70, 1) && memory.take_spare_disk(70, 0) && !memory.take_spare_disk(1, 0)
        );
        memory.set_spare_disk(100, 40);
        assert!(!memory.take_spare_disk(61, 0) && memory.take_spare_disk(60, 0));
        memory.set_spare_disk(UNKNOWN, 40);
        assert!(memory.take_spare_disk(u64::MAX, 0));
    }

    #[test]
    fn many_threads_together_hold_no_more_than_one_may() {
        let memory = Memory::new(1_000);
        std::thread::scope(|scope| {
            for _ in 0..8 {
                scope.spawn(|| {
                    for bytes in 0..20_000 {
                        let mut grants = [(); 4].map(|()| memory.grant());
                        let held = grants
                            .iter_mut()
                            .filter_map(|grant| grant.hold(bytes % 400).then_some(()))
                            .count();
                        assert!(held <= grants.len());
                        assert!(memory.held() <= 1_000);
                    }
                });
            }
        });
        assert_eq!(memory.held(), 0);
    }
}
