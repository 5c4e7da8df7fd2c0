//! What a recording says of itself: what is missing from it, what was repaired, and what was never heard.

use serde::{Deserialize, Serialize};

use crate::notes::is_none;
use crate::{DropKind, Topology, Track};

/// What became of all that was received. Numbers only, so that a program can judge; [`sentences`](Self::sentences)
/// says the same to people.
///
/// Times are milliseconds of audio. In JSON every field has a default, and zero means that nothing happened.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Completeness {
    /// The caller's track.
    pub caller: TrackReport,
    /// The assistant's track.
    pub assistant: TrackReport,
    /// How often the provider's clock jumped, so that audio was placed by its arrival.
    pub clock_jumps: u64,
    /// What was lost before it reached the recording.
    pub dropped: Dropped,
    /// What the playout model of a relay knows; none where the provider sent both tracks.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub playout: Option<Playout>,
    /// Whether the recording was made again at the end of the call, because something was learned of a moment after that
    /// had been encoded.
    pub taken_again: bool,
    /// Bytes of events, audio for the most part, that the disk never took; they are lost.
    pub unjournalled_bytes: u64,
    /// Bytes within the journal that were damaged; what is behind them was read.
    pub damaged_bytes: u64,
    /// Bytes at the end of the journal that a crash left unreadable.
    pub torn_bytes: u64,
    /// Records of the journal that could not be understood.
    pub unreadable_records: u64,
}

/// One track's share of a [`Completeness`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct TrackReport {
    /// Pieces of audio that were received.
    pub frames: u64,
    /// Audio received, in milliseconds.
    pub received_ms: u64,
    /// How often audio was missing where the provider's clock went on.
    pub gaps: u64,
    /// How much was missing and is silence in the recording, in milliseconds.
    pub lost_ms: u64,
    /// Pieces that came after their moment was given out.
    pub late_frames: u64,
    /// Pieces that came twice, sample for sample.
    pub repeated_frames: u64,
    /// Pieces whose moment was filled already, at least in part, by other audio.
    pub unplaced_frames: u64,
    /// Audio refused because it was too far ahead or the recording too long, in milliseconds.
    pub refused_ms: u64,
}

/// What was counted as lost on its way to the recording, by [`DropKind`].
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Dropped {
    /// Messages that could not be read.
    pub messages: u64,
    /// Pieces of audio that could not be read, or that no buffer had room for.
    pub audio: u64,
    /// Messages of unknown kinds.
    pub unknown_messages: u64,
    /// Times that were no times; their audio was placed by its arrival.
    pub timestamps: u64,
    /// Stream parameters beyond what is kept.
    pub parameters: u64,
    /// Transcript lines.
    pub transcript_lines: u64,
}

/// What is known of when the bot's speech was played, in a relay.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(default)]
#[non_exhaustive]
pub struct Playout {
    /// Whether the provider's own echoes said when speech was played. If not, it was modelled.
    pub calibrated: bool,
    /// Marks that were sent, of the bot's and of the relay's own.
    pub marks: u64,
    /// Marks beyond those, sent while so many waited for their echoes that no more are tracked.
    #[serde(skip_serializing_if = "is_none")]
    pub marks_untracked: u64,
    /// Echoes of them that came back.
    pub echoes: u64,
    /// Echoes of no mark that waited for one.
    pub stray_echoes: u64,
    /// Where the last echo came that told anything, in milliseconds of the stream, if marks were sent long after it: from
    /// there on, speech was placed by the model.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub echoes_ended_ms: Option<u64>,
    /// The shortest round trip to the provider that was measured last, in milliseconds.
    pub round_trip_ms: Option<u64>,
    /// How often the assistant began to speak.
    pub spurts: u64,
    /// How many of these beginnings an echo told.
    pub spurts_pinned: u64,
    /// How often queued speech was cut.
    pub cuts: u64,
    /// How many of these cuts an echo told.
    pub cuts_pinned: u64,
    /// The largest possible error of a place in the assistant's track, in milliseconds, by what the echoes told of the way
    /// and a tick. None if it is not calibrated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub largest_error_ms: Option<u64>,
    /// How often an echo contradicted what was given out already.
    pub late_news: u64,
    /// How often the model decided before its time when something was played or cut, because more waited for echoes than is kept.
    #[serde(skip_serializing_if = "is_none")]
    pub settled_early: u64,
    /// Speech that was generated and never heard, in milliseconds.
    pub unheard_ms: u64,
    /// How often the bot's speech came too late to go on without a pause.
    pub underruns: u64,
    /// The pauses that this made, in milliseconds.
    pub underrun_ms: u64,
}

