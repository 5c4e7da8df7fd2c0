//! Where audio goes: by the provider's clock, whatever the network and the provider do; and what a relay's caller hears.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use callrec_audio::g711::Law;
use callrec_session::{
    Codec, Completeness, EndReason, Event, Place, Placement, StreamStart, Timeline, TimelineLimits, Topology,
    Track,
};

/// What came out of a timeline, and what it said.
struct Heard {
    caller: Vec<i16>,
    assistant: Vec<i16>,
    placements: Vec<Placement>,
    report: Completeness,
}

/// Feeds a timeline and collects what it gives out.
struct Feed {
    timeline: Timeline,
    heard: Heard,
    at_us: u64,
}

/// A frame of 20 ms whose samples all have the value that this code stands for.
fn frame(code: u8) -> Vec<u8> {
    vec![code; 160]
}

fn value(code: u8) -> i16 {
    let mut pcm = Vec::new();
    Law::Mulaw.decode(&[code], &mut pcm);
    pcm[0]
}

impl Feed {
    fn new(topology: Topology) -> Self {
        Self::with(StreamStart::new("CA1", "MZ1", topology))
    }

    fn with(start: StreamStart) -> Self {
        let heard =
            Heard { caller: vec![], assistant: vec![], placements: vec![], report: Completeness::default() };
        let mut feed = Self { timeline: Timeline::new(TimelineLimits::default()), heard, at_us: 1_000_000 };
        feed.event(&Event::Started(Cow::Owned(start)));
        feed
    }

    /// Local time since the stream began, in milliseconds.
    fn at(&mut self, ms: u64) -> &mut Self {
        self.at_us = 1_000_000 + ms * 1000;
        self
    }

    fn event(&mut self, event: &Event<'_>) -> &mut Self {
        self.timeline.handle_event(self.at_us, event);
        self.heard.placements.extend(std::iter::from_fn(|| self.timeline.poll_placement()));
        while let Some(stretch) = self.timeline.poll_output() {
            let track = match stretch.track {
                Track::Caller => &mut self.heard.caller,
                Track::Assistant => &mut self.heard.assistant,
            };
            assert_eq!(
                stretch.start,
                track.len() as u64,
                "each stretch begins where the one before it ended"
            );
            assert!(!stretch.samples.is_empty());
            track.extend_from_slice(stretch.samples);
        }
        self
    }

    fn audio(&mut self, track: Track, place: Place, bytes: &[u8]) -> &mut Self {
        self.event(&Event::Audio { track, place, codec: Codec::Mulaw, bytes })
    }

    fn caller(&mut self, stamp_ms: u64, code: u8) -> &mut Self {
        self.audio(Track::Caller, Place::At(stamp_ms), &frame(code))
    }

    /// Ticks of the caller from one stamp to another, each arriving as it ends.
    fn ticks(&mut self, from_ms: u64, to_ms: u64) -> &mut Self {
        for ms in (from_ms..to_ms).step_by(20) {
            self.at(ms + 20).caller(ms, 0xff);
        }
        self
    }

    fn bot(&mut self, code: u8, frames: usize) -> &mut Self {
        self.audio(Track::Assistant, Place::Queued, &vec![code; 160 * frames])
    }

    fn finish(&mut self) {
        self.event(&Event::Ended { reason: EndReason::Stopped });
        self.heard.report = self.timeline.completeness();
    }

    fn end(mut self) -> Heard {
        self.finish();
        assert_eq!(self.heard.caller.len(), self.heard.assistant.len(), "both tracks end together");
        self.heard
    }
}

/// The runs of equal samples, with their lengths in samples.
fn runs(pcm: &[i16]) -> Vec<(i16, usize)> {
    let mut runs: Vec<(i16, usize)> = Vec::new();
    for &sample in pcm {
        match runs.last_mut() {
            Some((value, count)) if *value == sample => *count += 1,
            _ => runs.push((sample, 1)),
        }
    }
    runs
}

/// The speech that was generated and never heard: its first sample, and how many.
fn unheard(heard: &Heard) -> Vec<(u64, u64)> {
    let unheard = heard.placements.iter().filter(|placement| placement.start.is_none());
    unheard.map(|placement| (placement.first, placement.samples)).collect()
}

