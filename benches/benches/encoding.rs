//! A minute of a telephone call in each format, with the default settings: one in which a party speaks, and one in which both are silent.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use callrec_audio::mix::interleave;
use callrec_benches::voice;
use callrec_encode::{Format, Settings};
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn encoding(c: &mut Criterion) {
    let mut group = c.benchmark_group("encoding");
    group.sample_size(10);
    for format in Format::compiled() {
        let spec = Settings::default().with_format(format).resolve(8_000).unwrap();
        let silence = vec![0; spec.rate as usize * 60];
        group.throughput(Throughput::Elements(silence.len() as u64));
        for (what, caller) in [("speech", &voice(spec.rate, 60, 110.0)), ("silence", &silence)] {
            let mut pcm = Vec::new();
            interleave(caller, &silence, &mut pcm);
            group.bench_function(format!("{what} in {format} at {} Hz", spec.rate), |b| {
                b.iter(|| {
                    let (mut encoder, mut out) = (spec.encoder().unwrap(), Vec::new());
                    for second in pcm.chunks(2 * spec.rate as usize) {
                        out.clear();
                        encoder.encode(second, &mut out).unwrap();
                    }
                    encoder.finish(&mut out).unwrap()
                });
            });
        }
    }
}

criterion_group!(benches, encoding);
criterion_main!(benches);
