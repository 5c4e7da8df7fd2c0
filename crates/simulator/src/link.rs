//! One direction of a connection.

use std::collections::VecDeque;

use crate::Luck;
use crate::network::Network;

/// Carries messages, late as the network has it, and in order, as TCP does.
#[derive(Debug, Clone)]
pub struct Link<M> {
    network: Network,
    luck: Luck,
    last_us: u64,
    on_the_way: VecDeque<(u64, M)>,
}

impl<M> Link<M> {
    /// A link over a network.
    #[must_use]
    pub const fn new(network: Network, luck: Luck) -> Self {
        Self { network, luck, last_us: 0, on_the_way: VecDeque::new() }
    }

    /// Puts messages on the way, in one write: they arrive together, unless the network separates them.
    pub fn send(&mut self, now_us: u64, messages: impl IntoIterator<Item = M>) {
        for (n, message) in messages.into_iter().enumerate() {
            if n == 0 || self.network.separates(&mut self.luck) {
                // What was sent first arrives first: a late message keeps those behind it.
                self.last_us = self.last_us.max(self.network.arrival_us(now_us, &mut self.luck));
            }
            self.on_the_way.push_back((self.last_us, message));
        }
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
    use crate::Conditions;

    #[test]
    fn messages_keep_their_order_and_their_delay() {
        let conditions = Conditions { jitter_ms: 100, separated_percent: 50, ..Conditions::typical() };
        let mut link = Link::new(Network::of(&conditions, 50), Luck::new(1));
        for n in 0..1_000_u64 {
            link.send(n * 1_000, [2 * n, 2 * n + 1]);
        }
        for n in 0..2_000_u64 {
            let at_us = link.next_us().unwrap();
            assert!((n / 2 * 1_000 + 50_000..=n / 2 * 1_000 + 150_000).contains(&at_us));
            assert_eq!(link.receive(at_us - 1), None);
            assert_eq!(link.receive(at_us), Some(n));
        }
    }

    #[test]
    fn a_network_that_stands_still_delivers_all_at_once() {
        let conditions =
            Conditions { jitter_ms: 0, stalls_percent: 100, stall_ms: 250, ..Conditions::typical() };
        let mut link = Link::new(Network::of(&conditions, 10), Luck::new(3));
        for ms in (0..1_000).step_by(20) {
            link.send(ms * 1_000, [ms]);
        }
        let arrivals: Vec<u64> = std::iter::from_fn(|| {
            let at_us = link.next_us()?;
            link.receive(at_us).map(|_| at_us)
        })
        .collect();
        let together = arrivals.iter().filter(|at_us| **at_us == arrivals[0]).count();
        assert!(together > 1 && arrivals[together..].windows(2).all(|pair| pair[1] - pair[0] == 20_000));
    }
}
