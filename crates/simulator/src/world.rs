//! Provider, network and bot around a relay.

use crate::network::Network;
use crate::{BOT_MARKS, Bot, Conditions, FromProvider, Link, Luck, Provider, Speech, TICK_US, ToProvider};

/// A relay between bot and provider: it forwards, sees everything and knows nothing. Times are microseconds of its own
/// clock since the stream began.
pub trait Relay {
    /// The bot sent something; what goes to the provider, in one write, is appended to `out`. Speech is numbered by sample.
    fn bot_sent(&mut self, at_us: u64, sent: &ToProvider, out: &mut Vec<ToProvider>);

    /// A message of the provider arrived.
    fn provider_sent(&mut self, at_us: u64, message: &FromProvider);

    /// When it wants to be woken next.
    fn next_us(&self) -> Option<u64>;

    /// It is woken.
    fn wake(&mut self, at_us: u64, out: &mut Vec<ToProvider>);
}

/// Audio without a pause in it: samples of consecutive numbers at consecutive places.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Run {
    /// The number of the first sample, as the bot sent them.
    pub first: u64,
    /// Where it was heard, in samples since the stream began.
    pub at: u64,
    /// How many samples.
    pub samples: u64,
}

impl Run {
    /// Whether the sample of this number is in it.
    #[must_use]
    pub const fn holds(&self, number: u64) -> bool {
        self.first <= number && number < self.first + self.samples
    }
}

/// A clear that cut something.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cut {
    /// Where, in samples since the stream began.
    pub at: u64,
    /// How many samples it cut.
    pub samples: u64,
    /// The number of the last sample that was sent before it, and one.
    pub sent: u64,
}

/// A call as it was: the truth.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Truth {
    /// What was heard, in order.
    pub heard: Vec<Run>,
    /// Each clear that cut something.
    pub cuts: Vec<Cut>,
    /// How many samples the bot sent.
    pub sent: u64,
    /// How many marks the relay sent.
    pub marks: u64,
    /// How many of the caller's frames were lost on their way to the provider's stream.
    pub lost_frames: u64,
    /// The end of the call, in microseconds of the relay's clock.
    pub ended_us: u64,
}

/// A call of so many milliseconds through a relay, with the luck of a seed.
pub fn simulate(
    bot: Bot,
    conditions: &Conditions,
    seed: u64,
    length_ms: u64,
    relay: &mut impl Relay,
) -> Truth {
    let mut luck = Luck::new(seed);
    World {
        up: Link::new(Network::of(conditions, conditions.delay_up_ms), Luck::new(luck.any())),
        down: Link::new(Network::of(conditions, conditions.delay_down_ms), Luck::new(luck.any())),
        provider: Provider::new(conditions.echoes)
            .keeps_partial(conditions.keeps_partial)
            .echoes_at_once(conditions.echoes_at_once)
            .flushing(conditions.flushed)
            .holding(conditions.hold_ticks)
            .dating_from(conditions.first_frame_ms)
            .echoing(conditions.lost_echoes_percent, conditions.late_echoes_percent, Luck::new(luck.any()))
            .losing(conditions.lost_frames_permille, Luck::new(luck.any())),
        first_tick_us: luck.between(1, TICK_US),
        ticks: 0,
        sent: 0,
        clears: Vec::new(),
        marks: 0,
        bot,
        conditions,
    }
    .run(length_ms, relay)
}

const MILLION: u64 = 1_000_000;

struct World<'a> {
    bot: Bot,
    provider: Provider,
    up: Link<ToProvider>,
    down: Link<FromProvider>,
    conditions: &'a Conditions,
    /// The ticks of the provider do not begin when anything else does.
    first_tick_us: u64,
    ticks: u64,
    sent: u64,
    /// What was sent before each clear.
    clears: Vec<u64>,
    marks: u64,
}

