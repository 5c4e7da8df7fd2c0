//! The timeline without marks: its model of the playout is early by the round trip at most, and off by no more.

use std::borrow::Cow;
use std::collections::HashMap;

use callrec_session::{
    Codec, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track,
};
use callrec_simulator::{BotKind, Call, Conditions, Luck, Seen, simulate};

const CALL_MS: u64 = 40_000;

/// The place of each sample by its number, as the timeline has it.
fn estimate(call: &Call) -> HashMap<u64, u64> {
    let mut timeline = Timeline::new(TimelineLimits::default());
    let start = StreamStart::new("CA1", "MZ1", Topology::Relay);
    timeline.handle_event(0, &Event::Started(Cow::Owned(start)));
    let mut places = HashMap::new();
    // A sample says its number, modulo a count so large that the same one cannot be meant twice within the horizon.
    let mut last = 0_u64;
    let mut collect = |timeline: &mut Timeline| {
        while let Some(stretch) = timeline.poll_output() {
            if stretch.track == Track::Caller {
                continue;
            }
            for (at, sample) in (stretch.start..).zip(stretch.samples).filter(|(_, sample)| **sample != 0) {
                let residue = u64::from(sample.cast_unsigned()) - 1;
                let number = last + (residue + 65_535 - last % 65_535) % 65_535;
                places.insert(number, at);
                last = number;
            }
        }
    };
    for (at_us, seen) in &call.seen {
        match *seen {
            Seen::Caller { timestamp_ms } => {
                let (track, place) = (Track::Caller, Place::At(timestamp_ms));
                timeline.handle_event(
                    *at_us,
                    &Event::Audio { track, place, codec: Codec::Mulaw, bytes: &[0xff; 160] },
                );
            }
            Seen::Speech { first, samples } => {
                let numbers = (first..first + samples).flat_map(|n| ((n % 65_535 + 1) as u16).to_le_bytes());
                let bytes: Vec<u8> = numbers.collect();
                let (track, place) = (Track::Assistant, Place::Queued);
                timeline
                    .handle_event(*at_us, &Event::Audio { track, place, codec: Codec::Pcm16, bytes: &bytes });
            }
            Seen::Clear => timeline.handle_event(*at_us, &Event::Cleared),
            Seen::Mark(_) => {}
        }
        collect(&mut timeline);
    }
    timeline.handle_event(call.ended_us, &Event::Ended { reason: EndReason::Stopped });
    collect(&mut timeline);
    places
}

#[test]
fn without_marks_every_sample_is_within_the_round_trip_and_a_frame() {
    for kind in [BotKind::Bursting, BotKind::Pacing, BotKind::Stalling] {
        for seed in 0..100 {
            let conditions = Conditions::drawn(&mut Luck::new(seed));
            let call = simulate(seed, kind, &conditions, CALL_MS);
            let places = estimate(&call);
            let early = (conditions.longest_round_trip_ms() + 20) * 8
                + CALL_MS * 8 * conditions.drift_ppm / 1_000_000;
            // A sentence that stalls may be cut into pieces by the network that the model does not see, and late for it.
            let drift = CALL_MS * 8 * conditions.drift_ppm / 1_000_000;
            for (at, number) in &call.heard {
                let Some(place) = places.get(number) else { continue };
                let error = *place as i64 - *at as i64;
                assert!(
                    (-(early as i64)..=(2 * conditions.jitter_ms as i64 + 20) * 8 + drift as i64)
                        .contains(&error),
                    "{kind:?}, seed {seed}: sample {number} is {} ms off, with {conditions:?}",
                    error / 8
                );
            }
        }
    }
}
