//! When the calling machine was late, and by how much.

/// What is no more is not worth keeping: half a tick of the provider.
const WORTH_MS: u64 = 10;
const SECOND_MS: u64 = 1_000;

/// How late the ends of one call were.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Lateness {
    /// At most, in microseconds.
    most_us: u64,
    /// Seconds of the stream in which it was worth keeping, in order, and milliseconds at most in each.
    seconds: Vec<(u64, u64)>,
}

impl Lateness {
    /// Takes down that something was due, and is done only now; microseconds since the stream began.
    pub(crate) fn note(&mut self, due_us: u64, now_us: u64) {
        let late_us = now_us.saturating_sub(due_us);
        self.most_us = self.most_us.max(late_us);
        let (second, late_ms) = (now_us / (SECOND_MS * 1_000), late_us / 1_000);
        if late_ms < WORTH_MS {
            return;
        }
        match self.seconds.last_mut() {
            Some((last, most_ms)) if *last == second => *most_ms = late_ms.max(*most_ms),
            _ => self.seconds.push((second, late_ms)),
        }
    }

    /// In milliseconds.
    pub(crate) const fn most_ms(&self) -> u64 {
        self.most_us / 1_000
    }

    /// Second of the stream, and milliseconds.
    pub(crate) fn seconds(&self) -> &[(u64, u64)] {
        &self.seconds
    }
}

/// How late it was at most between these milliseconds of the stream, or within a second of them: what comes late may be played later still.
pub(crate) fn near(seconds: &[(u64, u64)], begins_ms: u64, ends_ms: u64) -> u64 {
    let from = (begins_ms / SECOND_MS).saturating_sub(1);
    let first = seconds.partition_point(|(second, _)| *second < from);
    let until = ends_ms / SECOND_MS + 1;
    let there = seconds.iter().skip(first).take_while(|(second, _)| *second <= until);
    there.map(|(_, late_ms)| *late_ms).max().unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_most_of_each_second_is_kept_if_it_is_worth_it() {
        let mut late = Lateness::default();
        for (due_us, now_us) in [
            (0, 9_999),
            (500_000, 400_000),
            (2_000_000, 2_012_000),
            (2_100_000, 2_185_900),
            (3_999_000, 4_030_000),
        ] {
            late.note(due_us, now_us);
        }
        assert_eq!((late.most_ms(), late.seconds()), (85, &[(2, 85), (4, 31)][..]));
    }

    #[test]
    fn it_is_told_of_the_seconds_around_and_of_no_others() {
        let seconds = [(2, 85), (5, 31)];
        for (begins_ms, ends_ms, late_ms) in [
            (0, 999, 0),
            (0, 1_000, 85),
            (3_999, 3_999, 85),
            (3_000, 4_000, 85),
            (4_000, 4_900, 31),
            (6_999, 9_000, 31),
            (7_000, 9_000, 0),
        ] {
            assert_eq!(near(&seconds, begins_ms, ends_ms), late_ms, "{begins_ms} to {ends_ms}");
        }
    }
}
