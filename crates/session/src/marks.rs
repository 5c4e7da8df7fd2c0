//! When a relay sends marks of its own, so that their echoes tell what the caller heard when.

use std::ops::RangeInclusive;

use crate::names::RecentNames;

/// The stream's first marks have no speech before them: they tell the round trip.
const FIRST_MARKS: u32 = 5;
/// How far apart those are.
const FIRST_EVERY_US: u64 = 100_000;
/// What a provider queues at most.
const MOST_QUEUED_US: u64 = 600_000_000;
/// What is so short a time apart is one write.
const ONE_WRITE_US: u64 = 1_000;
/// How often the round trip is measured while nobody speaks.
const IDLE_EVERY_US: u64 = 2_000_000;
/// A queue shorter than this runs empty unnoticed, if marks are rare.
const SHORT_QUEUE_US: u64 = 250_000;
/// How far apart marks are while the queue is shorter than that, and shorter than a second, and long.
const SHORT_EVERY_US: u64 = 60_000;
const SECOND_EVERY_US: u64 = 200_000;
const LONG_EVERY_US: u64 = 1_000_000;
/// The queue of a bot that paces itself is as good as empty all the time. Only a pause longer than this begins a spurt.
const PAUSE_US: u64 = 30_000;
/// Speech that no mark follows gets one when the bot has sent nothing for so long.
const TAIL_US: u64 = 60_000;
/// Characters of a prefix: what is shorter might be in a name of the bot's.
const PREFIX: RangeInclusive<usize> = 8..=64;

/// Decides when a relay sends a mark, and names it.
///
/// Ask [`before_audio`](Self::before_audio) and [`after_audio`](Self::after_audio) around each piece of the bot's speech that
/// is forwarded, [`before_clear`](Self::before_clear) and [`after_clear`](Self::after_clear) around a clear, and
/// [`wake`](Self::wake) when [`next_us`](Self::next_us) has come. Where the answer is yes, send a mark with the next
/// [`name`](Self::name) in the same write, and tell the recording. Echoes of it ([`is_ours`](Self::is_ours)) are not for the
/// bot. Times are microseconds of any clock that never goes back.
///
/// * Before the first piece behind a pause: the mark meets an empty queue and tells when the piece arrived.
/// * After a piece, the more often the shorter the queue: it tells when the piece was over, and whether it was late.
/// * On both sides of a clear: what comes back with the first was thrown away.
/// * With nothing to say: it tells how far away the provider is.
#[derive(Debug)]
pub struct MarkPlanner {
    prefix: String,
    rate: u32,
    sent: u64,
    /// Where the provider's queue ends, if nothing takes time on its way.
    queue_end_us: u64,
    last_us: u64,
    queue_end_at_last_us: u64,
    last_audio_us: Option<u64>,
    /// Speech was sent behind the last mark.
    unmarked: bool,
    first_marks: u32,
    marked: bool,
    bots: RecentNames,
}

impl MarkPlanner {
    /// A planner for a stream that begins at `now_us`, with the assistant's audio at `rate` Hz.
    ///
    /// `prefix` begins every name of ours: 8 to 64 printable characters that nobody can guess, none of which is a quote or a
    /// backslash. None if it is not so.
    #[must_use]
    pub fn new(prefix: &str, rate: u32, now_us: u64) -> Option<Self> {
        let plain = |c: char| c.is_ascii_graphic() && c != '"' && c != '\\';
        if !PREFIX.contains(&prefix.len()) || !prefix.chars().all(plain) {
            return None;
        }
        Some(Self {
            prefix: prefix.to_owned(),
            rate: rate.max(1),
            sent: 0,
            queue_end_us: now_us,
            last_us: now_us,
            queue_end_at_last_us: now_us,
            last_audio_us: None,
            unmarked: false,
            first_marks: FIRST_MARKS,
            marked: false,
            bots: RecentNames::default(),
        })
    }

