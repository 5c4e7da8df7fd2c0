//! What was sent and waits to be settled, in order, and where in it the marks and the clears are.
//!
//! Whoever sends much decides how much waits here, so nothing is looked for among all of it: marks and clears are found by their
//! numbers.

use std::collections::VecDeque;

use super::{ONE_WRITE_US, Sound};

/// The most things that wait; for one beyond, the first is settled. Ten minutes of speech in frames of 20 ms, and no more is queued,
/// are 30,000, and an honest bot sends 50 in a second.
pub(super) const MOST: usize = 65_536;
/// The most marks among them; more are not tracked.
pub(super) const MOST_MARKS: usize = 4_096;

/// Something that was sent to the provider and that no echo has settled yet.
#[derive(Debug)]
pub(super) struct Sent {
    /// Numbers rise, but not by one where something was taken out.
    number: u64,
    pub(super) at_us: u64,
    pub(super) what: What,
}

#[derive(Debug)]
pub(super) enum What {
    Chunk { sound: Sound },
    Mark,
    Clear,
}

#[derive(Debug)]
struct Mark {
    number: u64,
    name: Box<str>,
    /// The tick of the last frame of the caller before its echo, and when that came.
    echo: Option<(i64, u64)>,
}

/// A mark that came back.
#[derive(Debug, Clone, Copy)]
pub(super) struct Echoed {
    /// Where the mark is among the things that wait.
    pub(super) index: usize,
    /// The tick of the last frame of the caller before the echo.
    pub(super) tick: i64,
    /// When the echo came.
    pub(super) at_us: u64,
}

/// The marks of a name that wait for their echoes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Named {
    Nobody,
    /// The one at this place.
    One(usize),
    Several,
}

#[derive(Debug, Default)]
pub(super) struct Waiting {
    sent: VecDeque<Sent>,
    marks: VecDeque<Mark>,
    /// The numbers of the clears.
    clears: VecDeque<u64>,
    next: u64,
    /// How many things were looked at to find others.
    #[cfg(test)]
    pub(super) looked_at: std::cell::Cell<u64>,
}

impl Waiting {
    pub(super) fn len(&self) -> usize {
        self.sent.len()
    }

    pub(super) fn is_full(&self) -> bool {
        self.sent.len() >= MOST
    }

    /// Takes in speech that was sent in one write with what was sent last, if that is speech too: together they are what they were.
    pub(super) fn join(&mut self, at_us: u64, next: Sound) -> bool {
        match self.sent.back_mut() {
            Some(Sent { at_us: last_us, what: What::Chunk { sound }, .. })
                if at_us.abs_diff(*last_us) < ONE_WRITE_US =>
            {
                sound.join(next)
            }
            _ => false,
        }
    }

    pub(super) fn has_room_for_a_mark(&self) -> bool {
        self.marks.len() < MOST_MARKS
    }

    pub(super) fn push(&mut self, at_us: u64, what: What) {
        if matches!(what, What::Clear) {
            self.clears.push_back(self.next);
        }
        self.sent.push_back(Sent { number: self.next, at_us, what });
        self.next += 1;
    }

    pub(super) fn push_mark(&mut self, at_us: u64, name: &str) {
        self.marks.push_back(Mark { number: self.next, name: name.into(), echo: None });
        self.push(at_us, What::Mark);
    }

    pub(super) fn get(&self, index: usize) -> Option<&Sent> {
        self.look_at(1);
        self.sent.get(index)
    }

    /// The chunks among the first so many things, and when they were sent.
    pub(super) fn chunks(&self, count: usize) -> impl Iterator<Item = (u64, Sound)> {
        self.look_at(count);
        self.sent.range(..count).filter_map(|sent| match sent.what {
            What::Chunk { sound } => Some((sent.at_us, sound)),
            What::Mark | What::Clear => None,
        })
    }

    /// Whether there is a chunk behind this place and before that one.
    pub(super) fn has_chunk(&self, from: usize, until: usize) -> bool {
        let is_chunk = |sent: &Sent| {
            self.look_at(1);
            matches!(sent.what, What::Chunk { .. })
        };
        self.sent.range(from..until).any(is_chunk)
    }

