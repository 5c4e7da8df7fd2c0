//! How long playback marks took to come back.

use std::collections::{HashMap, VecDeque};

use serde::Serialize;

/// What became of a stream's marks: those that callrec's server added, and the bot's own.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Marks {
    /// callrec's: `callrec-`, 16 hexadecimal digits, and a number.
    pub ours: Delays,
    /// The bot's.
    pub bots: Delays,
    /// Echoes of no mark that waited for one.
    pub stray_echoes: u64,
    /// Each of them, in the order in which they were sent.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub each: Vec<Mark>,
}

/// From sending a mark to its echo, in milliseconds of local time. A mark behind queued speech waits for that to be played.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize)]
#[non_exhaustive]
pub struct Delays {
    /// Marks that were sent.
    pub sent: u64,
    /// Marks that came back.
    pub echoed: u64,
    /// The shortest delay.
    pub min_ms: Option<u64>,
    /// Half of the delays are shorter, or as short.
    pub median_ms: Option<u64>,
    /// The longest delay.
    pub max_ms: Option<u64>,
}

/// One mark.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
#[non_exhaustive]
pub struct Mark {
    /// Its name.
    pub name: String,
    /// Whether it is callrec's, and not the bot's.
    pub ours: bool,
    /// When it was sent, in milliseconds of the stream clock.
    pub sent_ms: u64,
    /// How long it took to come back; none if it did not.
    pub delay_ms: Option<u64>,
}

/// Marks as they go and come.
#[derive(Debug, Default)]
pub(super) struct MarkLog {
    each: Vec<Mark>,
    /// By name, those that wait: their numbers, and when they were sent. Echoes keep the order of their marks.
    waiting: HashMap<String, VecDeque<(usize, u64)>>,
    stray_echoes: u64,
}

impl MarkLog {
    pub(super) fn sent(&mut self, at_us: u64, sent_ms: u64, name: &str) {
        self.waiting.entry(name.to_owned()).or_default().push_back((self.each.len(), at_us));
        self.each.push(Mark { name: name.to_owned(), ours: is_ours(name), sent_ms, delay_ms: None });
    }

    pub(super) fn echoed(&mut self, at_us: u64, name: &str) {
        match self.waiting.get_mut(name).and_then(VecDeque::pop_front) {
            Some((index, sent_us)) => {
                self.each[index].delay_ms = Some((at_us.saturating_sub(sent_us) + 500) / 1_000);
            }
            None => self.stray_echoes += 1,
        }
    }

    /// None if there were no marks.
    pub(super) fn finish(self) -> Option<Marks> {
        if self.each.is_empty() && self.stray_echoes == 0 {
            return None;
        }
        let delays = |ours: bool| Delays::of(self.each.iter().filter(|mark| mark.ours == ours));
        let (ours, bots) = (delays(true), delays(false));
        Some(Marks { ours, bots, stray_echoes: self.stray_echoes, each: self.each })
    }
}

impl Delays {
    fn of<'a>(marks: impl Iterator<Item = &'a Mark>) -> Self {
        let (mut sent, mut delays) = (0, Vec::new());
        for mark in marks {
            sent += 1;
            delays.extend(mark.delay_ms);
        }
        delays.sort_unstable();
        Self {
            sent,
            echoed: delays.len() as u64,
            min_ms: delays.first().copied(),
            median_ms: delays.get(delays.len().saturating_sub(1) / 2).copied(),
            max_ms: delays.last().copied(),
        }
    }
}

fn is_ours(name: &str) -> bool {
    let rest = name.strip_prefix("callrec-").and_then(|rest| rest.split_once('-'));
    rest.is_some_and(|(word, number)| {
        word.len() == 16
            && word.bytes().all(|byte| byte.is_ascii_hexdigit())
            && !number.is_empty()
            && number.bytes().all(|byte| byte.is_ascii_digit())
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ours_and_the_bots_are_told_apart_and_marks_of_one_name_keep_their_order() {
        let mut log = MarkLog::default();
        let ours = "callrec-0123456789abcdef-17";
        log.sent(1_000_000, 0, ours);
        log.sent(1_100_000, 100, "callrec-again");
        log.sent(1_200_000, 200, "callrec-again");
        log.echoed(1_140_400, ours);
        log.echoed(1_400_000, "callrec-again");
        log.echoed(1_400_000, "nobody's");
        let marks = log.finish().unwrap();
        let delays: Vec<_> = marks.each.iter().map(|mark| (mark.ours, mark.delay_ms)).collect();
        assert_eq!(delays, [(true, Some(140)), (false, Some(300)), (false, None)]);
        assert_eq!((marks.ours.sent, marks.ours.median_ms), (1, Some(140)));
        assert_eq!((marks.bots.sent, marks.bots.echoed, marks.stray_echoes), (2, 1, 1));
        assert_eq!(MarkLog::default().finish(), None);
    }
}
