//! The stream clock, read at a local instant.

/// Maps local time to the stream clock by the latest piece of audio that carried both.
#[derive(Debug)]
pub(super) struct StreamClock {
    /// The stream clock and the local time of the same moment.
    stream_us: u64,
    at_us: u64,
    /// The latest reading: the clock never goes back.
    now_us: u64,
    longest_us: u64,
}

impl StreamClock {
    /// A clock that is zero at `at_us` and stops at `longest_us`.
    pub(super) fn new(at_us: u64, longest_us: u64) -> Self {
        Self { stream_us: 0, at_us, now_us: 0, longest_us }
    }

    /// Audio that ends at `stream_us` arrived at `at_us`.
    pub(super) fn see(&mut self, stream_us: u64, at_us: u64) {
        (self.stream_us, self.at_us) = (stream_us, at_us);
        self.advance(at_us);
    }

    /// The clock at a local instant, without moving it.
    pub(super) fn read(&self, at_us: u64) -> u64 {
        let now = self.stream_us.saturating_add(at_us.saturating_sub(self.at_us));
        now.max(self.now_us).min(self.longest_us)
    }

    pub(super) fn advance(&mut self, at_us: u64) -> u64 {
        self.now_us = self.read(at_us);
        self.now_us
    }
}
