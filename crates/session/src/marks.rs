//! When a relay sends marks of its own, so that their echoes tell what the caller heard when.

use std::fmt::Write as _;
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
    /// The name of the mark last named, of which so many bytes are the prefix.
    name: String,
    prefix: usize,
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
            name: prefix.to_owned(),
            prefix: prefix.len(),
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
        &self.name[..self.prefix]
    }

    /// Whether a mark of this name is ours.
    #[must_use]
    pub fn is_ours(&self, name: &str) -> bool {
        name.starts_with(self.prefix())
    }

    /// The next name.
    pub fn name(&mut self) -> &str {
        self.sent += 1;
        self.name.truncate(self.prefix);
        let _ = write!(self.name, "{}", self.sent);
        &self.name
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
            return self.last_us.saturating_add(FIRST_EVERY_US);
        }
        if let (true, Some(last_audio_us)) = (self.unmarked, self.last_audio_us) {
            return last_audio_us.saturating_add(TAIL_US);
        }
        self.last_us.max(self.queue_end_us).saturating_add(IDLE_EVERY_US)
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
        self.last_audio_us.is_none() || self.queue_end_us.saturating_add(PAUSE_US) < now_us
    }

    fn mark(&mut self, now_us: u64) {
        self.marked = true;
        self.last_us = now_us;
        self.queue_end_at_last_us = self.queue_end_us.max(now_us);
        self.unmarked = false;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const MS: u64 = 1_000;
    const PREFIX_OF_OURS: &str = "callrec-0123";

    fn new() -> MarkPlanner {
        MarkPlanner::new(PREFIX_OF_OURS, 8_000, 0).unwrap()
    }

    /// Whose first marks are sent, the last at 500 ms.
    fn begun() -> MarkPlanner {
        let mut planner = new();
        for ms in [100, 200, 300, 400, 500] {
            assert!(planner.wake(ms * MS));
        }
        planner
    }

    /// Sends so many milliseconds of speech: whether marks go before and behind them.
    fn speak(planner: &mut MarkPlanner, now_us: u64, ms: u64) -> (bool, bool) {
        (planner.before_audio(now_us), planner.after_audio(now_us, ms * 8))
    }

    /// When it wants to be woken, as often as it is, in milliseconds.
    fn wakes_ms(planner: &mut MarkPlanner, count: usize) -> Vec<u64> {
        let wake = |_| {
            let at_us = planner.next_us();
            assert!(!planner.wake(at_us - 1) && planner.wake(at_us), "at {at_us} us and not before");
            at_us / MS
        };
        (0..count).map(wake).collect()
    }

    #[test]
    fn with_nothing_to_say_five_marks_tell_the_round_trip_and_one_every_two_seconds_keeps_it() {
        assert_eq!(wakes_ms(&mut new(), 7), [100, 200, 300, 400, 500, 2_500, 4_500]);
    }

    #[test]
    fn the_first_marks_wait_for_speech_to_be_over_and_the_idle_ones_count_from_there() {
        let mut planner = new();
        assert_eq!(speak(&mut planner, 0, 3_000), (true, true));
        assert_eq!(wakes_ms(&mut planner, 6), [5_000, 5_100, 5_200, 5_300, 5_400, 7_400]);
        speak(&mut planner, 8_000 * MS, 4_000);
        assert_eq!(wakes_ms(&mut planner, 2), [14_000, 16_000]);
    }

    #[test]
    fn a_mark_goes_before_speech_only_behind_a_pause() {
        let mut planner = begun();
        assert_eq!(speak(&mut planner, 1_000 * MS, 20), (true, true), "the first");
        // It is over at 1,020 ms, and 30 ms later there is no pause yet.
        assert_eq!(speak(&mut planner, 1_050 * MS, 20), (false, false));
        assert_eq!(speak(&mut planner, 1_100 * MS + 1, 20), (true, true));
        // Nor where no clock goes further.
        let mut planner = MarkPlanner::new(PREFIX_OF_OURS, 8_000, u64::MAX).unwrap();
        assert!(planner.before_audio(u64::MAX) && planner.after_audio(u64::MAX, 160));
        assert!(!planner.before_audio(u64::MAX) && !planner.after_audio(u64::MAX, 160));
        assert_eq!(planner.next_us(), u64::MAX);
    }

    #[test]
    fn marks_behind_speech_are_the_rarer_the_longer_the_queue_is() {
        let mut planner = begun();
        let queued = (10..=4_000).step_by(10);
        let marked: Vec<u64> = queued.filter(|_| speak(&mut planner, 1_000 * MS, 10).1).collect();
        // Behind the first; every 60 ms below 250 ms; every 200 ms up to a second; every second.
        assert_eq!(marked, [10, 70, 130, 190, 390, 590, 790, 990, 1_990, 2_990, 3_990]);
    }

    #[test]
    fn marks_behind_speech_come_by_time_too_if_the_queue_does_not_grow() {
        for (left_ms, every_ms) in [(1, 60), (249, 60), (250, 200), (1_000, 200), (1_001, 1_000)] {
            let mut planner = begun();
            assert_eq!(speak(&mut planner, 1_000 * MS, left_ms + every_ms), (true, true));
            let due_us = (1_000 + every_ms) * MS;
            assert_eq!(speak(&mut planner, due_us - 1, 0), (false, false), "{left_ms} ms are left");
            assert_eq!(speak(&mut planner, due_us, 0), (false, true), "{left_ms} ms are left");
        }
    }

    #[test]
    fn speech_that_no_mark_follows_gets_one_sixty_milliseconds_later() {
        let mut planner = begun();
        speak(&mut planner, 1_000 * MS, 10_000);
        assert_eq!(speak(&mut planner, 1_000 * MS, 100), (false, false));
        assert_eq!(planner.next_us(), 1_060 * MS);
        assert_eq!(speak(&mut planner, 1_040 * MS, 100), (false, false));
        // Then nothing is to be told before the queue is over.
        assert_eq!(wakes_ms(&mut planner, 2), [1_100, 13_200]);
    }

    #[test]
    fn a_mark_of_the_bots_does_what_ours_would() {
        let mut planner = begun();
        planner.after_mark(1_000 * MS, "one");
        assert_eq!(planner.next_us(), 3_000 * MS, "no idle one so soon");
        speak(&mut planner, 2_000 * MS, 200);
        speak(&mut planner, 2_050 * MS, 5);
        planner.after_mark(2_050 * MS, "two");
        assert_eq!(planner.next_us(), 4_205 * MS, "no tail");
        assert_eq!(speak(&mut planner, 2_109 * MS, 5), (false, false), "60 ms count from it");
        assert_eq!(speak(&mut planner, 2_110 * MS, 5), (false, true));
        planner.after_mark(2_111 * MS, "three");
        assert!(!planner.before_clear(2_111 * MS), "it is the mark before a clear");
    }

    #[test]
    fn a_mark_of_the_bots_whose_name_was_there_before_puts_none_of_ours_off() {
        let mut planner = begun();
        planner.after_mark(1_000 * MS, "always this");
        speak(&mut planner, 2_000 * MS, 200);
        speak(&mut planner, 2_050 * MS, 5);
        planner.after_mark(2_050 * MS, "always this");
        assert_eq!(planner.next_us(), 2_110 * MS, "a tail");
        assert!(planner.before_clear(2_050 * MS), "its echo may be taken for that of the other one");
    }

    #[test]
    fn a_clear_has_a_mark_on_either_side_from_the_first_moment_on_and_empties_the_queue() {
        let mut planner = new();
        assert!(planner.before_clear(0) && planner.after_clear(0));
        let mut planner = begun();
        speak(&mut planner, 1_000 * MS, 10_000);
        assert!(planner.before_clear(1_500 * MS) && planner.after_clear(1_500 * MS));
        assert_eq!(planner.next_us(), 3_500 * MS);
        assert_eq!(speak(&mut planner, 1_531 * MS, 20), (true, true), "a pause is behind it");
    }

    #[test]
    fn of_clears_back_to_back_the_mark_behind_one_is_the_mark_before_the_next() {
        let mut planner = begun();
        speak(&mut planner, 1_000 * MS, 10_000);
        let mut now_us = 1_500 * MS;
        assert!(planner.before_clear(now_us) && planner.after_clear(now_us));
        now_us += 999;
        assert!(!planner.before_clear(now_us) && planner.after_clear(now_us), "in one write");
        now_us += 1_000;
        assert!(planner.before_clear(now_us) && planner.after_clear(now_us), "later");
        assert_eq!(speak(&mut planner, now_us, 20), (false, false));
        assert!(planner.before_clear(now_us), "speech came between");
    }

    #[test]
    fn no_more_than_ten_minutes_are_taken_for_queued() {
        let mut planner = begun();
        speak(&mut planner, 1_000 * MS, 3_600_000);
        assert_eq!(planner.next_us(), (1_000 + 600_000 + 2_000) * MS);
        assert!(speak(&mut planner, 1_000 * MS, 3_600_000) == (false, false) && planner.wake(1_060 * MS));
        assert_eq!(planner.next_us(), (1_000 + 600_000 + 2_000) * MS, "nothing was taken");
    }

    #[test]
    fn names_differ_and_are_ours() {
        let mut planner = new();
        let names: Vec<String> = (0..1_000).map(|_| planner.name().to_owned()).collect();
        assert!(names.iter().all(|name| planner.is_ours(name) && name.starts_with(planner.prefix())));
        assert_eq!(names.iter().collect::<std::collections::HashSet<_>>().len(), names.len());
        assert!(!planner.is_ours("") && !planner.is_ours("callrec-012") && !planner.is_ours(" callrec-0123"));
    }

    #[test]
    fn a_prefix_is_long_enough_to_be_no_others_and_fits_into_json_as_it_is() {
        let takes = |prefix: &str| MarkPlanner::new(prefix, 8_000, 0).is_some();
        assert!(takes("12345678") && takes(&"x".repeat(64)) && takes("!#$%&'()*+,-./[]{|}~"));
        assert!(!takes("1234567") && !takes(&"x".repeat(65)) && !takes(""));
        for bad in ["callrec \"", "callrec\\n", "callrec 1", "callrec\n1", "callrec\u{7f}1", "callrec\u{e9}1"]
        {
            assert!(!takes(bad), "{bad:?}");
        }
    }

    proptest! {
        #[test]
        fn whatever_happens_each_wake_sends_a_mark_and_the_next_is_later(
            rate in prop_oneof![Just(0), Just(8_000), any::<u32>()],
            begun_us in prop_oneof![Just(0), any::<u64>()],
            steps in prop::collection::vec((0_u8..6, prop_oneof![0..=300_000_u64, 0..=u64::MAX], any::<u64>()), 1..60),
        ) {
            let mut planner = MarkPlanner::new(PREFIX_OF_OURS, rate, begun_us).unwrap();
            let mut now_us = begun_us;
            for (step, later_us, samples) in steps {
                now_us = now_us.saturating_add(later_us);
                match step {
                    0 => { planner.before_audio(now_us); }
                    1 => { planner.after_audio(now_us, samples); }
                    2 => { planner.after_audio(now_us, samples % 8_000); }
                    3 => planner.after_mark(now_us, if samples % 2 == 0 { "even" } else { "odd" }),
                    4 => { planner.before_clear(now_us); }
                    _ => { planner.after_clear(now_us); }
                }
                let due = planner.next_us() <= now_us;
                prop_assert_eq!(planner.wake(now_us), due);
                // Only where no clock goes further the next is not later.
                prop_assert!(planner.next_us() > now_us.min(u64::MAX - 1));
                prop_assert!(planner.next_us() <= now_us.saturating_add(MOST_QUEUED_US + IDLE_EVERY_US));
            }
        }
    }
}
