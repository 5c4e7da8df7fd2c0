//! Which calls there are, all drawn from one seed.

use callrec_simulator::{BotKind, Conditions, Echoes, Luck};
use std::str::FromStr;

use crate::Sound;

/// A range of whole numbers, both ends included: `0-300`, or one number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// The least.
    pub low: u64,
    /// The most.
    pub high: u64,
}

impl Span {
    fn draw(self, luck: &mut Luck) -> u64 {
        luck.between(self.low, self.high)
    }
}

impl FromStr for Span {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let (low, high) = text.split_once('-').unwrap_or((text, text));
        let number = |text: &str| text.trim().parse::<u64>().ok().filter(|number| *number <= 60_000);
        match (number(low), number(high)) {
            (Some(low), Some(high)) if low <= high => Ok(Self { low, high }),
            _ => Err("a number of milliseconds up to 60000, or two with a hyphen, such as 0-300".to_owned()),
        }
    }
}

/// What all calls have in common.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plan {
    /// How many calls.
    pub calls: u64,
    /// How long each is, in milliseconds.
    pub length_ms: u64,
    /// Within how many milliseconds they begin, one after another.
    pub ramp_ms: u64,
    /// The kinds of the bots, in turn.
    pub kinds: Vec<BotKind>,
    /// The formats that the calls ask for, in turn; none: the server's default.
    pub formats: Vec<String>,
    /// What everybody says.
    pub sound: Sound,
    /// Of the delay from server to provider, in milliseconds.
    pub delay_up: Span,
    /// Of the delay from provider to server.
    pub delay_down: Span,
    /// Of the jitter that a call has either way.
    pub jitter: Span,
    /// How many seconds in a hundred begin with a stall of delivery, either way.
    pub stalls_percent: u64,
    /// How long such a stall is at most, in milliseconds.
    pub stall_ms: u64,
    /// Where the echo of a mark stands.
    pub echoes: Echoes,
    /// The provider sends both sides, and there is no bot.
    pub one_way: bool,
    /// What everything is drawn from.
    pub seed: u64,
}

/// One call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct CallPlan {
    /// Which it is, from 0.
    pub index: u64,
    /// Its SID.
    pub sid: String,
    /// The SID of its stream.
    pub stream: String,
    /// When it begins, in milliseconds.
    pub begins_ms: u64,
    /// How long it is, in milliseconds.
    pub length_ms: u64,
    /// How its bot speaks.
    pub kind: BotKind,
    /// The format that it asks for.
    pub format: Option<String>,
    /// What both say.
    pub sound: Sound,
    /// The network and the provider.
    pub conditions: Conditions,
    /// What the bot speaks with.
    pub bot_seed: u64,
    /// What the caller speaks with.
    pub caller_seed: u64,
    /// What everything else of the call is drawn from.
    pub seed: u64,
    /// The provider sends both sides.
    pub one_way: bool,
    /// The token of the TwiML that answered it, if that was callrec's own.
    pub token: Option<String>,
}

impl Plan {
    /// The calls, in the order in which they begin.
    #[must_use]
    pub fn all(&self) -> Vec<CallPlan> {
        let mut luck = Luck::new(self.seed);
        (0..self.calls)
            .map(|index| {
                let mut luck = Luck::new(luck.any());
                let turn = |count: usize| index as usize % count.max(1);
                let conditions = Conditions {
                    delay_up_ms: self.delay_up.draw(&mut luck),
                    delay_down_ms: self.delay_down.draw(&mut luck),
                    jitter_ms: self.jitter.draw(&mut luck),
                    separated_percent: 10,
                    stalls_percent: self.stalls_percent,
                    stall_ms: self.stall_ms,
                    echoes: self.echoes,
                    first_frame_ms: luck.between(0, 65),
                    ..Conditions::typical()
                };
                CallPlan {
                    index,
                    sid: format!("CA{:016x}{index:016x}", self.seed),
                    stream: format!("MZ{:016x}{index:016x}", self.seed),
                    begins_ms: self.ramp_ms * index / self.calls,
                    length_ms: self.length_ms,
                    kind: self.kinds.get(turn(self.kinds.len())).copied().unwrap_or(BotKind::Bursting),
                    format: self.formats.get(turn(self.formats.len())).cloned(),
                    sound: self.sound.clone(),
                    conditions,
                    bot_seed: luck.any(),
                    caller_seed: luck.any(),
                    seed: luck.any(),
                    one_way: self.one_way,
                    token: None,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_span_is_one_number_or_two_in_order() {
        assert_eq!("20".parse(), Ok(Span { low: 20, high: 20 }));
        assert_eq!("0-300".parse(), Ok(Span { low: 0, high: 300 }));
        for wrong in ["", "-", "5-1", "1-2-3", "-5", "fast", "99999999"] {
            assert!(wrong.parse::<Span>().is_err(), "{wrong}");
        }
    }
}
