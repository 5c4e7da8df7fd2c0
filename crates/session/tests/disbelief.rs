//! What the timeline does not take from a provider: times that nothing justifies, and audio for a moment that is filled.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::borrow::Cow;

use callrec_session::{
    Codec, Completeness, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track,
};

/// A call of frames of 20 ms from the caller: when each arrives and what it says its time is, in milliseconds, and its code.
/// How long the recording is, in milliseconds, and what it says of itself.
fn call_of(frames: impl IntoIterator<Item = (u64, u64, u8)>) -> (u64, Completeness) {
    let mut timeline = Timeline::new(TimelineLimits::default());
    let start = StreamStart::new("CA1", "MZ1", Topology::OneWay);
    timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
    let (mut last_us, mut samples) = (0, 0);
    let mut count = |timeline: &mut Timeline| {
        while let Some(stretch) = timeline.poll_output() {
            samples += if stretch.track == Track::Caller { stretch.samples.len() as u64 } else { 0 };
        }
    };
    for (at_ms, ms, code) in frames {
        last_us = at_ms * 1000;
        let (track, place, codec) = (Track::Caller, Place::At(ms), Codec::Mulaw);
        timeline.handle_event(last_us, &Event::Audio { track, place, codec, bytes: &[code; 160] });
        count(&mut timeline);
    }
    timeline.handle_event(last_us, &Event::Ended { reason: EndReason::Stopped });
    count(&mut timeline);
    (samples / 8, timeline.completeness())
}

#[test]
fn gaps_that_no_time_passed_for_add_up_to_ten_seconds_at_most() {
    for jump_ms in [100, 1_000, 9_000, 10_000] {
        let (ms, report) = call_of((0..1_000).map(|n| (0, n * jump_ms, 1)));
        assert!((20_000..=30_000).contains(&ms), "{jump_ms}: {ms} ms of 20 s and what is believed");
        assert!(report.clock_jumps > 0 && report.caller.lost_ms <= 10_000, "{jump_ms}: {report:?}");
    }
}

#[test]
fn a_gap_in_its_own_time_is_believed_however_often_it_comes() {
    // Two hours of a frame every ten seconds.
    let (ms, report) = call_of((0..720).map(|n| (n * 10_000 + 20, n * 10_000, 1)));
    assert_eq!((ms, report.clock_jumps), (719 * 10_000 + 20, 0));
}

#[test]
fn a_feed_faster_than_time_is_believed_as_long_as_it_brings_audio() {
    let (ms, report) = call_of((0..30_000).map(|n| (0, n * 20, 1)));
    assert_eq!(ms, 600_000);
    assert!(report.is_complete(), "{:?}", report.sentences());
}

#[test]
fn delays_that_come_and_go_with_losses_never_add_up_to_a_jump() {
    // An hour. Every second a frame is 150 ms late and the nine behind it are lost; the next is in time again.
    let frames = (0..180_000_u64).filter(|n| !(11..20).contains(&(n % 50)));
    let (ms, report) = call_of(frames.map(|n| (n * 20 + 20 + if n % 50 == 10 { 150 } else { 0 }, n * 20, 1)));
    assert_eq!((ms, report.clock_jumps), (3_600_000, 0));
}

#[test]
fn other_audio_for_a_moment_that_is_filled_is_told_and_the_same_again_is_not_missing() {
    let twice = [(0, 0, 1), (20, 20, 2), (20, 20, 2), (40, 40, 3)];
    let (_, report) = call_of(twice);
    assert!(report.is_complete());
    assert_eq!((report.caller.repeated_frames, report.caller.unplaced_frames), (1, 0));
    let other = [(0, 0, 1), (20, 20, 2), (20, 20, 7), (40, 40, 3)];
    let (_, report) = call_of(other);
    assert!(!report.is_complete());
    assert_eq!((report.caller.repeated_frames, report.caller.unplaced_frames), (0, 1));
    assert_eq!(
        report.sentences(),
        ["1 piece of the caller's audio belonged where other audio is already, and is missing"]
    );
}

#[test]
fn a_clock_that_slips_back_by_more_than_a_frame_is_not_a_complete_call() {
    let (_, report) = call_of((0..100).map(|n| (n * 20 + 20, n * 20 - if n < 50 { 0 } else { 30 }, n as u8)));
    assert!(!report.is_complete() && report.caller.unplaced_frames > 0, "{report:?}");
}
