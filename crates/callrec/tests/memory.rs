//! A long call needs no more memory than a short one.
#![allow(clippy::unwrap_used, reason = "tests")]

mod sound;

use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings};
use peak_alloc::PeakAlloc;
use sound::{frames_of, tone};

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// The peak of the heap, in bytes, while a call of so many seconds is recorded, faster than time goes.
fn peak(format: Format, seconds: u64) -> usize {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_format(format);
    let recorder = Recorder::builder(home.path()).settings(settings).workers(1).start().unwrap();
    let (caller, assistant) = (tone(440.0, 8_000), tone(700.0, 8_000));
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    for index in 0..seconds * 50 {
        // Both parties speak, in turns of four seconds that overlap by one.
        if index % 200 < 125 {
            call.caller_at(index * 20, Audio::mulaw(&frames_of(&caller, index)));
        } else {
            call.caller_at(index * 20, Audio::mulaw(&[0xff; 160]));
        }
        if index % 200 >= 75 {
            call.assistant_at(index * 20, Audio::mulaw(&frames_of(&assistant, index)));
        } else {
            call.assistant_at(index * 20, Audio::mulaw(&[0xff; 160]));
        }
        // So often that what waits for the journal is small, whatever the threads' luck with the processors.
        if index % 100 == 99 {
            assert!(call.flush());
        }
    }
    let files = call.finish(EndReason::Finished).wait().unwrap();
    let stream = &files.details.streams[0];
    assert_eq!(stream.duration_ms, seconds * 1_000);
    assert!(stream.completeness.is_complete(), "{:?}", stream.completeness.sentences());
    ALLOCATOR.peak_usage() - before
}

#[test]
fn two_hours_take_the_memory_of_two_minutes_in_every_format() {
    for format in Format::compiled() {
        // What is made once in a process is made before anything is compared.
        peak(format, 20);
        let (short, long) = (peak(format, 120), peak(format, 7_200));
        assert!(long <= short + short / 20, "{format}: {long} bytes for two hours, {short} for two minutes");
    }
}
