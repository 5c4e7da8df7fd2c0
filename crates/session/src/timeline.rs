//! What was heard: events in, two tracks of audio on the stream clock out.

mod clock;
mod noted;
mod piece;
mod placements;
mod placing;
mod playout;
mod rate;
mod stream;
mod tape;

use crate::{Codec, Completeness, DropKind, Event, Note, Place, StreamStart, Track};
use piece::Piece;
pub use placements::Placement;
use placements::Placements;
use stream::Stream;

/// How far a timeline reaches.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
#[non_exhaustive]
pub struct TimelineLimits {
    /// How long a moment stays open for audio that comes late, in milliseconds.
    pub horizon_ms: u64,
    /// How much of the bot's speech may wait to be played, in milliseconds. Twilio refuses more than 10 minutes.
    pub queue_ms: u64,
    /// The longest stream, in milliseconds. What would be beyond is refused.
    pub longest_ms: u64,
}

impl Default for TimelineLimits {
    /// 2 seconds, 10 minutes and 48 hours.
    fn default() -> Self {
        Self { horizon_ms: 2_000, queue_ms: 600_000, longest_ms: 48 * 3_600_000 }
    }
}

/// Audio of one track that can no longer change. Each begins where the one before it ended; silence is samples too.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Stretch<'a> {
    /// Whose.
    pub track: Track,
    /// Samples of this track's rate since the stream began.
    pub start: u64,
    /// A second of audio at most.
    pub samples: &'a [i16],
}

/// Puts a stream's audio in its place.
///
/// Feed it every event with the local time at which it happened, in microseconds of any clock that never goes back, and take what
/// it gives out. It reads no clock itself, so the same events give the same audio, live or years later.
///
/// * Audio with a time is put there. A piece that is less than its own length away from where the piece before it
///   ended continues it, without a click; further ahead, the time between is silence and counted as lost.
/// * Audio that comes late fills its place, as long as that is within [`TimelineLimits::horizon_ms`] of the latest.
/// * A clock that jumps is not believed: the audio goes where its arrival puts it, and the jump is counted.
/// * In a relay, the assistant's audio is where the provider played it: behind what was queued, or at once. A
///   [`Event::Cleared`] cuts what was not yet played. Marks that come back ([`Event::MarkEchoed`]) tell when that was, to
///   a tick of 20 ms; without them it is modelled, as if nothing took any time on its way.
///
/// What was given out is final. What comes later and says otherwise is counted in
/// [`Playout::late_news`](crate::Playout::late_news); a timeline with a farther horizon would have waited for it.
///
/// ```
/// use std::borrow::Cow;
/// use callrec_session::{Codec, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track};
///
/// let mut timeline = Timeline::new(TimelineLimits::default());
/// let start = StreamStart::new("CA1", "MZ1", Topology::OneWay);
/// timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
/// let bytes = [0_u8; 160]; // 20 ms of μ-law at full scale
/// for (at_us, ms) in [(20_000, 0), (40_000, 20), (80_000, 60)] {
///     timeline.handle_event(at_us, &Event::Audio { track: Track::Caller, place: Place::At(ms), codec: Codec::Mulaw, bytes: &bytes });
/// }
/// timeline.handle_event(90_000, &Event::Ended { reason: EndReason::Stopped });
///
/// let mut caller = Vec::new();
/// while let Some(stretch) = timeline.poll_output() {
///     if stretch.track == Track::Caller {
///         caller.extend_from_slice(stretch.samples);
///     }
/// }
/// assert_eq!(caller.len(), 640); // 80 ms
/// assert!(caller[320..480].iter().all(|&sample| sample == 0)); // the frame that never came
/// assert_eq!(timeline.completeness().caller.lost_ms, 20);
/// ```
#[derive(Debug)]
pub struct Timeline {
    limits: TimelineLimits,
    stream: Option<Stream>,
    ended: bool,
    placements: Placements,
    completeness: Completeness,
}

impl Timeline {
    /// A timeline on which nothing happened yet.
    #[must_use]
    pub fn new(limits: TimelineLimits) -> Self {
        Self {
            limits,
            stream: None,
            ended: false,
            placements: Placements::default(),
            completeness: Completeness::default(),
        }
    }

    /// What the stream said of itself when it began.
    #[must_use]
    pub fn start(&self) -> Option<&StreamStart> {
        self.stream.as_ref().map(|stream| &stream.start)
    }

    /// Takes an event that happened at `at_us`, in microseconds of a local clock that never goes back.
    ///
    /// Total: whatever the event holds, it is placed, or refused and counted.
    pub fn handle_event(&mut self, at_us: u64, event: &Event<'_>) {
        match event {
            Event::Dropped { what, count } => self.completeness.count_dropped(*what, *count),
            Event::Started(start) if self.stream.is_none() => {
                self.stream = Some(Stream::new(start, at_us, &self.limits));
                let dropped = std::mem::take(&mut self.completeness.dropped);
                self.completeness = Completeness { dropped, ..Completeness::of(start.topology) };
            }
            Event::Audio { track, place, codec, bytes } => {
                self.handle_audio(at_us, *track, *place, *codec, bytes);
            }
            Event::Omitted { track, place, samples } => self.handle_omitted(at_us, *track, *place, *samples),
            Event::MarkSent { .. } | Event::MarkEchoed { .. } | Event::Cleared => {
                self.handle_playout(at_us, event);
            }
            Event::Over | Event::Ended { .. } if !self.ended => self.handle_end(at_us),
            _ => {}
        }
    }

