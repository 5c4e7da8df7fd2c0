//! How much a transcript keeps, and what there is room for.

/// How much of a transcript is kept.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TranscriptLimits {
    /// The most lines.
    pub lines: usize,
    /// The most bytes of text, over all lines.
    pub bytes: usize,
}

impl Default for TranscriptLimits {
    /// 20,000 lines and 4 MiB of text: a day of talk.
    fn default() -> Self {
        Self { lines: 20_000, bytes: 4 * 1024 * 1024 }
    }
}

/// Lines whose words may still be timed: the latest.
const LATEST: usize = 8;

/// The room in a transcript, as its [`Transcript`](super::Transcript) reckons with it. Whoever hands lines on can tell by it which of
/// them would be dropped there.
#[derive(Clone, Debug)]
pub struct TranscriptRoom {
    limits: TranscriptLimits,
    lines: usize,
    bytes: usize,
    /// How many words each of the latest lines has, as long as nobody has told when they begin.
    untimed: [Option<usize>; LATEST],
}

impl TranscriptRoom {
    /// That of an empty transcript.
    #[must_use]
    pub const fn new(limits: TranscriptLimits) -> Self {
        Self { limits, lines: 0, bytes: 0, untimed: [None; LATEST] }
    }

    /// Takes the room of a line; tells whether there was as much.
    pub fn take_line(&mut self, text: &str) -> bool {
        if self.lines >= self.limits.lines || !self.take_bytes(text.len()) {
            return false;
        }
        self.untimed[self.lines % LATEST] = Some(text.split_whitespace().count());
        self.lines += 1;
        true
    }

    /// Takes the room for when each word of a line begins: the last one that has as many words, for somebody else may have told another
    /// in between. Gives the index of the line; none if there is none, or no room.
    pub fn take_word_times(&mut self, starts_ms: &[u32]) -> Option<usize> {
        let latest = self.lines.saturating_sub(LATEST)..self.lines;
        let line = latest.rev().find(|line| self.untimed[line % LATEST] == Some(starts_ms.len()))?;
        self.take_bytes(size_of_val(starts_ms)).then(|| {
            self.untimed[line % LATEST] = None;
            line
        })
    }

    fn take_bytes(&mut self, bytes: usize) -> bool {
        let has_room = bytes <= self.limits.bytes.saturating_sub(self.bytes);
        self.bytes += if has_room { bytes } else { 0 };
        has_room
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_finds_no_room_takes_none_and_times_are_those_of_the_latest_line_with_as_many_words() {
        let mut room = TranscriptRoom::new(TranscriptLimits { lines: 4, bytes: 24 });
        assert!(room.take_line("one two"));
        assert!(!room.take_line("more than 17 bytes"));
        assert!(room.take_line("three") && room.take_line("four"));
        // 8 bytes are left.
        assert_eq!(room.take_word_times(&[0, 1, 2]), None, "no line has three words");
        assert_eq!(room.take_word_times(&[0]), Some(2));
        assert_eq!(room.take_word_times(&[0, 1]), None, "there is no room");
        assert_eq!(room.take_word_times(&[0]), Some(1), "the other has its times");
        assert!(!room.take_line("x") && room.take_line("") && !room.take_line(""));
    }
}
