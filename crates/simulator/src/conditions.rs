//! How the world is around a call.

use crate::{Echoes, Flushed, Luck};

/// Delays, losses and habits.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// From the relay to the provider, in milliseconds.
    pub delay_up_ms: u64,
    /// From the provider to the relay, in milliseconds.
    pub delay_down_ms: u64,
    /// The most that a message may be later than that, either way, in milliseconds.
    pub jitter_ms: u64,
    /// How often the messages of one write do not arrive together.
    pub separated_percent: u64,
    /// How often a second everything stands still, either way, for [`stall_ms`](Self::stall_ms).
    pub stalls_percent: u64,
    /// How long at most. Gaps of 233 ms without loss are normal at Twilio.
    pub stall_ms: u64,
    /// When the path changes, in milliseconds since the call began.
    pub path_changes_ms: u64,
    /// By how many milliseconds each way, then.
    pub path_change_ms: i64,
    /// By how many parts in a million the relay's clock is faster than the provider's, or slower, if less than 0.
    pub drift_ppm: i64,
    /// How many of a thousand frames of the caller never come; the clock goes on.
    pub lost_frames_permille: u64,
    /// Where the echo of a mark stands.
    pub echoes: Echoes,
    /// How many echoes never come.
    pub lost_echoes_percent: u64,
    /// How many echoes come a few ticks late.
    pub late_echoes_percent: u64,
    /// See [`Provider::keeps_partial`](crate::Provider::keeps_partial).
    pub keeps_partial: bool,
    /// See [`Provider::echoes_at_once`](crate::Provider::echoes_at_once).
    pub echoes_at_once: bool,
    /// When marks come back that a clear throws away.
    pub flushed: Flushed,
    /// See [`Provider::holding`](crate::Provider::holding).
    pub hold_ticks: u64,
    /// The time of the caller's first frame, in milliseconds.
    pub first_frame_ms: u64,
}

impl Conditions {
    /// A provider in the next town, and a network without trouble.
    #[must_use]
    pub const fn typical() -> Self {
        Self {
            delay_up_ms: 40,
            delay_down_ms: 40,
            jitter_ms: 10,
            separated_percent: 0,
            stalls_percent: 0,
            stall_ms: 0,
            path_changes_ms: 0,
            path_change_ms: 0,
            drift_ppm: 0,
            lost_frames_permille: 0,
            echoes: Echoes::BehindFrame,
            lost_echoes_percent: 0,
            late_echoes_percent: 0,
            keeps_partial: true,
            echoes_at_once: true,
            flushed: Flushed::AtOnce,
            hold_ticks: 0,
            first_frame_ms: 0,
        }
    }

    /// Delays up to 300 ms and jitter up to 100 ms each way, one write in ten torn apart, clocks that drift up to
    /// 200 parts in a million, either way.
    #[must_use]
    pub const fn drawn(luck: &mut Luck) -> Self {
        Self {
            delay_up_ms: luck.between(0, 300),
            delay_down_ms: luck.between(0, 300),
            jitter_ms: luck.between(0, 100),
            separated_percent: 10,
            drift_ppm: luck.either_way(200),
            echoes: if luck.percent(50) { Echoes::BeforeFrame } else { Echoes::BehindFrame },
            first_frame_ms: luck.between(0, 65),
            ..Self::typical()
        }
    }

    /// The longest that a message and its answer may take, in milliseconds.
    #[must_use]
    pub const fn longest_round_trip_ms(&self) -> u64 {
        let way = self.jitter_ms + self.stall_ms + self.path_change_ms.unsigned_abs();
        self.delay_up_ms + self.delay_down_ms + 2 * way
    }
}
