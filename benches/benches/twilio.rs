//! A media message of 20 ms, from the provider and from a bot, to events.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use callrec_benches::voice;
use callrec_protocol::twilio::outgoing::{self, Provider};
use callrec_protocol::twilio::{BotSide, Twilio};
use callrec_protocol::{Dialect, Message};
use callrec_session::{Topology, Track};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn twilio(c: &mut Criterion) {
    let mut group = c.benchmark_group("twilio");
    let mut codes = Vec::new();
    callrec_audio::g711::Law::Mulaw.encode(&voice(8_000, 1, 120.0)[2_000..2_160], &mut codes);

    let mut provider = Provider::new("CA1", "MZ1");
    let mut dialect = Twilio::new(Topology::OneWay);
    dialect.handle_message(Message::Text(&provider.start(&[Track::Caller], &[]))).unwrap();
    while dialect.poll_event().is_some() {}
    let media = provider.media(Track::Caller, 20, &codes);
    group.throughput(Throughput::Bytes(media.len() as u64));
    group.bench_function("media of the provider", |b| {
        b.iter(|| {
            dialect.handle_message(Message::Text(black_box(&media))).unwrap();
            while let Some(event) = dialect.poll_event() {
                black_box(&event);
            }
        });
    });

    let mut bot = BotSide::new();
    let media = outgoing::media("MZ1", &codes);
    group.throughput(Throughput::Bytes(media.len() as u64));
    group.bench_function("media of a bot", |b| {
        b.iter(|| {
            bot.handle_message(Message::Text(black_box(&media))).unwrap();
            while let Some(event) = bot.poll_event() {
                black_box(&event);
            }
        });
    });
}

criterion_group!(benches, twilio);
criterion_main!(benches);
