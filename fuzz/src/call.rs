//! A stream's events, taken as a recording takes them, and what must be true of it whatever they are.

use callrec_session::{
    EndReason, Event, Moment, Notes, Timeline, TimelineLimits, Topology, Track, Transcript, TranscriptLimits,
    wire,
};

/// Longer streams only take longer.
const LONGEST_MS: u64 = 20_000;

/// The recording of one stream, without a file.
pub(crate) struct Call {
    timeline: Timeline,
    transcript: Transcript,
    notes: Notes,
    rates: [u32; 2],
    sent: [u64; 2],
    given: [u64; 2],
    sounding: [u64; 2],
    at_us: u64,
    generated: u64,
}

impl Call {
    pub(crate) fn new(assistant_rate: u32) -> Self {
        let mut limits = TimelineLimits::default();
        limits.longest_ms = LONGEST_MS;
        Self {
            timeline: Timeline::new(limits),
            transcript: Transcript::new(TranscriptLimits::default(), assistant_rate),
            notes: Notes::default(),
            rates: [0; 2],
            sent: [0; 2],
            given: [0; 2],
            sounding: [0; 2],
            at_us: 0,
            generated: 0,
        }
    }

    /// Time passes.
    pub(crate) fn pass(&mut self, us: u64) {
        self.at_us = self.at_us.saturating_add(us);
    }

    /// Takes an event; it must survive its journal.
    pub(crate) fn handle(&mut self, event: &Event<'_>) {
        let mut payload = Vec::new();
        let kind = wire::encode(event, &mut payload);
        assert_eq!(
            wire::decode(kind, &payload).as_ref(),
            Ok(event),
            "an event must be in its journal as it was"
        );
        if let Event::Audio { track, codec, bytes, .. } = event {
            self.sent[index(*track)] += (bytes.len() / codec.bytes_per_sample()) as u64;
        }
        self.timeline.handle_event(self.at_us, event);
        let clock_ms = self.timeline.stream_clock_ms(self.at_us);
        let generated = self.timeline.generated();
        assert!(generated >= self.generated, "speech was sent, and then was not");
        self.generated = generated;
        self.transcript.handle_event(Moment { at_us: self.at_us, clock_ms, generated }, event);
        self.take();
    }

    /// Ends the stream, and looks at all of it.
    pub(crate) fn finish(mut self) {
        self.handle(&Event::Ended { reason: EndReason::Finished });
        for track in 0..2 {
            assert!(self.sounding[track] <= self.sent[track], "sound that nobody sent");
        }
        if let Some(start) = self.timeline.start() {
            self.rates = [start.caller_rate, start.assistant_rate].map(|rate| rate.max(1));
            let us = |track: usize| u128::from(self.given[track]) * 1_000_000 / u128::from(self.rates[track]);
            let slack = 1_000_000 / u128::from(self.rates[0].min(self.rates[1])) + 1;
            assert!(us(0).abs_diff(us(1)) <= slack, "tracks of {} and {} us", us(0), us(1));
            assert!(us(0) <= u128::from(LONGEST_MS) * 1_000 + slack, "longer than the longest stream");
        }
        let completeness = self.timeline.completeness();
        let is_relay = self.timeline.start().is_some_and(|start| start.topology == Topology::Relay);
        assert_eq!(completeness.playout.is_some(), is_relay);
        assert!(completeness.is_complete() || !completeness.sentences().is_empty(), "{completeness:?}");
        let _ = self.notes.in_order();
        for line in self.transcript.into_lines() {
            assert!(line.heard.is_none_or(|heard| line.text.starts_with(&heard)), "{:?}", line.text);
        }
    }

    fn take(&mut self) {
        while let Some(note) = self.timeline.poll_note() {
            self.notes.add(note);
        }
        while let Some(placement) = self.timeline.poll_placement() {
            self.transcript.handle_placement(placement);
        }
        while let Some(stretch) = self.timeline.poll_output() {
            let track = index(stretch.track);
            assert_eq!(stretch.start, self.given[track], "a track is given out without gaps");
            self.given[track] += stretch.samples.len() as u64;
            self.sounding[track] += stretch.samples.iter().filter(|sample| **sample != 0).count() as u64;
        }
    }
}

fn index(track: Track) -> usize {
    usize::from(track == Track::Assistant)
}
