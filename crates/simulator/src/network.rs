//! How long a message takes at which moment.

use crate::{Conditions, Luck};

/// One direction of the network: a delay, a jitter, moments at which everything stands still, a path that changes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Network {
    delay_us: u64,
    jitter_us: u64,
    separated_percent: u64,
    stalls_percent: u64,
    stall_us: u64,
    path_changes_us: u64,
    path_change_us: i64,
    /// Until when everything stands still, and for which second that was drawn.
    still: (u64, u64),
}

impl Network {
    /// One direction of a world with such conditions.
    #[must_use]
    pub const fn of(conditions: &Conditions, delay_ms: u64) -> Self {
        Self {
            delay_us: delay_ms * 1_000,
            jitter_us: conditions.jitter_ms * 1_000,
            separated_percent: conditions.separated_percent,
            stalls_percent: conditions.stalls_percent,
            stall_us: conditions.stall_ms * 1_000,
            path_changes_us: conditions.path_changes_ms * 1_000,
            path_change_us: conditions.path_change_ms * 1_000,
            still: (0, u64::MAX),
        }
    }

    /// Whether a message stays behind the one that it was sent with.
    pub(crate) const fn separates(&self, luck: &mut Luck) -> bool {
        self.separated_percent > 0 && luck.percent(self.separated_percent)
    }

    /// When a message of this moment arrives, if none before it is later.
    pub(crate) fn arrival_us(&mut self, now_us: u64, luck: &mut Luck) -> u64 {
        let second = now_us / 1_000_000;
        if self.stalls_percent > 0 && self.still.1 != second {
            let until =
                if luck.percent(self.stalls_percent) { now_us + luck.between(0, self.stall_us) } else { 0 };
            self.still = (until, second);
        }
        let changed =
            if self.path_changes_us > 0 && now_us >= self.path_changes_us { self.path_change_us } else { 0 };
        let delay_us = self.delay_us.saturating_add_signed(changed);
        (now_us + delay_us + luck.between(0, self.jitter_us)).max(self.still.0 + delay_us)
    }
}
