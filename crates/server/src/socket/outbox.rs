//! Messages that wait for slow readers, counted by the memory that they take.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What an outbox may hold however much all of them hold: of a call's messages some seconds.
const OWN: usize = 64 * 1024;
/// What a message takes beside its own bytes, in bytes: its place in a queue that is twice as long as what is in it, and what an
/// allocator adds.
const FOR_EACH: usize = 2 * LARGEST_PLACE + 32;
/// Of the messages of both libraries the larger one, and its length.
const LARGEST_PLACE: usize = 64;
/// A queue that was longer is given back when it is empty.
const KEPT: usize = 256;

/// The room of all outboxes together, in bytes.
#[derive(Debug)]
pub(crate) struct Room {
    held: AtomicUsize,
    most: usize,
}

impl Room {
    pub(crate) fn new(most: usize) -> Self {
        Self { held: AtomicUsize::new(0), most }
    }
}

/// A queue of messages of which only the memory is limited, its own and that of all. One message is always taken, however long:
/// what was read as a whole can be held as a whole.
#[derive(Debug)]
pub(super) struct Outbox<M> {
    messages: VecDeque<(M, usize)>,
    /// What they take, in bytes.
    taken: usize,
    limit: usize,
    room: Arc<Room>,
}

/// The reader at the other end is further behind than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("what the other end has not read takes {taken} bytes")]
pub(crate) struct TooFarBehind {
    taken: usize,
}

impl<M> Outbox<M> {
    pub(super) fn new(limit: usize, room: Arc<Room>) -> Self {
        const { assert!(size_of::<(M, usize)>() <= LARGEST_PLACE) };
        Self { messages: VecDeque::new(), taken: 0, limit, room }
    }

    /// Whether a message that is about to be put at the end should have a copy of its bytes alone: those that it came with are a part
    /// of all that was read at once, or of a buffer that grew beyond them, which stays as long as it waits.
    pub(super) fn should_copy(&self) -> bool {
        !self.is_empty()
    }

    /// Puts a message at the end; `bytes` is its length.
    pub(super) fn push(&mut self, message: M, bytes: usize) -> Result<(), TooFarBehind> {
        if self.is_full() {
            return Err(TooFarBehind { taken: self.taken });
        }
        self.push_anyway(message, bytes);
        Ok(())
    }

    /// The same for a Close, which is small, must not be lost and comes once.
    pub(super) fn push_anyway(&mut self, message: M, bytes: usize) {
        self.taken += bytes + FOR_EACH;
        self.room.held.fetch_add(bytes + FOR_EACH, Relaxed);
        self.messages.push_back((message, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<M> {
        let (message, bytes) = self.messages.pop_front()?;
        self.taken -= bytes + FOR_EACH;
        self.room.held.fetch_sub(bytes + FOR_EACH, Relaxed);
        if self.messages.is_empty() && self.messages.capacity() > KEPT {
            self.messages = VecDeque::new();
        }
        Some(message)
    }

    /// How long the next message is, in bytes; 0 if there is none.
    pub(super) fn next_bytes(&self) -> usize {
        self.messages.front().map_or(0, |(_, bytes)| *bytes)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.taken >= self.limit || (self.taken >= OWN && self.room.held.load(Relaxed) >= self.room.most)
    }

    pub(super) fn clear(&mut self) {
        self.messages = VecDeque::new();
        self.room.held.fetch_sub(std::mem::take(&mut self.taken), Relaxed);
    }
}

impl<M> Drop for Outbox<M> {
    fn drop(&mut self) {
        self.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_takes_one_message_of_any_length_and_then_refuses_until_it_is_read() {
        let mut outbox = Outbox::new(10, Arc::new(Room::new(10_000)));
        assert_eq!(outbox.push("long", 1_000), Ok(()));
        assert_eq!(outbox.push("next", 1), Err(TooFarBehind { taken: 1_000 + FOR_EACH }));
        outbox.push_anyway("close", 4);
        assert_eq!((outbox.pop(), outbox.pop(), outbox.pop()), (Some("long"), Some("close"), None));
        assert!(outbox.is_empty() && !outbox.is_full());
        assert_eq!(outbox.push("next", 1), Ok(()));
    }

    #[test]
    fn messages_without_a_byte_are_bounded_and_what_held_them_is_given_back() {
        let room = Arc::new(Room::new(10_000_000));
        let mut outbox = Outbox::new(4_000_000, Arc::clone(&room));
        let taken = (0..1_000_000).take_while(|_| outbox.push("", 0).is_ok()).count();
        assert_eq!(taken, 4_000_000_usize.div_ceil(FOR_EACH));
        assert_eq!(room.held.load(Relaxed), taken * FOR_EACH);
        while outbox.pop().is_some() {}
        assert_eq!((room.held.load(Relaxed), outbox.messages.capacity()), (0, 0));
    }

    #[test]
    fn a_message_behind_others_has_bytes_of_its_own() {
        let mut outbox = Outbox::new(10_000, Arc::new(Room::new(10_000)));
        assert!(!outbox.should_copy());
        assert_eq!(outbox.push("first", 5), Ok(()));
        assert!(outbox.should_copy());
    }

    #[test]
    fn what_all_outboxes_hold_is_bounded_and_one_that_holds_little_goes_on() {
        let room = Arc::new(Room::new(1_000_000));
        let [mut full, mut other, mut little] = [(); 3].map(|()| Outbox::new(10_000_000, Arc::clone(&room)));
        assert_eq!(full.push("a", 900_000 - FOR_EACH), Ok(()));
        assert_eq!(other.push("b", 100_000 - FOR_EACH), Ok(()));
        for _ in 0..2 {
            assert!(full.push("a", 1).is_err() && other.push("b", 1).is_err());
            assert_eq!(little.push("c", 1_000), Ok(()));
        }
        // What is read, given up or gone makes room.
        assert_eq!(other.pop(), Some("b"));
        little.clear();
        assert_eq!(full.push("a", 100_000), Ok(()));
        assert!(full.is_full());
        drop(full);
        assert_eq!(room.held.load(Relaxed), 0);
    }
}