impl Completeness {
    pub(crate) fn of(topology: Topology) -> Self {
        let playout = (topology == Topology::Relay).then(Playout::default);
        Self { playout, ..Self::default() }
    }

    /// Counts what was lost before it reached the recording.
    pub fn count_dropped(&mut self, what: DropKind, count: u32) {
        let dropped = &mut self.dropped;
        let counter = match what {
            DropKind::Message => &mut dropped.messages,
            DropKind::Audio => &mut dropped.audio,
            DropKind::UnknownMessage => &mut dropped.unknown_messages,
            DropKind::Timestamp => &mut dropped.timestamps,
            DropKind::Parameter => &mut dropped.parameters,
            DropKind::TranscriptLine => &mut dropped.transcript_lines,
        };
        *counter = counter.saturating_add(u64::from(count));
    }

    /// One track's share.
    #[must_use]
    pub const fn track(&self, track: Track) -> &TrackReport {
        match track {
            Track::Caller => &self.caller,
            Track::Assistant => &self.assistant,
        }
    }

    /// Whether something was learned of a moment after that was given out. A timeline with a farther horizon would
    /// have known it in time.
    #[must_use]
    pub fn had_late_news(&self) -> bool {
        let late = self.caller.late_frames + self.assistant.late_frames;
        late > 0 || self.playout.as_ref().is_some_and(|playout| playout.late_news > 0)
    }

    /// Whether all that the provider and the bot sent is in its place. What was cut off by the caller, and what
    /// carried neither audio nor words, is not missing.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        let whole = |track: &TrackReport| {
            track.lost_ms == 0
                && track.gaps == 0
                && track.late_frames == 0
                && track.unplaced_frames == 0
                && track.refused_ms == 0
        };
        let lost = self.dropped.messages + self.dropped.audio + self.dropped.transcript_lines;
        whole(&self.caller)
            && whole(&self.assistant)
            && lost == 0
            && self.clock_jumps == 0
            && self.unjournalled_bytes == 0
            && self.damaged_bytes == 0
            && self.torn_bytes == 0
            && self.unreadable_records == 0
    }

    /// The same in words, one sentence for each thing that happened; none if there is nothing to tell.
    #[must_use]
    pub fn sentences(&self) -> Vec<String> {
        let mut told = Vec::new();
        let mut tell = |count: u64, sentence: String| {
            if count > 0 {
                told.push(sentence);
            }
        };
        for (who, track) in [("caller", &self.caller), ("assistant", &self.assistant)] {
            let lost = format!(
                "{} of the {who}'s audio never came ({}); it is silence",
                seconds(track.lost_ms),
                times(track.gaps)
            );
            tell(track.gaps, lost);
            tell(
                track.late_frames,
                format!("{} of the {who}'s audio came too late and is missing", pieces(track.late_frames)),
            );
            tell(
                track.repeated_frames,
                format!(
                    "{} of the {who}'s audio came twice and is there once",
                    pieces(track.repeated_frames)
                ),
            );
            tell(
                track.unplaced_frames,
                format!(
                    "{} of the {who}'s audio belonged where other audio is already, and is missing",
                    pieces(track.unplaced_frames)
                ),
            );
            tell(
                track.refused_ms,
                format!(
                    "{} of the {who}'s audio was beyond what is queued or recorded, and is missing",
                    seconds(track.refused_ms)
                ),
            );
        }
        tell(
            self.clock_jumps,
            format!(
                "the provider's clock jumped ({}); what followed was placed by its arrival",
                times(self.clock_jumps)
            ),
        );
        let dropped = &self.dropped;
        for (count, what) in [
            (dropped.messages, "unreadable messages were dropped"),
            (dropped.audio, "pieces of audio were unreadable or found no room, and are missing"),
            (dropped.unknown_messages, "messages of unknown kinds were passed over"),
            (dropped.timestamps, "pieces of audio had no usable time and were placed by their arrival"),
            (dropped.parameters, "stream parameters were not kept"),
            (dropped.transcript_lines, "transcript lines were dropped"),
        ] {
            tell(count, format!("{what}: {count}"));
        }
        tell(
            self.unjournalled_bytes,
            format!("the disk refused the end of the call: {} bytes of it are lost", self.unjournalled_bytes),
        );
        tell(
            self.damaged_bytes,
            format!("{} bytes within the journal were damaged, and are missing", self.damaged_bytes),
        );
        tell(self.torn_bytes, format!("the last {} bytes of the journal could not be read", self.torn_bytes));
        tell(
            self.unreadable_records,
            format!("records of the journal that could not be understood: {}", self.unreadable_records),
        );
        tell(
            u64::from(self.taken_again),
            "late news came in, and the recording was made again at the end with them".to_owned(),
        );
        if let Some(playout) = &self.playout {
            playout.tell(&mut tell);
        }
        told
    }
}