#[test]
fn stamps_that_jitter_make_no_clicks_and_the_first_stamp_counts() {
    let mut feed = Feed::new(Topology::OneWay);
    for (index, jitter) in [0_i64, 7, -9, 19, -19, 3, 0].into_iter().enumerate() {
        let stamp = (60 + 20 * index as i64 + jitter) as u64;
        feed.at(stamp + 25).caller(stamp, 1 + index as u8);
    }
    let heard = feed.end();
    let expected: Vec<_> = std::iter::once((0, 480)).chain((1..8).map(|code| (value(code), 160))).collect();
    assert_eq!(runs(&heard.caller), expected);
    assert!(heard.report.is_complete(), "{:?}", heard.report.sentences());
}

#[test]
fn a_single_lost_frame_is_silence_and_is_counted() {
    let mut feed = Feed::new(Topology::OneWay);
    for ms in [0, 20, 60, 80] {
        feed.at(ms + 20).caller(ms, 1);
    }
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [(value(1), 320), (0, 160), (value(1), 320)]);
    assert_eq!((heard.report.caller.gaps, heard.report.caller.lost_ms), (1, 20));
    assert!(!heard.report.is_complete());
}

#[test]
fn small_errors_of_the_stamps_do_not_add_up() {
    // Frames of 161 samples dated 20 ms apart: after 161 of them one is a frame too many. With 159, one is missing.
    for (length, missing, repeated) in [(161, 0, 1), (159, 20, 0)] {
        let mut feed = Feed::new(Topology::OneWay);
        for index in 0..200 {
            let bytes = vec![1; length];
            feed.at(20 * index + 20).audio(Track::Caller, Place::At(20 * index), &bytes);
        }
        let heard = feed.end();
        let off = heard.caller.len().abs_diff(200 * 160);
        assert!(off <= 161, "{length}: {off} samples off");
        assert_eq!(heard.report.caller.lost_ms, missing, "{length}");
        assert_eq!(heard.report.caller.repeated_frames, repeated, "{length}");
    }
}

#[test]
fn frames_out_of_order_or_twice_find_their_place_once() {
    let mut feed = Feed::new(Topology::OneWay);
    for (stamp, code) in [(0, 1), (40, 3), (20, 2), (40, 3), (80, 5), (60, 4)] {
        feed.at(120).caller(stamp, code);
    }
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [1, 2, 3, 4, 5].map(|code| (value(code), 160)));
    let report = &heard.report.caller;
    assert_eq!((report.gaps, report.lost_ms, report.repeated_frames, report.late_frames), (0, 0, 1, 0));
}

#[test]
fn a_burst_after_a_stall_of_delivery_changes_nothing() {
    let mut feed = Feed::new(Topology::OneWay);
    feed.ticks(0, 200);
    for ms in (200..440).step_by(20) {
        feed.at(453).caller(ms, 0xff);
    }
    feed.ticks(440, 600);
    let heard = feed.end();
    assert_eq!(heard.caller.len(), 600 * 8);
    assert!(heard.report.is_complete());
}

#[test]
fn a_frame_behind_the_horizon_is_a_clock_that_jumped_back() {
    let mut feed = Feed::new(Topology::OneWay);
    feed.ticks(0, 5_000);
    for ms in (0..1_000).step_by(20) {
        feed.at(5_020 + ms).caller(ms, 1);
    }
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [(0, 40_000), (value(1), 8_000)]);
    assert_eq!((heard.report.clock_jumps, heard.report.caller.lost_ms), (1, 0));
}

#[test]
fn a_jump_of_hours_is_not_believed_and_a_pause_of_minutes_is() {
    let mut feed = Feed::new(Topology::OneWay);
    feed.ticks(0, 1_000);
    for ms in (0..1_000).step_by(20) {
        feed.at(1_020 + ms).caller(7_200_000 + ms, 1);
    }
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [(0, 8_000), (value(1), 8_000)]);
    assert_eq!(heard.report.clock_jumps, 1);

    let mut feed = Feed::new(Topology::OneWay);
    feed.ticks(0, 1_000).at(121_020).caller(121_000, 1);
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [(0, 121 * 8_000), (value(1), 160)]);
    assert_eq!((heard.report.clock_jumps, heard.report.caller.lost_ms), (0, 120_000));
}

