//! One direction of a connection.

use std::collections::VecDeque;

use crate::Luck;

/// Carries messages in order, each late by a delay and a jitter; now and then everything waits.
#[derive(Debug, Clone)]
pub struct Link<M> {
    delay_us: u64,
    jitter_us: u64,
    luck: Luck,
    last_us: u64,
    on_the_way: VecDeque<(u64, M)>,
}

impl<M> Link<M> {
    /// A link whose messages take from `delay_us` to `delay_us + jitter_us` microseconds.
    #[must_use]
    pub const fn new(delay_us: u64, jitter_us: u64, luck: Luck) -> Self {
        Self { delay_us, jitter_us, luck, last_us: 0, on_the_way: VecDeque::new() }
    }

    /// Puts messages on the way, in one write: they arrive together.
    pub fn send(&mut self, now_us: u64, messages: impl IntoIterator<Item = M>) {
        let arrives = now_us + self.delay_us + self.luck.between(0, self.jitter_us);
        // What was sent first arrives first: a late message keeps those behind it.
        self.last_us = self.last_us.max(arrives);
        self.on_the_way.extend(messages.into_iter().map(|message| (self.last_us, message)));
    }

    /// When the next message arrives.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        self.on_the_way.front().map(|(at_us, _)| *at_us)
    }

    /// The next message that has arrived.
    pub fn receive(&mut self, now_us: u64) -> Option<M> {
        if self.next_us()? > now_us {
            return None;
        }
        self.on_the_way.pop_front().map(|(_, message)| message)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_keep_their_order_and_their_delay() {
        let mut link = Link::new(50_000, 100_000, Luck::new(1));
        for n in 0..1_000_u64 {
            link.send(n * 1_000, [n]);
        }
        for n in 0..1_000_u64 {
            let at_us = link.next_us().unwrap();
            assert!((n * 1_000 + 50_000..=n * 1_000 + 150_000).contains(&at_us));
            assert_eq!(link.receive(at_us - 1), None);
            assert_eq!(link.receive(at_us), Some(n));
        }
    }
}