impl Playout {
    fn tell(&self, tell: &mut impl FnMut(u64, String)) {
        tell(self.cuts, format!("the assistant was cut off {}", times(self.cuts)));
        let unheard = seconds(self.unheard_ms);
        tell(self.unheard_ms, format!("{unheard} of the assistant's speech were generated and never heard"));
        let late = format!(
            "the assistant's speech stalled {}, for {} together",
            times(self.underruns),
            seconds(self.underrun_ms)
        );
        tell(self.underruns, late);
        tell(
            self.late_news,
            format!("echoes contradicted what was encoded already {}", times(self.late_news)),
        );
        tell(
            self.marks_untracked,
            format!("marks were sent while too many waited for their echoes: {}", self.marks_untracked),
        );
        tell(
            self.settled_early,
            format!(
                "so much was sent at once that the model placed it before echoes could {}",
                times(self.settled_early)
            ),
        );
        if self.calibrated {
            let round_trip =
                self.round_trip_ms.map_or_else(String::new, |ms| format!(", round trip {ms} ms"));
            let pinned = format!(
                "the assistant's track is calibrated by the provider's echoes: {} of {} beginnings and {} of {} cuts are \
                 pinned, the largest error is estimated at {} ms{round_trip}",
                self.spurts_pinned,
                self.spurts,
                self.cuts_pinned,
                self.cuts,
                self.largest_error_ms.unwrap_or(0)
            );
            tell(1, pinned);
            if let Some(ms) = self.echoes_ended_ms {
                tell(
                    1,
                    format!("no echo told anything after {}: from then on it is uncalibrated", seconds(ms)),
                );
            }
        } else {
            let uncalibrated = "the assistant's track is uncalibrated: placed by a model of the provider's playout, early by \
                                the network's delay";
            tell(1, uncalibrated.to_owned());
        }
    }
}

fn seconds(ms: u64) -> String {
    format!("{}.{:03} s", ms / 1000, ms % 1000)
}

fn times(count: u64) -> String {
    if count == 1 { "once".to_owned() } else { format!("{count} times") }
}

fn pieces(count: u64) -> String {
    if count == 1 { "1 piece".to_owned() } else { format!("{count} pieces") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_call_without_incident_is_complete_and_has_nothing_to_tell() {
        let whole = Completeness::of(Topology::OneWay);
        assert!(whole.is_complete());
        assert_eq!(whole.sentences(), [""; 0]);
    }

    #[test]
    fn what_the_caller_cut_off_is_told_but_not_missing() {
        let mut call = Completeness::of(Topology::Relay);
        call.playout = Some(Playout { cuts: 1, unheard_ms: 2340, ..Playout::default() });
        assert!(call.is_complete());
        let told = call.sentences().join("\n");
        assert!(
            told.contains("cut off once") && told.contains("2.340 s of the assistant's speech"),
            "{told}"
        );
        assert!(told.contains("uncalibrated"), "{told}");
    }

    #[test]
    fn every_kind_of_loss_is_told_and_makes_a_call_incomplete() {
        type Change = fn(&mut Completeness);
        let losses: [Change; 11] = [
            |c| (c.caller.gaps, c.caller.lost_ms) = (1, 20),
            |c| c.assistant.late_frames = 1,
            |c| c.caller.unplaced_frames = 1,
            |c| c.assistant.refused_ms = 5,
            |c| c.clock_jumps = 2,
            |c| c.count_dropped(DropKind::Message, 1),
            |c| c.count_dropped(DropKind::Audio, 7),
            |c| c.damaged_bytes = 9,
            |c| c.torn_bytes = 9,
            |c| c.unjournalled_bytes = 9,
            |c| c.unreadable_records = 1,
        ];
        for loss in losses {
            let mut call = Completeness::default();
            loss(&mut call);
            assert!(!call.is_complete(), "{call:?}");
            assert_eq!(call.sentences().len(), 1, "{call:?}");
        }
    }

    #[test]
    fn json_of_another_age_is_read() {
        let read: Completeness =
            serde_json::from_str(r#"{"clock_jumps":3,"caller":{"gaps":1},"later":{}}"#).unwrap();
        assert_eq!((read.clock_jumps, read.caller.gaps, read.playout), (3, 1, None));
    }
}
