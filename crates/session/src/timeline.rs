//! What was heard: events in, two tracks of audio on the stream clock out.

mod clock;
mod placing;
mod playout;
mod tape;

use callrec_audio::g711::Law;

use crate::{Codec, Completeness, DropKind, Event, Place, StreamStart, Topology, Track};
use clock::StreamClock;
use placing::Placer;
use playout::PlayoutQueue;
use tape::Tape;

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

/// Speech of the assistant that was cut: queued by the provider, and never played.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Cut {
    /// When the speech began that was cut, in milliseconds of the stream clock.
    pub spurt_ms: u64,
    /// When it was cut.
    pub at_ms: u64,
    /// How much of it was never heard, in milliseconds.
    pub unheard_ms: u64,
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
/// * In a relay, the assistant's audio is played as the provider plays it: behind what is queued, or at once. A
///   [`Event::Cleared`] cuts what was not yet played.
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
    cut: Option<Cut>,
    completeness: Completeness,
    pcm: Vec<i16>,
}

#[derive(Debug)]
struct Stream {
    start: StreamStart,
    clock: StreamClock,
    caller: Lane,
    assistant: Lane,
    queue: PlayoutQueue,
}

/// A track, its pieces' places, and what happened to them, in samples.
#[derive(Debug)]
struct Lane {
    rate: u32,
    placer: Placer,
    tape: Tape,
    frames: u64,
    received: u64,
    gaps: u64,
    lost: u64,
    refused: u64,
    late_frames: u64,
    repeated_frames: u64,
}

impl Timeline {
    /// A timeline on which nothing happened yet.
    #[must_use]
    pub fn new(limits: TimelineLimits) -> Self {
        Self {
            limits,
            stream: None,
            ended: false,
            cut: None,
            completeness: Completeness::default(),
            pcm: Vec::new(),
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
            Event::Cleared => self.handle_clear(at_us),
            Event::Ended { .. } if !self.ended => self.handle_end(at_us),
            _ => {}
        }
    }

    fn handle_audio(&mut self, at_us: u64, track: Track, place: Place, codec: Codec, bytes: &[u8]) {
        let len = (bytes.len() / codec.bytes_per_sample()) as u64;
        if len == 0 {
            return;
        }
        let (Some(stream), false) = (&mut self.stream, self.ended) else {
            return self.completeness.count_dropped(DropKind::Audio, 1);
        };
        let now_us = stream.clock.advance(at_us);
        if track == Track::Assistant && stream.start.topology == Topology::Relay {
            stream.play(now_us, &mut self.pcm);
            stream.enqueue(now_us, codec, bytes, len, &mut self.completeness);
        } else {
            self.pcm.clear();
            decode(codec, bytes, &mut self.pcm);
            self.completeness.clock_jumps +=
                stream.place(track, place, at_us, now_us, &self.pcm, &self.limits);
            let now_us = stream.clock.advance(at_us);
            stream.play(now_us, &mut self.pcm);
        }
        stream.settle(&self.limits);
    }

    fn handle_clear(&mut self, at_us: u64) {
        let (Some(stream), false) = (&mut self.stream, self.ended) else { return };
        if stream.start.topology == Topology::Relay {
            let now_us = stream.clock.advance(at_us);
            stream.play(now_us, &mut self.pcm);
            self.cut = stream.cut(now_us, &mut self.completeness);
            stream.settle(&self.limits);
        }
    }

    fn handle_end(&mut self, at_us: u64) {
        self.ended = true;
        let Some(stream) = &mut self.stream else { return };
        let now_us = stream.clock.advance(at_us);
        stream.play(now_us, &mut self.pcm);
        self.cut = stream.cut(now_us, &mut self.completeness);
        stream.settle_all();
    }

    /// The next audio that can no longer change; none until more events came.
    pub fn poll_output(&mut self) -> Option<Stretch<'_>> {
        let Stream { caller, assistant, .. } = self.stream.as_mut()?;
        // The track that is behind goes first, so that who mixes them need hold a second of one at most.
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

    /// The cut that the last event made, if it made one. Ask after every event.
    pub fn poll_cut(&mut self) -> Option<Cut> {
        self.cut.take()
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
        }
        report
    }
}

