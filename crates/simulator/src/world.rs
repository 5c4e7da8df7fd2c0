//! Provider, network and bot around a relay that sees everything and knows nothing.

use crate::{Bot, BotKind, Echoes, FromProvider, Link, Luck, Provider, Speech, TICK_US, ToProvider};

/// How the world is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Conditions {
    /// From the relay to the provider, in milliseconds.
    pub delay_up_ms: u64,
    /// From the provider to the relay, in milliseconds.
    pub delay_down_ms: u64,
    /// The most that a message may be later than that, either way, in milliseconds.
    pub jitter_ms: u64,
    /// By how many parts in a million the relay's clock is faster than the provider's.
    pub drift_ppm: u64,
    /// Where the echo of a mark stands.
    pub echoes: Echoes,
    /// See [`Provider::keeps_partial`].
    pub keeps_partial: bool,
}

impl Conditions {
    /// A provider in the next town.
    #[must_use]
    pub const fn typical() -> Self {
        Self {
            delay_up_ms: 40,
            delay_down_ms: 40,
            jitter_ms: 10,
            drift_ppm: 0,
            echoes: Echoes::BehindFrame,
            keeps_partial: true,
        }
    }

    /// Delays up to 300 ms and jitter up to 100 ms each way.
    #[must_use]
    pub const fn drawn(luck: &mut Luck) -> Self {
        Self {
            delay_up_ms: luck.between(0, 300),
            delay_down_ms: luck.between(0, 300),
            jitter_ms: luck.between(0, 100),
            drift_ppm: luck.between(0, 200),
            echoes: if luck.percent(50) { Echoes::BeforeFrame } else { Echoes::BehindFrame },
            keeps_partial: true,
        }
    }

    /// The longest that a message and its answer may take, in milliseconds.
    #[must_use]
    pub const fn longest_round_trip_ms(&self) -> u64 {
        self.delay_up_ms + self.delay_down_ms + 2 * self.jitter_ms
    }
}

/// What the relay saw, at a time of its own clock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Seen {
    /// 20 ms of the caller arrived.
    Caller {
        /// The provider's time at which it begins.
        timestamp_ms: u64,
    },
    /// The bot sent speech, which went on to the provider.
    Speech {
        /// The number of its first sample; numbers count from 0.
        first: u64,
        /// How many.
        samples: u64,
    },
    /// The bot sent a clear, which went on.
    Clear,
    /// The echo of a mark arrived.
    Mark(u64),
}

/// A call, as the relay saw it and as it was.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Call {
    /// What the relay saw, and when: microseconds of its clock since the stream began.
    pub seen: Vec<(u64, Seen)>,
    /// The truth: the place of each sample that was heard, in samples since the stream began, and its number.
    pub heard: Vec<(u64, u64)>,
    /// Each clear that cut something: its place, and how many samples it cut.
    pub cuts: Vec<(u64, u64)>,
    /// How many samples the bot sent.
    pub sent: u64,
    /// The end of the call, in microseconds of the relay's clock.
    pub ended_us: u64,
}

/// A call of so many milliseconds, between a bot of one kind and a provider, with the luck of a seed.
#[must_use]
pub fn simulate(seed: u64, kind: BotKind, conditions: &Conditions, length_ms: u64) -> Call {
    let mut luck = Luck::new(seed);
    let mut bot = Bot::new(kind, length_ms, &mut luck);
    let jitter_us = conditions.jitter_ms * 1_000;
    let mut up = Link::new(conditions.delay_up_ms * 1_000, jitter_us, Luck::new(luck.any()));
    let mut down = Link::new(conditions.delay_down_ms * 1_000, jitter_us, Luck::new(luck.any()));
    let mut provider = Provider::new(conditions.echoes).keeps_partial(conditions.keeps_partial);
    // The ticks of the provider do not begin when anything else does.
    let first_tick_us = luck.between(1, TICK_US);
    let mut ticks = (0_u64..).map(|n| first_tick_us + n * TICK_US).peekable();
    let local = |us: u64| us + us * conditions.drift_ppm / 1_000_000;
    let (mut seen, mut sent, end_us) = (Vec::new(), 0, length_ms * 1_000);
    loop {
        let next = [bot.next_us(), up.next_us(), down.next_us(), ticks.peek().copied()];
        let Some(now_us) = next.into_iter().flatten().min().filter(|now_us| *now_us <= end_us) else { break };
        while let Some(message) = up.receive(now_us) {
            let answers = provider.take(&message);
            if !answers.is_empty() {
                down.send(now_us, answers);
            }
        }
        if ticks.next_if(|tick_us| *tick_us <= now_us).is_some() {
            let messages = provider.tick();
            down.send(now_us, messages);
        }
        while let Some(message) = down.receive(now_us) {
            seen.push((
                local(now_us),
                match message {
                    FromProvider::Caller { timestamp_ms } => Seen::Caller { timestamp_ms },
                    FromProvider::Mark(name) => Seen::Mark(name),
                },
            ));
        }
        while let Some(speech) = bot.speak(now_us) {
            let message = match speech {
                Speech::Samples(samples) => {
                    let first = sent;
                    sent += samples;
                    seen.push((local(now_us), Seen::Speech { first, samples }));
                    ToProvider::Media { first, samples }
                }
                Speech::Clear => {
                    seen.push((local(now_us), Seen::Clear));
                    ToProvider::Clear
                }
            };
            up.send(now_us, [message]);
        }
    }
    let (heard, cuts) = (provider.heard().to_vec(), provider.cuts().to_vec());
    Call { seen, heard, cuts, sent, ended_us: local(end_us) }
}
