//! A second of one track between the rates of lines, files and speech models.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use callrec_audio::resample::Resampler;
use callrec_benches::voice;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn resampling(c: &mut Criterion) {
    let mut group = c.benchmark_group("resampling");
    for (from, to) in [(8_000, 16_000), (8_000, 44_100), (24_000, 8_000), (24_000, 16_000)] {
        let pcm = voice(from, 1, 120.0);
        let mut resampler = Resampler::new(from, to).unwrap();
        let mut out = Vec::new();
        group.throughput(Throughput::Elements(u64::from(from)));
        group.bench_function(format!("{from} to {to} Hz"), |b| {
            b.iter(|| {
                out.clear();
                for frame in pcm.chunks(from as usize / 50) {
                    resampler.process(frame, &mut out);
                }
            });
        });
    }
}

criterion_group!(benches, resampling);
criterion_main!(benches);
