//! A minute of events to two tracks on one clock: one-way, and through a relay's playout queue.
#![allow(missing_docs, reason = "criterion's macros make items without")]

use callrec_session::{
    Codec, EndReason, Event, Place, StreamStart, Timeline, TimelineLimits, Topology, Track,
};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::borrow::Cow;
use std::hint::black_box;

const FRAMES: u64 = 3_000;

/// The events of a minute. A relay's bot sends a sentence of three seconds, at once, every five.
fn minute(topology: Topology) -> Timeline {
    let mut timeline = Timeline::new(TimelineLimits::default());
    timeline.handle_event(0, &Event::Started(Cow::Owned(StreamStart::new("CA1", "MZ1", topology))));
    let (frame, sentence) = ([0x31_u8; 160], vec![0x31_u8; 24_000]);
    for index in 0..FRAMES {
        let at_us = (index + 1) * 20_000;
        let place = Place::At(index * 20);
        let audio = |track| Event::Audio { track, place, codec: Codec::Mulaw, bytes: &frame };
        timeline.handle_event(at_us, &audio(Track::Caller));
        match topology {
            Topology::OneWay => timeline.handle_event(at_us, &audio(Track::Assistant)),
            Topology::Relay if index % 250 == 0 => {
                let (track, place) = (Track::Assistant, Place::Queued);
                timeline.handle_event(
                    at_us,
                    &Event::Audio { track, place, codec: Codec::Mulaw, bytes: &sentence },
                );
            }
            Topology::Relay => {}
        }
        while let Some(stretch) = timeline.poll_output() {
            black_box(stretch.samples);
        }
    }
    timeline.handle_event(FRAMES * 20_000, &Event::Ended { reason: EndReason::Stopped });
    timeline
}

fn timeline(c: &mut Criterion) {
    let mut group = c.benchmark_group("timeline");
    group.throughput(Throughput::Elements(FRAMES));
    for topology in [Topology::OneWay, Topology::Relay] {
        group.bench_function(format!("{topology:?}"), |b| b.iter(|| minute(topology)));
    }
}

criterion_group!(benches, timeline);
criterion_main!(benches);