impl Stream {
    fn new(start: &StreamStart, at_us: u64, limits: &TimelineLimits) -> Self {
        let rate = start.assistant_rate.max(1);
        Self {
            clock: StreamClock::new(at_us, limits.longest_ms.saturating_mul(1000)),
            caller: Lane::new(start.caller_rate.max(1)),
            assistant: Lane::new(rate),
            queue: PlayoutQueue::new(rate, rate.samples_in_ms(limits.queue_ms)),
            start: start.clone(),
        }
    }

    /// Puts audio where it says it belongs; returns how often a clock jumped.
    fn place(
        &mut self,
        track: Track,
        place: Place,
        at_us: u64,
        now_us: u64,
        pcm: &[i16],
        limits: &TimelineLimits,
    ) -> u64 {
        let len = pcm.len() as u64;
        let settled_us = self.front_us().max(now_us);
        let lane = match track {
            Track::Caller => &mut self.caller,
            Track::Assistant => &mut self.assistant,
        };
        lane.frames += 1;
        lane.received += len;
        let placed = match place {
            Place::At(ms) => lane.placer.stamped(ms, len, at_us, now_us, limits),
            Place::Queued | Place::Untimed => {
                // A model's speech may be handed over at once; but not more than a phone line would queue.
                let ahead = lane.tape.end().saturating_sub(lane.rate.samples_in_us(settled_us));
                if ahead + len > lane.rate.samples_in_ms(limits.queue_ms).max(len) {
                    lane.refused += len;
                    return 0;
                }
                lane.placer.untimed(len, now_us)
            }
        };
        if placed.start + len > lane.rate.samples_in_ms(limits.longest_ms) {
            lane.refused += len;
            return u64::from(placed.jumped);
        }
        lane.gaps += u64::from(placed.missing > 0);
        lane.lost += placed.missing;
        let before = lane.tape.end();
        let put = lane.tape.put(placed.start, pcm);
        if placed.start < before {
            // It filled a hole that was counted as lost.
            lane.lost = lane.lost.saturating_sub(put.placed.min(before - placed.start));
        }
        lane.late_frames += u64::from(put.late > 0);
        lane.repeated_frames += u64::from(put.repeated > 0 && put.late == 0);
        let end_us = lane.rate.us_of(placed.start + len.min(u64::from(lane.rate)));
        match place {
            // A stamp tells the time. (A piece of many seconds cannot have been spoken when its stamp says it began.)
            Place::At(_) => self.clock.see(end_us, at_us),
            // A caller speaks as fast as time goes: one who is ahead of it is a file that is read.
            _ if track == Track::Caller && end_us > now_us => self.clock.see(end_us, at_us),
            _ => {}
        }
        u64::from(placed.jumped)
    }

    fn enqueue(
        &mut self,
        now_us: u64,
        codec: Codec,
        bytes: &[u8],
        len: u64,
        completeness: &mut Completeness,
    ) {
        let lane = &mut self.assistant;
        lane.frames += 1;
        lane.received += len;
        let queued = self.queue.push(lane.rate.samples_in_us(now_us), codec, bytes);
        lane.refused += queued.refused;
        if let (Some(playout), 1..) = (&mut completeness.playout, queued.stalled) {
            playout.underruns += 1;
            playout.underrun_ms += lane.rate.ms_of(queued.stalled);
        }
    }

    /// Moves what the provider has played by now onto the tape.
    fn play(&mut self, now_us: u64, pcm: &mut Vec<i16>) {
        let lane = &mut self.assistant;
        self.queue.play(lane.rate.samples_in_us(now_us), |start, codec, bytes| {
            pcm.clear();
            decode(codec, bytes, pcm);
            lane.tape.put(start, pcm);
        });
    }

    /// Empties the queue.
    fn cut(&mut self, now_us: u64, completeness: &mut Completeness) -> Option<Cut> {
        let rate = self.assistant.rate;
        let unheard = self.queue.clear(rate.samples_in_us(now_us));
        let playout = completeness.playout.as_mut()?;
        if unheard == 0 {
            return None;
        }
        playout.cuts += 1;
        playout.unheard_ms += rate.ms_of(unheard);
        Some(Cut {
            spurt_ms: rate.ms_of(self.queue.spurt()),
            at_ms: now_us / 1000,
            unheard_ms: rate.ms_of(unheard),
        })
    }

