//! Messages that wait for slow readers, counted in bytes.

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What an outbox may hold however much all of them hold: of a call's messages some seconds.
const OWN: usize = 64 * 1024;

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

/// A queue of messages of which only the bytes are limited, its own and those of all. One message is always taken, however long:
/// what was read as a whole can be held as a whole.
#[derive(Debug)]
pub(super) struct Outbox<M> {
    messages: VecDeque<(M, usize)>,
    bytes: usize,
    limit: usize,
    room: Arc<Room>,
}

/// The reader at the other end is further behind than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end has not read {bytes} bytes")]
pub(crate) struct TooFarBehind {
    bytes: usize,
}

impl<M> Outbox<M> {
    pub(super) fn new(limit: usize, room: Arc<Room>) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, limit, room }
    }

    /// Puts a message at the end; `bytes` is its length.
    pub(super) fn push(&mut self, message: M, bytes: usize) -> Result<(), TooFarBehind> {
        if self.is_full() {
            return Err(TooFarBehind { bytes: self.bytes });
        }
        self.push_anyway(message, bytes);
        Ok(())
    }

    /// The same for a Close, which is small, must not be lost and comes once.
    pub(super) fn push_anyway(&mut self, message: M, bytes: usize) {
        self.bytes += bytes;
        self.room.held.fetch_add(bytes, Relaxed);
        self.messages.push_back((message, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<M> {
        let (message, bytes) = self.messages.pop_front()?;
        self.bytes -= bytes;
        self.room.held.fetch_sub(bytes, Relaxed);
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
        self.bytes >= self.limit || (self.bytes >= OWN && self.room.held.load(Relaxed) >= self.room.most)
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.room.held.fetch_sub(std::mem::take(&mut self.bytes), Relaxed);
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
        assert_eq!(outbox.push("next", 1), Err(TooFarBehind { bytes: 1_000 }));
        outbox.push_anyway("close", 4);
        assert_eq!((outbox.pop(), outbox.pop(), outbox.pop()), (Some("long"), Some("close"), None));
        assert!(outbox.is_empty() && !outbox.is_full());
        assert_eq!(outbox.push("next", 1), Ok(()));
    }

    #[test]
    fn what_all_outboxes_hold_is_bounded_and_one_that_holds_little_goes_on() {
        let room = Arc::new(Room::new(1_000_000));
        let [mut full, mut other, mut little] = [(); 3].map(|()| Outbox::new(10_000_000, Arc::clone(&room)));
        assert_eq!(full.push("a", 900_000), Ok(()));
        assert_eq!(other.push("b", 100_000), Ok(()));
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
