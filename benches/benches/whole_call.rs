//! A minute of a call through the recorder: frames in, verified file out, in each format.
#![allow(missing_docs, clippy::unwrap_used, reason = "a benchmark")]

use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings};
use callrec_audio::g711::Law;
use callrec_benches::voice;
use criterion::{Criterion, Throughput, criterion_group, criterion_main};

fn whole_call(c: &mut Criterion) {
    let mut group = c.benchmark_group("whole call");
    group.sample_size(10);
    let [caller, assistant] = [110.0, 190.0].map(|pitch| {
        let mut codes = Vec::new();
        Law::Mulaw.encode(&voice(8_000, 60, pitch), &mut codes);
        codes
    });
    group.throughput(Throughput::Elements(2 * 3_000));
    let mut calls = 0_u64;
    for format in Format::compiled() {
        let home = tempfile::tempdir().unwrap();
        let recorder =
            Recorder::builder(home.path()).settings(Settings::default().with_format(format)).start().unwrap();
        group.bench_function(format.to_string(), |b| {
            b.iter(|| {
                calls += 1;
                let call = recorder.start_call(CallOptions::new(format!("CA{calls}"))).unwrap();
                for (ms, (left, right)) in
                    (0..).step_by(20).zip(caller.chunks(160).zip(assistant.chunks(160)))
                {
                    call.caller_at(ms, Audio::mulaw(left));
                    call.assistant_at(ms, Audio::mulaw(right));
                    if ms % 10_000 == 0 {
                        call.flush();
                    }
                }
                call.finish(EndReason::Finished).wait().unwrap()
            });
        });
    }
}

criterion_group!(benches, whole_call);
criterion_main!(benches);
