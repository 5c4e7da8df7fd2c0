//! G.711: 20 ms of a telephone line, both laws, both ways.
#![allow(missing_docs, reason = "criterion's macros make items without")]

use callrec_audio::g711::Law;
use callrec_benches::voice;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use std::hint::black_box;

fn companding(c: &mut Criterion) {
    let mut group = c.benchmark_group("companding");
    let pcm = voice(8_000, 1, 120.0)[2_000..2_160].to_vec();
    group.throughput(Throughput::Elements(160));
    for law in [Law::Mulaw, Law::Alaw] {
        let mut codes = Vec::new();
        law.encode(&pcm, &mut codes);
        let mut samples = Vec::with_capacity(160);
        group.bench_function(format!("decode {law:?}"), |b| {
            b.iter(|| {
                samples.clear();
                law.decode(black_box(&codes), &mut samples);
            });
        });
        group.bench_function(format!("encode {law:?}"), |b| {
            b.iter(|| {
                codes.clear();
                law.encode(black_box(&pcm), &mut codes);
            });
        });
    }
}

criterion_group!(benches, companding);
criterion_main!(benches);