#[test]
fn audio_without_a_time_is_contiguous_through_bursts_and_pauses_as_it_came() {
    let mut feed = Feed::new(Topology::OneWay);
    for at in [20, 40, 270, 271, 272, 1_020] {
        feed.at(at).audio(Track::Caller, Place::Untimed, &frame(1));
    }
    let heard = feed.end();
    assert_eq!(runs(&heard.caller), [(value(1), 5 * 160), (0, 1_000 * 8 - 800), (value(1), 160)]);
}

#[test]
fn speech_of_a_model_may_be_handed_over_at_once_without_harming_the_caller() {
    let mut start = StreamStart::new("CA1", "MZ1", Topology::OneWay);
    start.assistant_rate = 24_000;
    let mut feed = Feed::with(start);
    feed.ticks(0, 1_000);
    let pcm: Vec<u8> = [7_i16; 240_000].iter().flat_map(|sample| sample.to_le_bytes()).collect();
    let speech =
        Event::Audio { track: Track::Assistant, place: Place::Untimed, codec: Codec::Pcm16, bytes: &pcm };
    feed.event(&speech);
    feed.ticks(1_000, 11_000).finish();
    let Heard { caller, assistant, report, .. } = feed.heard;
    assert_eq!((caller.len(), assistant.len()), (88_000, 264_000));
    assert_eq!(assistant.iter().filter(|&&sample| sample == 7).count(), 240_000);
    assert!(report.is_complete());
}

#[test]
fn a_relay_plays_what_is_queued_in_order_and_at_once_when_nothing_is() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100).bot(1, 10).bot(2, 5);
    feed.ticks(100, 200).bot(3, 5);
    feed.ticks(200, 2_000).bot(4, 5);
    feed.ticks(2_000, 3_000);
    let heard = feed.end();
    let expected = [
        (0, 800),
        (value(1), 1_600),
        (value(2), 800),
        (value(3), 800),
        (0, 2_000 * 8 - 4_000),
        (value(4), 800),
        (0, 900 * 8),
    ];
    assert_eq!(runs(&heard.assistant), expected);
    let playout = heard.report.playout.unwrap();
    assert_eq!((playout.cuts, playout.unheard_ms, playout.underruns, playout.calibrated), (0, 0, 0, false));
}

#[test]
fn an_echo_long_before_its_speech_can_have_been_over_is_not_believed_and_moves_nothing() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 200).event(&Event::MarkSent { name: "a" }).event(&Event::MarkEchoed { name: "a" });
    feed.bot(1, 100).event(&Event::MarkSent { name: "b" });
    feed.ticks(200, 400).event(&Event::MarkEchoed { name: "b" });
    feed.ticks(400, 3_000);
    let heard = feed.end();
    assert_eq!(runs(&heard.assistant), [(0, 1_600), (value(1), 16_000), (0, 800 * 8)]);
    assert_eq!(heard.report.playout.unwrap().stray_echoes, 1);
}

#[test]
fn no_more_marks_than_four_thousand_wait_for_their_echoes() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100);
    for n in 0..5_000 {
        feed.event(&Event::MarkSent { name: &n.to_string() });
    }
    for n in 0..5_000 {
        feed.event(&Event::MarkEchoed { name: &n.to_string() });
    }
    let playout = feed.end().report.playout.unwrap();
    assert_eq!((playout.marks, playout.echoes, playout.stray_echoes), (4_096, 4_096, 904));
}

#[test]
fn a_clear_cuts_what_was_not_played_to_the_sample() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100).bot(1, 100);
    feed.ticks(100, 600).event(&Event::Cleared);
    feed.ticks(600, 800).bot(2, 5);
    feed.ticks(800, 1_200);
    let heard = feed.end();
    let expected = [(0, 800), (value(1), 4_000), (0, 1_600), (value(2), 800), (0, 2_400)];
    assert_eq!(runs(&heard.assistant), expected);
    assert_eq!(unheard(&heard), [(4_000, 12_000)]);
    let playout = heard.report.playout.unwrap();
    assert_eq!((playout.cuts, playout.unheard_ms), (1, 1_500));
}

