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
}

fn steps() -> impl Strategy<Value = Vec<(u64, Step)>> {
    let place = prop_oneof![
        4 => (0_u64..5_000).prop_map(Place::At),
        1 => any::<u64>().prop_map(Place::At),
        2 => Just(Place::Queued),
        2 => Just(Place::Untimed),
    ];
    let audio = (any::<bool>(), place, any::<bool>(), 0_usize..1_000)
        .prop_map(|(caller, place, pcm, len)| Step::Audio { caller, place, pcm, len });
    let step = prop_oneof![9 => audio, 1 => Just(Step::Clear)];
    prop::collection::vec((0_u64..200_000, step), 0..200)
}

proptest! {
    #[test]
    fn whatever_happens_the_tracks_are_whole_and_no_sample_is_invented(
        relay: bool, rate in prop_oneof![Just(8_000), Just(16_000), Just(44_100), Just(1)], steps in steps(),
    ) {
        let mut start = StreamStart::new("CA1", "MZ1", if relay { Topology::Relay } else { Topology::OneWay });
        start.assistant_rate = rate;
        let mut timeline = Timeline::new(TimelineLimits::default());
        timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
        let bytes = vec![0x01; 2_000];
        let (mut at_us, mut sent, mut lengths, mut sounding) = (0, [0_u64; 2], [0_u64; 2], [0_u64; 2]);
        let mut events: Vec<(u64, Event<'_>)> = Vec::new();
        for (wait, step) in &steps {
            at_us += wait;
            events.push((at_us, match step {
                Step::Clear => Event::Cleared,
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
