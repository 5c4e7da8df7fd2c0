//! What is to be pointed at in a stream: when the assistant spoke, what cut it off, and where audio is missing.

use serde::{Deserialize, Serialize};

use crate::Track;

/// Something that a timeline can point at. Times are milliseconds of the stream clock.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Note {
    /// The assistant spoke, in a relay.
    Spurt(Spurt),
    /// Queued speech of the assistant was thrown away, in a relay.
    Cut(Cut),
    /// A track has silence where there should be audio.
    Gap(Gap),
}

/// Assistant audio that was played without a pause; pauses of less than 400 ms are [`Gap`]s in it.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Spurt {
    /// When it began.
    pub begin_ms: u64,
    /// When it was over.
    pub end_ms: u64,
    /// Whether an echo of a mark told the beginning. If not, it was modelled.
    #[serde(default)]
    pub pinned: bool,
}

/// Where speech ended that was to go on.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Cut {
    /// The end of what was heard.
    pub at_ms: u64,
    /// How much speech behind it was never heard, in milliseconds.
    pub unheard_ms: u64,
    /// Whether an echo of a mark, or the stream's end, told the place. If not, it was modelled.
    #[serde(default)]
    pub pinned: bool,
    /// What cut it.
    #[serde(default)]
    pub by: CutBy,
}

/// What cut the assistant's speech off.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CutBy {
    /// The queue was emptied: the caller spoke, or hung up.
    #[default]
    Cleared,
    /// The stream ended.
    End,
}

/// Silence where there should be audio.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Gap {
    /// In which track.
    pub track: Track,
    /// When it begins.
    pub begin_ms: u64,
    /// When it is over.
    pub end_ms: u64,
    /// Why there is no audio.
    pub why: GapWhy,
}

/// Why there is no audio where there should be.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum GapWhy {
    /// The provider's clock went on, and the audio never came.
    Lost,
    /// The bot's speech came too late to go on without a pause, in a relay.
    Underrun,
}

/// The notes of one stream, by kind, each in the order in which a timeline gave them; bounded.
///
/// In JSON every list has a default, and what is empty is left out.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Notes {
    /// When the assistant spoke; of a relay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub spurts: Vec<Spurt>,
    /// What cut it off; of a relay.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub cuts: Vec<Cut>,
    /// Where audio is missing.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub gaps: Vec<Gap>,
    /// How many notes there were beyond [`Notes::MOST`], or beyond what a summary has room for.
    #[serde(skip_serializing_if = "is_none")]
    pub beyond: u64,
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde asks so")]
pub(crate) fn is_none(count: &u64) -> bool {
    *count == 0
}

impl Notes {
    /// The most notes of all kinds together that are kept.
    pub const MOST: usize = 10_000;

    /// Adds a note, or counts it.
    pub fn add(&mut self, note: Note) {
        if self.spurts.len() + self.cuts.len() + self.gaps.len() >= Self::MOST {
            self.beyond += 1;
            return;
        }
        match note {
            Note::Spurt(spurt) => self.spurts.push(spurt),
            Note::Cut(cut) => self.cuts.push(cut),
            Note::Gap(gap) => self.gaps.push(gap),
        }
    }

    /// None of them, all counted.
    #[must_use]
    pub fn left_out(&self) -> Self {
        let count = (self.spurts.len() + self.cuts.len() + self.gaps.len()) as u64;
        Self { beyond: self.beyond + count, ..Self::default() }
    }

    /// Puts gaps of both tracks into the order of time.
    #[must_use]
    pub fn in_order(mut self) -> Self {
        self.gaps.sort_by_key(|gap| gap.begin_ms);
        self
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn notes_beyond_the_limit_are_counted() {
        let mut notes = Notes::default();
        for at_ms in 0..10_003 {
            notes.add(Note::Cut(Cut { at_ms, unheard_ms: 1, pinned: false, by: CutBy::End }));
        }
        assert_eq!((notes.cuts.len(), notes.beyond), (10_000, 3));
    }

    #[test]
    fn what_is_empty_is_not_in_the_json_and_comes_back_as_empty() {
        assert_eq!(serde_json::to_string(&Notes::default()).unwrap(), "{}");
        let read: Notes = serde_json::from_str(r#"{"cuts":[{"at_ms":5,"unheard_ms":7}],"later":1}"#).unwrap();
        assert_eq!(read.cuts, [Cut { at_ms: 5, unheard_ms: 7, pinned: false, by: CutBy::Cleared }]);
    }
}