#[test]
fn a_clear_when_nothing_is_queued_cuts_nothing() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100).bot(1, 5);
    feed.ticks(100, 300).event(&Event::Cleared).event(&Event::Cleared);
    feed.ticks(300, 400);
    let heard = feed.end();
    assert_eq!(runs(&heard.assistant), [(0, 800), (value(1), 800), (0, 1_600)]);
    assert_eq!(unheard(&heard), []);
}

#[test]
fn speech_that_comes_too_late_leaves_the_pause_that_the_caller_heard() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100).bot(1, 5);
    feed.ticks(100, 260).bot(1, 5);
    feed.ticks(260, 1_000).bot(1, 5);
    feed.ticks(1_000, 1_200);
    let playout = feed.end().report.playout.unwrap();
    assert_eq!((playout.underruns, playout.underrun_ms), (1, 60), "a pause between sentences is none");
}

#[test]
fn what_is_queued_at_the_end_was_generated_and_never_heard() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 100).bot(1, 100);
    feed.ticks(100, 300);
    let heard = feed.end();
    assert_eq!(runs(&heard.assistant), [(0, 800), (value(1), 1_600)]);
    assert_eq!(unheard(&heard), [(1_600, 14_400)]);
    assert_eq!(heard.report.playout.unwrap().unheard_ms, 1_800);
}

#[test]
fn ten_minutes_at_once_are_queued_and_what_is_beyond_is_refused_and_counted() {
    let mut feed = Feed::new(Topology::Relay);
    feed.ticks(0, 20).bot(1, 30_000).bot(2, 50);
    feed.ticks(20, 601_000);
    let heard = feed.end();
    assert_eq!(runs(&heard.assistant), [(0, 160), (value(1), 600 * 8_000), (0, 980 * 8)]);
    assert_eq!(heard.report.assistant.refused_ms, 1_000);
}

#[test]
fn frames_of_any_size_and_broken_samples_are_taken() {
    let mut feed = Feed::new(Topology::OneWay);
    for (stamp, size) in [(0, 0), (0, 160), (20, 1), (20, 159), (40, 161), (60, 60_000), (7_560, 160)] {
        feed.at(stamp + 20).audio(Track::Caller, Place::At(stamp), &vec![1; size]);
    }
    let odd = [1, 2, 3];
    let place = Place::At(0);
    feed.event(&Event::Audio { track: Track::Assistant, place, codec: Codec::Pcm16, bytes: &odd });
    let heard = feed.end();
    assert!(heard.caller.len().abs_diff(7_580 * 8) <= 161, "{}", heard.caller.len());
}

#[test]
fn audio_outside_of_the_stream_is_counted_and_not_heard() {
    let mut timeline = Timeline::new(TimelineLimits::default());
    let place = Place::At(0);
    let audio = Event::Audio { track: Track::Caller, place, codec: Codec::Mulaw, bytes: &[1; 160] };
    timeline.handle_event(0, &audio);
    let start = StreamStart::new("CA1", "MZ1", Topology::OneWay);
    timeline.handle_event(1, &Event::Started(Cow::Owned(start)));
    timeline.handle_event(2, &Event::Ended { reason: EndReason::Stopped });
    timeline.handle_event(3, &audio);
    assert_eq!(timeline.poll_output(), None);
    assert_eq!(timeline.completeness().dropped.audio, 2);
}

#[test]
fn a_stream_longer_than_the_limit_is_cut_there() {
    let mut feed = Feed::new(Topology::OneWay);
    let mut limits = TimelineLimits::default();
    limits.longest_ms = 60_000;
    feed.timeline = Timeline::new(limits);
    feed.event(&Event::Started(Cow::Owned(StreamStart::new("CA1", "MZ1", Topology::OneWay))));
    feed.ticks(0, 61_000);
    let heard = feed.end();
    assert_eq!(heard.caller.len(), 60_000 * 8);
    assert_eq!(heard.report.caller.refused_ms, 1_000);
}