    /// What begins the names of our marks.
    #[must_use]
    pub fn prefix(&self) -> &str {
        &self.prefix
    }

    /// Whether a mark of this name is ours.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        name.starts_with(&self.prefix)
    }

    /// The next name.
    pub fn name(&mut self) -> String {
        self.sent += 1;
        format!("{}{}", self.prefix, self.sent)
    }

    /// Speech of the bot is about to be forwarded: is a mark to go before it?
    pub fn before_audio(&mut self, now_us: u64) -> bool {
        let begins = self.begins(now_us);
        if begins {
            self.mark(now_us);
        }
        begins
    }

    /// So many samples of speech were forwarded: is a mark to follow them?
    pub fn after_audio(&mut self, now_us: u64, samples: u64) -> bool {
        let first = self.begins(now_us);
        let length_us = u128::from(samples) * 1_000_000 / u128::from(self.rate);
        self.queue_end_us =
            self.queue_end_us.max(now_us).saturating_add(u64::try_from(length_us).unwrap_or(u64::MAX));
        // No provider queues more than ten minutes.
        self.queue_end_us = self.queue_end_us.min(now_us.saturating_add(MOST_QUEUED_US));
        self.last_audio_us = Some(now_us);
        let queue_us = self.queue_end_us - now_us;
        let every_us = match queue_us {
            0..SHORT_QUEUE_US => SHORT_EVERY_US,
            SHORT_QUEUE_US..=LONG_EVERY_US => SECOND_EVERY_US,
            _ => LONG_EVERY_US,
        };
        let grown_us = self.queue_end_us.saturating_sub(self.queue_end_at_last_us);
        let due = first || now_us.saturating_sub(self.last_us) >= every_us || grown_us >= every_us;
        if due {
            self.mark(now_us);
        } else {
            self.unmarked = true;
        }
        due
    }

    /// A mark of the bot's own was forwarded. It does what ours would, if its echo can be told from those of the marks
    /// before it.
    pub fn after_mark(&mut self, now_us: u64, name: &str) {
        if self.bots.is_new(name) {
            self.mark(now_us);
        }
    }

    /// A clear is about to be forwarded: is a mark to go before it? Not if one went just before.
    pub fn before_clear(&mut self, now_us: u64) -> bool {
        let just_now = now_us.saturating_sub(self.last_us) < ONE_WRITE_US;
        let marked = self.marked && just_now && !self.unmarked;
        self.mark(now_us);
        !marked
    }

    /// A clear was forwarded; a mark is to follow.
    pub fn after_clear(&mut self, now_us: u64) -> bool {
        self.queue_end_us = self.queue_end_us.min(now_us);
        self.mark(now_us);
        true
    }

    /// When to [`wake`](Self::wake).
    #[must_use]
    pub fn next_us(&self) -> u64 {
        if self.first_marks > 0 && self.queue_end_us <= self.last_us {
            return self.last_us + FIRST_EVERY_US;
        }
        if let (true, Some(last_audio_us)) = (self.unmarked, self.last_audio_us) {
            return last_audio_us + TAIL_US;
        }
        self.last_us.max(self.queue_end_us) + IDLE_EVERY_US
    }

    /// Whether a mark is to be sent now.
    pub fn wake(&mut self, now_us: u64) -> bool {
        let due = self.next_us() <= now_us;
        if due {
            self.first_marks = self.first_marks.saturating_sub(1);
            self.mark(now_us);
        }
        due
    }

    /// Whether speech that is sent now begins a spurt.
    fn begins(&self, now_us: u64) -> bool {
        self.last_audio_us.is_none() || self.queue_end_us + PAUSE_US < now_us
    }

    fn mark(&mut self, now_us: u64) {
        self.marked = true;
        self.last_us = now_us;
        self.queue_end_at_last_us = self.queue_end_us.max(now_us);
        self.unmarked = false;
    }
}
