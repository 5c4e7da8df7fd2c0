//! Messages that wait for a slow reader, counted in bytes.

use std::collections::VecDeque;

/// A queue of messages of which only the bytes are limited. One message is always taken, however long: what was read
/// as a whole can be held as a whole.
#[derive(Debug)]
pub(super) struct Outbox<M> {
    messages: VecDeque<(M, usize)>,
    bytes: usize,
    limit: usize,
}

/// The reader at the other end is further behind than the limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the other end has not read {bytes} bytes")]
pub(crate) struct TooFarBehind {
    bytes: usize,
}

impl<M> Outbox<M> {
    pub(super) fn new(limit: usize) -> Self {
        Self { messages: VecDeque::new(), bytes: 0, limit }
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
        self.messages.push_back((message, bytes));
    }

    pub(super) fn pop(&mut self) -> Option<M> {
        let (message, bytes) = self.messages.pop_front()?;
        self.bytes -= bytes;
        Some(message)
    }

    pub(super) fn is_empty(&self) -> bool {
        self.messages.is_empty()
    }

    pub(super) fn is_full(&self) -> bool {
        self.bytes >= self.limit
    }

    pub(super) fn clear(&mut self) {
        self.messages.clear();
        self.bytes = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_outbox_takes_one_message_of_any_length_and_then_refuses_until_it_is_read() {
        let mut outbox = Outbox::new(10);
        assert_eq!(outbox.push("long", 1_000), Ok(()));
        assert_eq!(outbox.push("next", 1), Err(TooFarBehind { bytes: 1_000 }));
        outbox.push_anyway("close", 4);
        assert_eq!((outbox.pop(), outbox.pop(), outbox.pop()), (Some("long"), Some("close"), None));
        assert!(outbox.is_empty() && !outbox.is_full());
        assert_eq!(outbox.push("next", 1), Ok(()));
    }
}
