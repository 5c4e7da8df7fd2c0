//! What a timeline points at: spurts, cuts and gaps, at their places, once they are final.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use callrec_session::{
    Codec, Cut, CutBy, EndReason, Event, Gap, GapWhy, Notes, Place, Spurt, StreamStart, Timeline,
    TimelineLimits, Topology, Track,
};

struct Feed {
    timeline: Timeline,
    notes: Notes,
    at_us: u64,
}

impl Feed {
    fn new(topology: Topology) -> Self {
        let mut feed =
            Self { timeline: Timeline::new(TimelineLimits::default()), notes: Notes::default(), at_us: 0 };
        feed.event(&Event::Started(Cow::Owned(StreamStart::new("CA1", "MZ1", topology))));
        feed
    }

    fn event(&mut self, event: &Event<'_>) -> &mut Self {
        self.timeline.handle_event(self.at_us, event);
        while self.timeline.poll_output().is_some() {}
        while let Some(note) = self.timeline.poll_note() {
            self.notes.add(note);
        }
        self
    }

    fn audio(&mut self, track: Track, place: Place, ms: usize) -> &mut Self {
        self.event(&Event::Audio { track, place, codec: Codec::Mulaw, bytes: &vec![0x10; ms * 8] })
    }

    /// The caller's frames of this time, each as it is over.
    fn caller(&mut self, from_ms: u64, to_ms: u64) -> &mut Self {
        for ms in (from_ms..to_ms).step_by(20) {
            self.at_us = (ms + 20) * 1000;
            self.audio(Track::Caller, Place::At(ms), 20);
        }
        self
    }

    fn bot(&mut self, ms: usize) -> &mut Self {
        self.audio(Track::Assistant, Place::Queued, ms)
    }

    fn end(mut self) -> Notes {
        self.event(&Event::Ended { reason: EndReason::Stopped });
        let report = self.timeline.completeness();
        let playout = report.playout.unwrap_or_default();
        let notes = self.notes.in_order();
        let cut: u64 = notes.cuts.iter().map(|cut| cut.unheard_ms).sum();
        assert_eq!((notes.spurts.len() as u64, notes.cuts.len() as u64), (playout.spurts, playout.cuts));
        assert_eq!(cut, playout.unheard_ms);
        let long = |why| {
            let gaps = notes.gaps.iter().filter(|gap| gap.why == why);
            gaps.map(|gap| gap.end_ms - gap.begin_ms).sum::<u64>()
        };
        assert_eq!(long(GapWhy::Lost), report.caller.lost_ms + report.assistant.lost_ms);
        assert_eq!(long(GapWhy::Underrun), playout.underrun_ms);
        notes
    }
}

#[test]
fn spurts_cuts_and_underruns_of_a_relay_are_noted_where_they_were_heard() {
    let mut feed = Feed::new(Topology::Relay);
    feed.caller(0, 500).bot(400).caller(500, 1_000).bot(300);
    feed.caller(1_000, 3_000).bot(2_000).caller(3_000, 3_800).event(&Event::Cleared);
    feed.caller(3_800, 6_000).bot(1_000).caller(6_000, 6_200);
    let notes = feed.end();
    assert_eq!(
        notes.spurts,
        [(500, 1_300), (3_000, 3_800), (6_000, 6_200)].map(|(begin_ms, end_ms)| Spurt {
            begin_ms,
            end_ms,
            pinned: false
        })
    );
    assert_eq!(
        notes.cuts,
        [(3_800, 1_200, CutBy::Cleared), (6_200, 800, CutBy::End)].map(|(at_ms, unheard_ms, by)| Cut {
            at_ms,
            unheard_ms,
            pinned: false,
            by
        })
    );
    let underrun = Gap { track: Track::Assistant, begin_ms: 900, end_ms: 1_000, why: GapWhy::Underrun };
    assert_eq!(notes.gaps, [underrun]);
}

#[test]
fn a_gap_is_noted_unless_it_is_filled_in_time() {
    let mut feed = Feed::new(Topology::OneWay);
    feed.caller(0, 200).caller(260, 500);
    // The last of the three came late, but not too late.
    feed.audio(Track::Caller, Place::At(240), 20);
    feed.caller(500, 1_000).caller(1_040, 5_000);
    feed.audio(Track::Assistant, Place::At(0), 20).audio(Track::Assistant, Place::At(100), 20);
    let gap = |track, begin_ms, end_ms| Gap { track, begin_ms, end_ms, why: GapWhy::Lost };
    let notes = feed.end();
    let caller = notes.gaps.iter().filter(|gap| gap.track == Track::Caller).copied();
    assert_eq!(caller.collect::<Vec<_>>(), [gap(Track::Caller, 200, 240), gap(Track::Caller, 1_000, 1_040)]);
    assert!(notes.cuts.is_empty() && notes.spurts.is_empty());
}
