//! What a frame allocates in whatever thread, from the call to the file: in MP3 nothing; in the other formats what their decoder takes for
//! each packet that is read back, which is less than one for a frame.
#![cfg(all(feature = "mp3", feature = "wav"))]
#![allow(clippy::unwrap_used, reason = "tests")]

use std::alloc::System;

use callrec::{Audio, CallOptions, EndReason, Format, Recorder, Settings};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

/// Frames of 20 ms that one call has more than the other.
const MORE: usize = 10_000;
/// Frames between two writes of the journal, and what each of these may take.
const BETWEEN_WRITES: usize = 250;
const OF_A_WRITE: usize = 4;

#[test]
fn a_frame_allocates_nothing_on_its_way_into_an_mp3() {
    for format in Format::compiled() {
        // The first makes what encoder and decoder make once.
        let [_, short, long] = [500, MORE / 2, MORE / 2 + MORE].map(|frames| allocations(format, frames));
        let more = long.saturating_sub(short);
        let most = if format == Format::Mp3 { OF_A_WRITE * MORE / BETWEEN_WRITES } else { MORE };
        assert!(more < most, "{format}: {more} for {MORE} frames more");
    }
}

/// How often a whole call of so many frames of each side allocates.
fn allocations(format: Format, frames: usize) -> usize {
    let home = tempfile::tempdir().unwrap();
    let settings = Settings::default().with_format(format);
    let recorder = Recorder::builder(home.path()).settings(settings).start().unwrap();
    let region = Region::new(ALLOCATOR);
    let call = recorder.start_call(CallOptions::new("CA1")).unwrap();
    for frame in 0..frames {
        let (ms, mut sound) = (frame as u64 * 20, [0; 160]);
        sound.iter_mut().enumerate().for_each(|(at, code)| *code = (frame * 31 + at * 7) as u8 | 0x10);
        call.caller_at(ms, Audio::mulaw(&sound));
        call.assistant_at(ms, Audio::mulaw(&sound));
        if frame % BETWEEN_WRITES == 0 {
            assert!(call.flush());
        }
    }
    assert!(call.finish(EndReason::Finished).wait().unwrap().audio.is_some());
    let used = region.change();
    used.allocations + used.reallocations
}
