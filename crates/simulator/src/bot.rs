//! The bot: when it sends how much speech.

use crate::Luck;

/// How a bot sends its speech.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BotKind {
    /// Faster than it is played, as speech models give it.
    Bursting,
    /// In step with time, 20 ms every 20 ms.
    Pacing,
    /// Slower than it is played, with stalls.
    Stalling,
    /// Each sentence in one piece.
    AtOnce,
}

/// Something a bot sends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Speech {
    /// So many samples.
    Samples(u64),
    /// A mark of its own, by its number. Careless bots give all one name.
    Mark(u64),
    /// The caller interrupts: what is not played is to be forgotten.
    Clear,
}

/// A conversation's share of a bot: what it sends, and when, in microseconds since the call began.
#[derive(Debug, Clone)]
pub struct Bot {
    script: std::vec::IntoIter<(u64, Speech)>,
}

impl Bot {
    /// A bot that speaks for about `length_ms`, in sentences of half a second to six, with pauses. About every third
    /// sentence is interrupted.
    #[must_use]
    pub fn new(kind: BotKind, length_ms: u64, luck: &mut Luck) -> Self {
        let mut script = Vec::new();
        let mut now_us = luck.between(100, 1_500) * 1_000;
        while now_us < length_ms * 1_000 {
            let sentence_ms = luck.between(500, 6_000);
            let sent = sentence(kind, now_us, sentence_ms, luck);
            let over_us = sent
                .iter()
                .map(|(at_us, _)| *at_us)
                .max()
                .unwrap_or(now_us)
                .max(now_us + sentence_ms * 1_000);
            if luck.percent(33) {
                let cut_us = now_us + luck.between(100, sentence_ms) * 1_000;
                script.extend(sent.into_iter().filter(|(at_us, _)| *at_us < cut_us));
                script.push((cut_us, Speech::Clear));
                now_us = cut_us + luck.between(200, 2_000) * 1_000;
            } else {
                script.extend(sent);
                now_us = over_us + luck.between(200, 2_500) * 1_000;
            }
        }
        Self { script: script.into_iter() }
    }

    /// The same bot, with a mark behind each piece of speech and around each clear, each with a name of its own or all with
    /// one.
    #[must_use]
    pub fn marking(self, each_its_own: bool) -> Self {
        let (mut script, mut marks) = (Vec::new(), 0);
        let mut mark = || {
            marks += u64::from(each_its_own);
            Speech::Mark(marks)
        };
        for (at_us, speech) in self.script {
            if speech == Speech::Clear {
                script.push((at_us, mark()));
            }
            script.extend([(at_us, speech), (at_us, mark())]);
        }
        Self { script: script.into_iter() }
    }

    /// The same bot, with clears to spare: in a row, a few milliseconds apart, with a word between them, and when nothing plays.
    #[must_use]
    pub fn clearing_often(self, luck: &mut Luck) -> Self {
        let mut script = Vec::new();
        for (at_us, speech) in self.script {
            script.push((at_us, speech));
            if speech != Speech::Clear {
                continue;
            }
            if luck.percent(50) {
                script.push((at_us, Speech::Clear));
            }
            if luck.percent(30) {
                script.push((at_us + 1_000, Speech::Samples(luck.between(20, 200) * 8)));
            }
            if luck.percent(70) {
                script.push((at_us + luck.between(1, 60) * 1_000, Speech::Clear));
            }
            // What was queued is long thrown away.
            script.push((at_us + 190_000, Speech::Clear));
        }
        Self { script: script.into_iter() }
    }

    /// When it sends next.
    #[must_use]
    pub fn next_us(&self) -> Option<u64> {
        self.script.as_slice().first().map(|(at_us, _)| *at_us)
    }

    /// What it sends next, once it is time.
    pub fn speak(&mut self, now_us: u64) -> Option<Speech> {
        (self.next_us()? <= now_us).then(|| self.script.next().map(|(_, speech)| speech))?
    }
}

/// The chunks of a sentence.
fn sentence(kind: BotKind, from_us: u64, sentence_ms: u64, luck: &mut Luck) -> Vec<(u64, Speech)> {
    let (mut at_us, mut left_ms, mut chunks) = (from_us, sentence_ms, Vec::new());
    while left_ms > 0 {
        let chunk_ms = match kind {
            BotKind::Bursting => luck.between(20, 1_000),
            BotKind::Pacing => 20,
            BotKind::Stalling => luck.between(20, 200),
            BotKind::AtOnce => left_ms,
        }
        .min(left_ms);
        chunks.push((at_us, Speech::Samples(chunk_ms * 8)));
        left_ms -= chunk_ms;
        at_us += match kind {
            BotKind::Bursting => chunk_ms * 1_000 / luck.between(2, 10),
            BotKind::AtOnce => 0,
            BotKind::Pacing => chunk_ms * 1_000,
            BotKind::Stalling => {
                let stall_ms = if luck.percent(10) { luck.between(100, 600) } else { 0 };
                chunk_ms * 1_000 * luck.between(100, 115) / 100 + stall_ms * 1_000
            }
        };
    }
    chunks
}