impl World<'_> {
    fn run(mut self, length_ms: u64, relay: &mut impl Relay) -> Truth {
        let end_us = length_ms * 1_000;
        loop {
            let woken = relay.next_us().map(|at_us| self.world_us(at_us));
            let next = [
                self.bot.next_us(),
                self.up.next_us(),
                self.down.next_us(),
                Some(self.first_tick_us + self.ticks * TICK_US),
                woken,
            ];
            let Some(now_us) = next.into_iter().flatten().min().filter(|now_us| *now_us <= end_us) else {
                break;
            };
            self.step(now_us, relay);
            if woken.is_some_and(|at_us| at_us <= now_us) {
                let mut out = Vec::new();
                relay.wake(self.relay_us(now_us), &mut out);
                self.send_up(now_us, out);
            }
        }
        // The provider stops; what it sent before is on its way and arrives.
        let mut ended_us = end_us;
        while let Some(at_us) = self.down.next_us() {
            ended_us = ended_us.max(at_us);
            while let Some(message) = self.down.receive(at_us) {
                relay.provider_sent(self.relay_us(ended_us), &message);
            }
        }
        // The marks of the clears come back in order, and only those that cut something are cuts.
        let cuts = self.provider.cuts().iter();
        let cuts =
            cuts.map(|cut| Cut { at: cut.at, samples: cut.samples, sent: self.clears[cut.clear] }).collect();
        Truth {
            heard: self.provider.heard().to_vec(),
            cuts,
            sent: self.sent,
            marks: self.marks,
            lost_frames: self.provider.lost_frames(),
            ended_us: self.relay_us(ended_us),
        }
    }

    fn step(&mut self, now_us: u64, relay: &mut impl Relay) {
        while let Some(message) = self.up.receive(now_us) {
            let answers = self.provider.take(&message);
            self.down.send(now_us, answers);
        }
        if self.first_tick_us + self.ticks * TICK_US <= now_us {
            self.ticks += 1;
            let messages = self.provider.tick();
            self.down.send(now_us, messages);
        }
        while let Some(message) = self.down.receive(now_us) {
            relay.provider_sent(self.relay_us(now_us), &message);
        }
        while let Some(speech) = self.bot.speak(now_us) {
            let message = match speech {
                Speech::Samples(samples) => {
                    self.sent += samples;
                    ToProvider::Media { first: self.sent - samples, samples }
                }
                Speech::Clear => {
                    self.clears.push(self.sent);
                    ToProvider::Clear
                }
                Speech::Mark(number) => ToProvider::Mark(BOT_MARKS + number),
            };
            let mut out = Vec::new();
            relay.bot_sent(self.relay_us(now_us), &message, &mut out);
            self.send_up(now_us, out);
        }
    }

    fn send_up(&mut self, now_us: u64, messages: Vec<ToProvider>) {
        self.marks += messages.iter().filter(|message| matches!(message, ToProvider::Mark(_))).count() as u64;
        self.up.send(now_us, messages);
    }

    fn relay_us(&self, us: u64) -> u64 {
        us * self.relay_ticks() / MILLION
    }

    /// The first moment at which the relay's clock shows this.
    fn world_us(&self, at_us: u64) -> u64 {
        (at_us * MILLION).div_ceil(self.relay_ticks())
    }

    /// What the relay's clock counts in a million microseconds.
    const fn relay_ticks(&self) -> u64 {
        MILLION.saturating_add_signed(self.conditions.drift_ppm)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::BotKind;

    /// Asks to be woken every so often, and notes what its clock shows then and when the caller's frames arrive.
    struct Clock {
        wakes: Vec<u64>,
        frames: Vec<(u64, u64)>,
    }

    impl Clock {
        const EVERY_US: u64 = 7_001;
    }

    impl Relay for Clock {
        fn bot_sent(&mut self, _at_us: u64, _sent: &ToProvider, _out: &mut Vec<ToProvider>) {}
        fn provider_sent(&mut self, at_us: u64, message: &FromProvider) {
            if let FromProvider::Caller { timestamp_ms } = message {
                self.frames.push((*timestamp_ms, at_us));
            }
        }
        fn next_us(&self) -> Option<u64> {
            Some((self.wakes.len() as u64 + 1) * Self::EVERY_US)
        }
        fn wake(&mut self, at_us: u64, _out: &mut Vec<ToProvider>) {
            self.wakes.push(at_us);
        }
    }

    #[test]
    fn the_relays_clock_is_faster_or_slower_than_the_providers_and_wakes_it_when_it_asked() {
        for (drift_ppm, gained_us) in [(200, 20_000), (0, 0), (-200, -20_000)] {
            let conditions = Conditions { drift_ppm, jitter_ms: 0, ..Conditions::typical() };
            let bot = Bot::new(BotKind::AtOnce, 0, &mut Luck::new(1));
            let mut clock = Clock { wakes: Vec::new(), frames: Vec::new() };
            let truth = simulate(bot, &conditions, 1, 100_100, &mut clock);
            let ahead = |&(timestamp_ms, at_us): &(u64, u64)| at_us as i64 - timestamp_ms as i64 * 1_000;
            let (first, last) =
                (&clock.frames[0], clock.frames.iter().find(|(ms, _)| *ms == 100_000).unwrap());
            assert!(
                (ahead(last) - ahead(first) - gained_us).abs() <= 1,
                "{drift_ppm} ppm: {first:?}, {last:?}"
            );
            for (n, woken_us) in (1..).zip(&clock.wakes) {
                // A microsecond of a fast clock may be skipped.
                assert!((0..=1).contains(&(woken_us - n * Clock::EVERY_US)), "{drift_ppm} ppm: {woken_us}");
            }
            assert_eq!(
                clock.wakes.len() as i64,
                (100_100_000 + gained_us * 1_001 / 1_000) / Clock::EVERY_US as i64
            );
            assert!((truth.ended_us as i64 - 100_100_000 - gained_us).abs() < 60_000);
        }
    }
}