    /// The first clear.
    pub(super) fn first_clear(&self) -> Option<usize> {
        self.index_of(*self.clears.front()?)
    }

    /// Whether a clear was sent behind this.
    pub(super) fn clear_follows(&self, index: usize) -> bool {
        let last = self.clears.back();
        self.sent.get(index).is_some_and(|sent| last.is_some_and(|clear| *clear > sent.number))
    }

    /// How many marks there are before the first other thing.
    pub(super) fn marks_in_front(&self) -> usize {
        // As long as the marks are what was sent first, they are the same at the same place.
        let (mut same, mut other) = (0, self.marks.len());
        while same < other {
            self.look_at(1);
            let middle = usize::midpoint(same, other);
            if self.marks[middle].number == self.sent[middle].number {
                same = middle + 1;
            } else {
                other = middle;
            }
        }
        same
    }

    /// The marks of this name that wait for their echo.
    pub(super) fn named(&self, name: &str) -> Named {
        let is_named_so = |mark: &&Mark| {
            self.look_at(1);
            mark.echo.is_none() && *mark.name == *name
        };
        let mut named_so = self.marks.iter().filter(is_named_so);
        match (named_so.next(), named_so.next()) {
            (Some(mark), None) => self.index_of(mark.number).map_or(Named::Nobody, Named::One),
            (Some(_), Some(_)) => Named::Several,
            (None, _) => Named::Nobody,
        }
    }

    /// The mark at this place came back. Tells when it was sent.
    pub(super) fn echo(&mut self, index: usize, tick: i64, at_us: u64) -> u64 {
        let sent = &self.sent[index];
        if let Ok(mark) = self.marks.binary_search_by_key(&sent.number, |mark| mark.number) {
            self.marks[mark].echo = Some((tick, at_us));
        }
        sent.at_us
    }

    /// The first mark that came back, among the first so many things.
    pub(super) fn first_echoed(&self, count: usize) -> Option<Echoed> {
        self.echoed(self.marks.range(..self.marks_among(count)))
    }

    /// The last mark that came back, among the first so many things.
    pub(super) fn last_echoed(&self, count: usize) -> Option<Echoed> {
        self.echoed(self.marks.range(..self.marks_among(count)).rev())
    }

    /// How many marks are among the first so many things.
    fn marks_among(&self, count: usize) -> usize {
        let bound = self.sent.get(count).map_or(self.next, |sent| sent.number);
        self.marks.partition_point(|mark| mark.number < bound)
    }

    fn echoed<'a>(&self, mut marks: impl Iterator<Item = &'a Mark>) -> Option<Echoed> {
        let (number, (tick, at_us)) = marks.find_map(|mark| {
            self.look_at(1);
            mark.echo.map(|echo| (mark.number, echo))
        })?;
        self.index_of(number).map(|index| Echoed { index, tick, at_us })
    }

    /// Takes the first so many things.
    pub(super) fn take(&mut self, count: usize) -> impl Iterator<Item = Sent> {
        let bound = self.sent.get(count).map_or(self.next, |sent| sent.number);
        while self.marks.front().is_some_and(|mark| mark.number < bound) {
            self.marks.pop_front();
        }
        while self.clears.front().is_some_and(|clear| *clear < bound) {
            self.clears.pop_front();
        }
        self.sent.drain(..count)
    }

    /// Takes a mark out that is not believed.
    pub(super) fn remove_mark(&mut self, index: usize) {
        if let Some(sent) = self.sent.remove(index)
            && let Ok(mark) = self.marks.binary_search_by_key(&sent.number, |mark| mark.number)
        {
            self.marks.remove(mark);
        }
    }

    fn index_of(&self, number: u64) -> Option<usize> {
        let number_of = |sent: &Sent| {
            self.look_at(1);
            sent.number
        };
        self.sent.binary_search_by_key(&number, number_of).ok()
    }

    #[cfg(not(test))]
    const fn look_at(&self, _: usize) {}

    #[cfg(test)]
    fn look_at(&self, things: usize) {
        self.looked_at.set(self.looked_at.get() + things as u64);
    }
}
