//! Whatever comes from a socket, the timeline gives whole tracks, invents nothing and does not panic.

use std::borrow::Cow;

use callrec_session::{
    Codec, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track,
};
use proptest::prelude::*;

#[derive(Debug, Clone)]
enum Step {
    Audio { caller: bool, place: Place, pcm: bool, len: usize },
    Clear,
    MarkSent(u8),
    MarkEchoed(u8),
    Omitted { caller: bool, place: Place, samples: u32 },
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let place = prop_oneof![
        4 => (0_u64..5_000).prop_map(Place::At),
        1 => any::<u64>().prop_map(Place::At),
        2 => Just(Place::Queued),
        2 => Just(Place::Untimed),
    ];
    let omitted = (any::<bool>(), place.clone(), 0_u32..2_000)
        .prop_map(|(caller, place, samples)| Step::Omitted { caller, place, samples });
    let audio = (any::<bool>(), place, any::<bool>(), 0_usize..1_000)
        .prop_map(|(caller, place, pcm, len)| Step::Audio { caller, place, pcm, len });
    // Names are few, so that marks have namesakes, and echoes come that nobody waits for.
    let step = prop_oneof![
        9 => audio,
        1 => omitted,
        2 => Just(Step::Clear),
        4 => (0_u8..4).prop_map(Step::MarkSent),
        4 => (0_u8..4).prop_map(Step::MarkEchoed),
    ];
    let wait = prop_oneof![20 => 0_u64..200_000, 1 => 0_u64..=u64::MAX / 1_000];
    prop::collection::vec((wait, step), 0..200)
}

const NAMES: [&str; 4] = ["", "a", "b", "callrec-0123456789abcdef-1"];

proptest! {
    #[test]
    fn whatever_happens_the_tracks_are_whole_and_no_sample_is_invented(
        relay: bool, rate in prop_oneof![Just(8_000), Just(16_000), Just(44_100), Just(1)], steps in steps(),
    ) {
        let mut start = StreamStart::new("CA1", "MZ1", if relay { Topology::Relay } else { Topology::OneWay });
        start.assistant_rate = rate;
        // The clock may say anything; silence of days would only take long.
        let mut limits = TimelineLimits::default();
        limits.longest_ms = 60_000;
        let mut timeline = Timeline::new(limits);
        timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
        let bytes = vec![0x01; 2_000];
        let (mut at_us, mut sent, mut lengths, mut sounding) = (0, [0_u64; 2], [0_u64; 2], [0_u64; 2]);
        let mut events: Vec<(u64, Event<'_>)> = Vec::new();
        for (wait, step) in &steps {
            at_us += wait;
            events.push((at_us, match step {
                Step::Clear => Event::Cleared,
                Step::MarkSent(name) => Event::MarkSent { name: NAMES[usize::from(*name)] },
                Step::MarkEchoed(name) => Event::MarkEchoed { name: NAMES[usize::from(*name)] },
                Step::Omitted { caller, place, samples } => {
                    let track = if *caller { Track::Caller } else { Track::Assistant };
                    Event::Omitted { track, place: *place, samples: *samples }
                }
                Step::Audio { caller, place, pcm, len } => {
                    sent[usize::from(!*caller)] += *len as u64;
                    let (codec, width) = if *pcm { (Codec::Pcm16, 2) } else { (Codec::Mulaw, 1) };
                    let track = if *caller { Track::Caller } else { Track::Assistant };
                    Event::Audio { track, place: *place, codec, bytes: &bytes[..width * len] }
                }
            }));
        }
        events.push((at_us, Event::Ended { reason: EndReason::Stopped }));
        for (at_us, event) in &events {
            timeline.handle_event(*at_us, event);
            while let Some(stretch) = timeline.poll_output() {
                let track = usize::from(stretch.track == Track::Assistant);
                prop_assert_eq!(stretch.start, lengths[track]);
                lengths[track] += stretch.samples.len() as u64;
                sounding[track] += stretch.samples.iter().filter(|&&sample| sample != 0).count() as u64;
            }
        }
        for track in 0..2 {
            prop_assert!(sounding[track] <= sent[track]);
        }
        let assistant_us = u128::from(lengths[1]) * 1_000_000 / u128::from(rate);
        let caller_us = u128::from(lengths[0]) * 1_000_000 / 8_000;
        prop_assert!(assistant_us.abs_diff(caller_us) <= 1_000_000 / u128::from(rate.min(8_000)));
    }

    #[test]
    fn a_timeline_survives_any_time(at in prop::collection::vec(any::<u64>(), 1..20)) {
        let mut timeline = Timeline::new(TimelineLimits::default());
        let start = StreamStart::new("CA1", "MZ1", Topology::Relay);
        timeline.handle_event(at[0], &Event::Started(Cow::Owned(start)));
        for &at_us in &at {
            for track in [Track::Caller, Track::Assistant] {
                for place in [Place::At(at_us), Place::Untimed] {
                    let audio = Event::Audio { track, place, codec: Codec::Alaw, bytes: &[1; 160] };
                    timeline.handle_event(at_us, &audio);
                }
            }
            timeline.handle_event(at_us, &Event::Cleared);
            let _ = timeline.stream_clock_ms(at_us);
        }
        prop_assert!(timeline.completeness().caller.frames > 0);
    }
}