    /// How far both tracks are known: to now, or, if they are fed faster than time goes, to where the shorter ends.
    fn front_us(&self) -> u64 {
        self.caller.us_end().min(self.assistant.us_end())
    }

    fn settle(&mut self, limits: &TimelineLimits) {
        let front = self.front_us().max(self.clock.read(0));
        let settled = front.saturating_sub(limits.horizon_ms.saturating_mul(1000));
        for lane in [&mut self.caller, &mut self.assistant] {
            lane.tape.settle(lane.rate.samples_in_us(settled));
        }
    }

    /// Gives everything out; both tracks end together.
    fn settle_all(&mut self) {
        let longest =
            if self.caller.us_end() >= self.assistant.us_end() { &self.caller } else { &self.assistant };
        let (end, rate) = (u128::from(longest.tape.end()), u128::from(longest.rate));
        for lane in [&mut self.caller, &mut self.assistant] {
            let end = (end * u128::from(lane.rate) + rate / 2) / rate;
            lane.tape.settle(lane.tape.end().max(end as u64));
        }
    }
}

impl Lane {
    fn new(rate: u32) -> Self {
        Self {
            rate,
            placer: Placer::new(rate),
            tape: Tape::new(rate),
            frames: 0,
            received: 0,
            gaps: 0,
            lost: 0,
            refused: 0,
            late_frames: 0,
            repeated_frames: 0,
        }
    }

    fn us_end(&self) -> u64 {
        self.rate.us_of(self.tape.end())
    }

    fn us_given(&self) -> u64 {
        self.rate.us_of(self.tape.given())
    }

    fn report(&self, report: &mut crate::TrackReport) {
        report.frames = self.frames;
        report.received_ms = self.rate.ms_of(self.received);
        report.gaps = if self.lost == 0 { 0 } else { self.gaps };
        report.lost_ms = self.rate.ms_of_up(self.lost);
        report.late_frames = self.late_frames;
        report.repeated_frames = self.repeated_frames;
        report.refused_ms = self.rate.ms_of_up(self.refused);
    }
}

/// Times and samples of a rate in Hz. Places are bounded by [`TimelineLimits::longest_ms`]; beyond, they saturate.
trait RateExt {
    fn samples_in_us(self, us: u64) -> u64;
    fn samples_in_ms(self, ms: u64) -> u64;
    fn us_of(self, samples: u64) -> u64;
    fn ms_of(self, samples: u64) -> u64;
    fn ms_of_up(self, samples: u64) -> u64;
}

impl RateExt for u32 {
    fn samples_in_us(self, us: u64) -> u64 {
        scaled(us, u64::from(self), 1_000_000)
    }

    fn samples_in_ms(self, ms: u64) -> u64 {
        scaled(ms, u64::from(self), 1_000)
    }

    fn us_of(self, samples: u64) -> u64 {
        scaled(samples, 1_000_000, u64::from(self))
    }

    fn ms_of(self, samples: u64) -> u64 {
        scaled(samples, 1_000, u64::from(self))
    }

    fn ms_of_up(self, samples: u64) -> u64 {
        self.us_of(samples).div_ceil(1000)
    }
}

fn scaled(value: u64, times: u64, by: u64) -> u64 {
    let scaled = u128::from(value) * u128::from(times) / u128::from(by);
    // Far beyond any stream, and far from overflow in what is added to it.
    u64::try_from(scaled).unwrap_or(u64::MAX).min(u64::MAX / 4)
}

fn decode(codec: Codec, bytes: &[u8], out: &mut Vec<i16>) {
    match codec {
        Codec::Mulaw => Law::Mulaw.decode(bytes, out),
        Codec::Alaw => Law::Alaw.decode(bytes, out),
        Codec::Pcm16 => out.extend(bytes.chunks_exact(2).map(|pair| i16::from_le_bytes([pair[0], pair[1]]))),
    }
}
