//! A long call needs no more memory than a short one, whatever is said in it.
#![allow(clippy::unwrap_used, reason = "tests")]

use std::path::Path;

use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings};
use peak_alloc::PeakAlloc;

#[global_allocator]
static ALLOCATOR: PeakAlloc = PeakAlloc;

/// Bytes of mu-law in 20 ms.
const FRAME: usize = 160;

/// A conversation in frames of μ-law: the server's sample caller and sample bot, in turns, with pauses between them. The
/// caller's second sentence falls into the bot's.
fn conversation() -> Vec<[Vec<u8>; 2]> {
    let mut tracks = [Vec::new(), Vec::new()];
    let turns =
        [(1, "assistant_1"), (0, "caller_1"), (1, "assistant_2"), (0, "caller_2"), (1, "assistant_3")];
    for (track, name) in turns {
        let samples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../server/samples");
        #[allow(clippy::disallowed_methods, reason = "samples of speech, which no other crate has")]
        let speech = std::fs::read(samples.join(name).with_extension("ulaw")).unwrap();
        let longest = tracks[0].len().max(tracks[1].len());
        let begins = if name == "caller_2" { longest - 8_000 } else { longest + 3_200 };
        tracks[track].resize(begins, 0xff);
        tracks[track].extend(speech);
    }
    let whole = (tracks[0].len().max(tracks[1].len()) + 8_000).next_multiple_of(FRAME);
    tracks.iter_mut().for_each(|track| track.resize(whole, 0xff));
    let [caller, assistant] = tracks;
    let frames = caller.chunks(FRAME).zip(assistant.chunks(FRAME));
    frames.map(|(caller, assistant)| [caller.to_vec(), assistant.to_vec()]).collect()
}

/// The peak of the heap, in bytes, while a call of so many seconds is recorded, faster than time goes.
fn peak(format: Format, seconds: u64, conversation: &[[Vec<u8>; 2]]) -> usize {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_format(format);
    let recorder = Recorder::builder(home.path()).settings(settings).workers(1).start().unwrap();
    ALLOCATOR.reset_peak_usage();
    let before = ALLOCATOR.current_usage();
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    for (index, [caller, assistant]) in (0..seconds * 50).zip(conversation.iter().cycle()) {
        call.caller_at(index * 20, Audio::mulaw(caller));
        call.assistant_at(index * 20, Audio::mulaw(assistant));
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

/// How many short calls are measured: what threads meet by luck, the buffers that happen to be full at once, a long call has
/// sixty times as much time to meet.
const SHORT_CALLS: usize = 20;

#[test]
fn two_hours_take_the_memory_of_two_minutes_in_every_format() {
    let conversation = conversation();
    for format in Format::compiled() {
        // What is made once in a process is made before anything is compared.
        peak(format, 20, &conversation);
        let short = (0..SHORT_CALLS).map(|_| peak(format, 120, &conversation)).max().unwrap();
        let long = peak(format, 7_200, &conversation);
        assert!(long <= short + short / 20, "{format}: {long} bytes for two hours, {short} for two minutes");
    }
}