    fn handle_audio(&mut self, at_us: u64, track: Track, place: Place, codec: Codec, bytes: &[u8]) {
        let piece = Piece::new(codec, bytes);
        if piece.is_empty() {
            return;
        }
        let (Some(stream), false) = (&mut self.stream, self.ended) else {
            return self.completeness.count_dropped(DropKind::Audio, 1);
        };
        let now_us = stream.clock.advance(at_us);
        if track == Track::Assistant && stream.is_relay() {
            stream.push(at_us, now_us, codec, bytes);
        } else {
            self.completeness.clock_jumps += stream.place(track, place, at_us, now_us, piece, &self.limits);
            stream.clock.advance(at_us);
        }
        stream.settle(&self.limits, &mut self.placements);
    }

    /// Audio whose bytes nobody kept is silence of its length.
    fn handle_omitted(&mut self, at_us: u64, track: Track, place: Place, samples: u32) {
        const SECOND: [u8; 8_000] = [0xff; 8_000];
        let most = self.stream.as_ref().map_or(0, |stream| stream.most_samples(track, &self.limits));
        let mut left = u64::from(samples).min(most) as usize;
        let mut place = place;
        while left > 0 {
            let now = left.min(SECOND.len());
            self.handle_audio(at_us, track, place, Codec::Mulaw, &SECOND[..now]);
            left -= now;
            if let Place::At(_) = place {
                place = Place::Untimed;
            }
        }
    }

    /// What a relay's provider is told or tells about its queue.
    fn handle_playout(&mut self, at_us: u64, event: &Event<'_>) {
        let (Some(stream), false) = (&mut self.stream, self.ended) else { return };
        if !stream.is_relay() {
            return;
        }
        let now_us = stream.clock.advance(at_us);
        match event {
            Event::MarkSent { name } => stream.playout.mark_sent(at_us, now_us, name),
            Event::MarkEchoed { name } => stream.playout.mark_echoed(at_us, now_us, name),
            _ => stream.playout.clear(at_us, now_us),
        }
        stream.settle(&self.limits, &mut self.placements);
    }

    fn handle_end(&mut self, at_us: u64) {
        self.ended = true;
        let Some(stream) = &mut self.stream else { return };
        let now_us = stream.clock.advance(at_us);
        stream.end(now_us, &mut self.placements);
        stream.settle_all();
    }

    /// Whether there is audio that can no longer change.
    pub fn has_output(&self) -> bool {
        self.stream.as_ref().is_some_and(|Stream { caller, assistant, .. }| {
            caller.tape.has_output() || assistant.tape.has_output()
        })
    }

    /// The next audio that can no longer change; none until more events came.
    pub fn poll_output(&mut self) -> Option<Stretch<'_>> {
        let Stream { caller, assistant, .. } = self.stream.as_mut()?;
        // The track that is behind goes first, so that who mixes them need hold a fifth of a second of one at most.
        let caller_first = caller.us_given() <= assistant.us_given();
        let (track, lane) = match (caller.tape.has_output(), assistant.tape.has_output()) {
            (true, false) => (Track::Caller, caller),
            (true, true) if caller_first => (Track::Caller, caller),
            (_, true) => (Track::Assistant, assistant),
            (false, false) => return None,
        };
        let (start, samples) = lane.tape.give();
        Some(Stretch { track, start, samples })
    }

    /// What became of the bot's next speech in a relay, once that is final. Ask after every event.
    pub fn poll_placement(&mut self) -> Option<Placement> {
        self.placements.poll()
    }

    /// The next thing to point at, once it is final: spurts when they are over, cuts and gaps. Ask after every event.
    pub fn poll_note(&mut self) -> Option<Note> {
        self.stream.as_mut()?.poll_note()
    }

    /// How many samples the bot of a relay has sent so far.
    #[must_use]
    pub fn generated(&self) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.playout.generated())
    }

    /// What the stream clock showed at a local instant, in milliseconds.
    #[must_use]
    pub fn stream_clock_ms(&self, at_us: u64) -> u64 {
        self.stream.as_ref().map_or(0, |stream| stream.clock.read(at_us) / 1000)
    }

    /// What is missing, repaired or unheard so far.
    #[must_use]
    pub fn completeness(&self) -> Completeness {
        let mut report = self.completeness.clone();
        if let Some(stream) = &self.stream {
            stream.caller.report(&mut report.caller);
            stream.assistant.report(&mut report.assistant);
            if let Some(playout) = &mut report.playout {
                *playout = stream.playout.report();
            }
        }
        report
    }
}
